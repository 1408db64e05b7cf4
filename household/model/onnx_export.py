"""Export the network as an ONNX graph, which runs without TensorFlow.

The graph is built operation by operation instead of by tf2onnx, which orders and names the
operations differently each time. Here the same weights give the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from household.core import files
from household.core.params import TrainParams
from household.core.schema import Float32
from household.dataset.scaling import Scaler
from household.dataset.windows import WindowShape
from household.model.calibration import MEAN, QUANTILES, Calibration

READINGS, FORECAST = "readings", "forecast"
# Old enough for the versions of ONNX Runtime of recent years.
OPSET, IR = 17, 8

# The weights of each layer, by its name in the Keras model.
Weights = Mapping[str, Sequence[Float32]]


def to_onnx(
    shape: WindowShape,
    scaling: Scaler,
    settings: TrainParams,
    *,
    weights: Weights,
    calibration: Calibration | None = None,
) -> onnx.ModelProto:
    """Return the network of `household.model.network.build_model` as ONNX, from readings to kW.

    It has an input `readings` (windows, lookback, features) and the outputs `mean` (windows,
    horizon) and `quantiles` (windows, horizon, levels). With another loss than `quantile` it has
    one output, `forecast` (windows, horizon).

    Args:
        shape: The shape of the windows.
        scaling: The scaling of the features.
        settings: The parameters of the train stage.
        weights: The weights of each layer.
        calibration: The calibration of the quantiles, by default none.
    """
    graph = _GraphBuilder()
    scaled = _scaled(graph, scaling, difference_inputs=settings.difference_inputs)
    # The LSTM operation expects the minutes as the first axis.
    by_minute = graph.add("Transpose", scaled, perm=[1, 0, 2])
    members = [
        _member(graph, by_minute, member, depth=len(settings.units), weights=weights)
        for member in range(1, settings.ensemble_size + 1)
    ]
    linear = graph.add("Mean", *members)
    kilowatts = graph.add("Mul", linear, graph.array("target_scale", scaling.scale[:1]))
    if settings.target == "difference":
        last = graph.cut(graph.cut(READINGS, 1, -1, end=None), 2, 0, end=1)
        start = graph.add("Squeeze", last, graph.array("of_features", [2]))
    else:
        start = graph.array("target_center", scaling.center[:1])
    outputs = {FORECAST: [shape.horizon]}
    if count := len(settings.levels):
        outputs = {MEAN: [shape.horizon], QUANTILES: [shape.horizon, count]}
        calibration = calibration or Calibration.none(count, shape.horizon)
        _mean_and_quantiles(graph, graph.add("Add", start, kilowatts), calibration)
    else:
        graph.add("Add", start, kilowatts, output=FORECAST)
    return _model(graph, {READINGS: [shape.lookback, len(scaling.center)]}, outputs)


def _scaled(graph: "_GraphBuilder", scaling: Scaler, *, difference_inputs: bool) -> str:
    """Add the scaling of the readings, and their changes if asked; return the output."""
    inverse, offset = 1 / scaling.scale, -scaling.center / scaling.scale
    scaled = graph.add("Mul", READINGS, graph.array("inverse_scale", inverse))
    scaled = graph.add("Add", scaled, graph.array("center_over_scale", offset))
    if not difference_inputs:
        return scaled
    now, before = graph.cut(scaled, 1, 1, end=None), graph.cut(scaled, 1, 0, end=-1)
    pads = graph.array("first_minute", [0, 1, 0, 0, 0, 0])
    changes = graph.add("Pad", graph.add("Sub", now, before), pads)
    return graph.add("Concat", scaled, changes, axis=2)


def _mean_and_quantiles(graph: "_GraphBuilder", kilowatts: str, calibration: Calibration) -> None:
    """Add the outputs of `household.model.head.mean_and_quantiles`."""
    count, horizon = calibration.stretch.shape
    shape = graph.array("outputs_and_steps", [0, count + 1, horizon])
    by_output = graph.add("Reshape", kilowatts, shape)
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
    graph: "_GraphBuilder", inputs: Mapping[str, list[int]], outputs: Mapping[str, list[int]]
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


class _GraphBuilder:
    """Collect operations in order, each output named by its number."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []

    def add(
        self,
        operation: str,
        *inputs: str,
        output: str = "",
        also: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        """Add an operation; return the name of its output, the first one before those in `also`."""
        output = output or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output, *also], **attributes))
        return output

    def array(self, name: str, values: Any) -> str:
        """Add a constant, floats as float32 and integers as int64; return its name."""
        array = np.asarray(values)
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        self.arrays.append(numpy_helper.from_array(array.astype(kind), name))
        return name

    def cut(self, tensor: str, axis: int, begin: int, *, end: int | None) -> str:
        """Add a slice from `begin` to `end` along an axis; return the name of its output."""
        end = np.iinfo(np.int64).max if end is None else end
        name = f"slice_{len(self.nodes)}"
        bounds = [
            self.array(f"{name}_{name_part}", [value])
            for name_part, value in (("begin", begin), ("end", end), ("axis", axis))
        ]
        return self.add("Slice", tensor, *bounds)


def _member(graph: _GraphBuilder, inputs: str, number: int, *, depth: int, weights: Weights) -> str:
    """Add the layers of an ensemble member; return the name of its output."""
    hidden = inputs
    for layer in range(1, depth + 1):
        name = f"lstm_{number}_{layer}"
        kernel, recurrent, bias = weights[name]
        units = len(recurrent)
        outputs = [f"{name}_sequence", f"{name}_last"]
        constants = [
            graph.array(f"{name}_kernel", _to_onnx_gate_order(kernel).T[np.newaxis]),
            graph.array(f"{name}_recurrent", _to_onnx_gate_order(recurrent).T[np.newaxis]),
            graph.array(
                f"{name}_bias",
                np.append(_to_onnx_gate_order(bias), np.zeros(4 * units))[np.newaxis],
            ),
        ]
        graph.nodes.append(
            helper.make_node("LSTM", [hidden, *constants], outputs, hidden_size=units)
        )
        sequence, last = outputs
        if layer < depth:
            hidden = graph.add("Squeeze", sequence, graph.array(f"{name}_direction", [1]))
        else:
            hidden = graph.add("Squeeze", last, graph.array(f"{name}_direction", [0]))
    name = f"linear_{number}"
    kernel, bias = weights[name]
    constants = [graph.array(f"{name}_kernel", kernel), graph.array(f"{name}_bias", bias)]
    return graph.add("Gemm", hidden, *constants)


def _to_onnx_gate_order(weights: Float32) -> Float32:
    """Reorder the gates of an LSTM from Keras to ONNX: input, output, forget, cell."""
    input_gate, forget_gate, cell, output_gate = np.split(weights, 4, axis=-1)
    return np.concatenate([input_gate, output_gate, forget_gate, cell], axis=-1)
