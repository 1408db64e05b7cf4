"""Export the network as an ONNX graph, which runs without TensorFlow.

The graph is built operation by operation instead of by tf2onnx, which orders and names the
operations differently each time. Here the same weights give the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from household.core import files
from household.core.params import TrainParams
from household.dataset.inputs import KNOWN, PROFILE, READINGS, InputColumns
from household.dataset.scaling import Scaler
from household.dataset.windows import WindowShape
from household.model import onnx_member
from household.model.calibration import MEAN, QUANTILES, Calibration
from household.model.onnx_graph import GraphBuilder
from household.model.onnx_member import Weights

FORECAST = "forecast"
# Old enough for the versions of ONNX Runtime of recent years.
OPSET, IR = 17, 8


def to_onnx(
    shape: WindowShape,
    scaling: Scaler,
    columns: InputColumns,
    settings: TrainParams,
    *,
    weights: Weights,
    calibration: Calibration | None = None,
) -> onnx.ModelProto:
    """Return the network of `household.model.network.build_model` as ONNX, from readings to kW.

    It has the inputs of `household.dataset.inputs` and the outputs `mean` (windows, horizon) and
    `quantiles` (windows, horizon, levels). With another loss than `quantile` it has one output,
    `forecast` (windows, horizon).

    Args:
        shape: The shape of the windows.
        scaling: The scaling of the features.
        columns: What the network reads besides the features.
        settings: The parameters of the train stage.
        weights: The weights of each layer.
        calibration: The calibration of the quantiles, by default none.
    """
    graph, count = GraphBuilder(), len(settings.levels)
    features, scaler = len(scaling.center), columns.scale_readings(scaling)
    given = {READINGS: [shape.lookback, len(scaler.center)]}
    scaled = _rescale(graph, READINGS, scaler)
    start, known = graph.array("target_center", scaling.center[:1]), ""
    if columns.is_anchored:
        given[PROFILE] = [shape.horizon]
        start = _anchor(graph, scaling.shares)
    if columns.known_width:
        given[KNOWN] = [shape.horizon, columns.known_width]
        known = _rescale(graph, KNOWN, columns.scale_known(scaling))
    if settings.difference_inputs:
        scaled = _with_changes(graph, scaled, features)
    # The LSTM operation expects the minutes as the first axis.
    hidden = graph.add("Transpose", scaled, perm=[1, 0, 2])
    by_output = graph.array("by_output", [0, count + 1, shape.horizon])
    members = [
        onnx_member.add(graph, onnx_member.MemberInputs(hidden, known), by_output, weights, member)
        for member in range(1, settings.ensemble_size + 1)
    ]
    kilowatts = graph.add(
        "Mul", graph.add("Mean", *members), graph.array("scale", scaling.scale[:1])
    )
    forecast = graph.add("Add", start, kilowatts)
    if count:
        calibration = calibration or Calibration.none(count, shape.horizon)
        _mean_and_quantiles(graph, forecast, calibration)
        return _model(graph, given, {MEAN: [shape.horizon], QUANTILES: [shape.horizon, count]})
    graph.add("Squeeze", forecast, graph.array("of_one_output", [1]), output=FORECAST)
    return _model(graph, given, {FORECAST: [shape.horizon]})


def _anchor(graph: GraphBuilder, shares: Sequence[float]) -> str:
    """Add the mean of the last power and the profile; return the output (windows, 1, horizon)."""
    power = graph.cut(graph.cut(READINGS, 1, -1, end=None), 2, 0, end=1)
    profile = graph.add("Unsqueeze", PROFILE, graph.array("of_outputs", [1]))
    distance = graph.add("Sub", power, profile)
    part = graph.add("Mul", distance, graph.array("shares", np.array(shares, np.float32)))
    return graph.add("Add", profile, part)


def _rescale(graph: GraphBuilder, tensor: str, scaler: Scaler) -> str:
    """Subtract the center of each column and divide by its scale; return the output."""
    inverse, offset = 1 / scaler.scale, -scaler.center / scaler.scale
    scaled = graph.add("Mul", tensor, graph.array(f"inverse_scale_of_{tensor}", inverse))
    return graph.add("Add", scaled, graph.array(f"center_over_scale_of_{tensor}", offset))


def _with_changes(graph: GraphBuilder, scaled: str, features: int) -> str:
    """Append the change of each feature from the minute before; return the output."""
    changing = graph.cut(scaled, 2, 0, end=features)
    now, before = graph.cut(changing, 1, 1, end=None), graph.cut(changing, 1, 0, end=-1)
    pads = graph.array("first_minute", [0, 1, 0, 0, 0, 0])
    changes = graph.add("Pad", graph.add("Sub", now, before), pads)
    return graph.add("Concat", scaled, changes, axis=2)


def _mean_and_quantiles(graph: GraphBuilder, by_output: str, calibration: Calibration) -> None:
    """Add the outputs of `household.model.head.mean_and_quantiles`."""
    count, _ = calibration.stretch.shape
    axis = graph.array("axis_of_outputs", [1])
    graph.add("Squeeze", graph.cut(by_output, 1, count, end=None), axis, output=MEAN)
    levels = graph.array("levels", [count])

    def increasing(tensor: str, axis: int) -> str:
        return graph.add("TopK", tensor, levels, also=[f"order_{axis}"], axis=axis, largest=0)

    by_level = increasing(graph.cut(by_output, 1, 0, end=count), 1)
    median = graph.cut(by_level, 1, count // 2, end=count // 2 + 1)
    distance = graph.add("Sub", by_level, median)
    stretched = graph.add("Mul", distance, graph.array("stretch", calibration.stretch))
    by_step = graph.add("Transpose", graph.add("Add", median, stretched), perm=[0, 2, 1])
    limit = graph.array("lower_limit", calibration.lower_limit)
    graph.add("Max", increasing(by_step, 2), limit, output=QUANTILES)


def _model(
    graph: GraphBuilder, inputs: Mapping[str, list[int]], outputs: Mapping[str, list[int]]
) -> onnx.ModelProto:
    """Return the model of a graph whose inputs and outputs have these axes after the windows."""
    input_infos, output_infos = (
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["windows", *axes])
            for name, axes in tensors.items()
        ]
        for tensors in (inputs, outputs)
    )
    onnx_graph = helper.make_graph(
        graph.nodes, "forecaster", input_infos, output_infos, graph.arrays
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        onnx_graph, opset_imports=opsets, ir_version=IR, producer_name="household"
    )


def write(path: Path, model: onnx.ModelProto) -> None:
    """Write `model` to `path`."""
    with files.atomic_write(path) as partial:
        partial.write_bytes(serialize(model))


def serialize(model: onnx.ModelProto) -> bytes:
    """Serialize `model`, the same network to the same bytes."""
    return model.SerializeToString(deterministic=True)
