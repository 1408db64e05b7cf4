"""The network as an ONNX graph, which runs without TensorFlow.

Written operation by operation, and not converted by tf2onnx, which orders and names the operations
otherwise each time: here the same weights are the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from household.forecast.scaling import Scaling
from household.forecast.windows import Shape
from household.pipeline import files
from household.pipeline.params import Train

READINGS, FORECAST = "readings", "forecast"
# Old enough for the runtimes of the last years.
OPSET, IR = 17, 8

# Of each layer, by the name that it has in the network of Keras.
Weights = Mapping[str, Sequence[npt.NDArray[np.float32]]]


def build(shape: Shape, scaling: Scaling, settings: Train, weights: Weights) -> onnx.ModelProto:
    """The network of `household.forecast.network.build`, from readings to kW.

    Takes `readings` (windows, lookback, features) and gives `forecast` (windows, horizon).
    """
    graph = _Graph()
    features = len(scaling.center)
    inverse, offset = 1 / scaling.scale, -scaling.center / scaling.scale
    scaled = graph.add("Mul", READINGS, graph.array("inverse_scale", inverse))
    scaled = graph.add("Add", scaled, graph.array("center_over_scale", offset))
    if settings.changes:
        now, before = graph.cut(scaled, 1, 1, None), graph.cut(scaled, 1, 0, -1)
        pads = graph.array("first_minute", [0, 1, 0, 0, 0, 0])
        changes = graph.add("Pad", graph.add("Sub", now, before), pads)
        scaled = graph.add("Concat", scaled, changes, axis=2)
    # The operation takes the minutes first.
    by_minute = graph.add("Transpose", scaled, perm=[1, 0, 2])
    members = [
        _member(graph, by_minute, number, len(settings.units), weights)
        for number in range(1, settings.members + 1)
    ]
    linear = graph.add("Mean", *members)
    kilowatts = graph.add("Mul", linear, graph.array("target_scale", scaling.scale[:1]))
    if settings.target == "change":
        last = graph.cut(graph.cut(READINGS, 1, -1, None), 2, 0, 1)
        start = graph.add("Squeeze", last, graph.array("of_features", [2]))
    else:
        start = graph.array("target_center", scaling.center[:1])
    graph.add("Add", start, kilowatts, output=FORECAST)
    taken = helper.make_tensor_value_info(
        READINGS, onnx.TensorProto.FLOAT, ["windows", shape.lookback, features]
    )
    given = helper.make_tensor_value_info(
        FORECAST, onnx.TensorProto.FLOAT, ["windows", shape.horizon]
    )
    made = helper.make_graph(graph.nodes, "forecaster", [taken], [given], graph.arrays)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opsets, ir_version=IR, producer_name="household")


def write(path: Path, model: onnx.ModelProto) -> None:
    with files.atomic_write(path) as partial:
        partial.write_bytes(encoded(model))


def encoded(model: onnx.ModelProto) -> bytes:
    """The same bytes for the same network."""
    return model.SerializeToString(deterministic=True)


class _Graph:
    """Operations in the order in which they were added, each output named by its number."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []

    def add(self, operation: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def array(self, name: str, values: Any) -> str:
        """Floats as float32, whole numbers as int64."""
        array = np.asarray(values)
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        self.arrays.append(numpy_helper.from_array(array.astype(kind), name))
        return name

    def cut(self, tensor: str, axis: int, begin: int, end: int | None) -> str:
        """The part from `begin` up to `end` along one axis."""
        end = np.iinfo(np.int64).max if end is None else end
        name = f"slice_{len(self.nodes)}"
        at = [
            self.array(f"{name}_{part}", [value])
            for part, value in (("begin", begin), ("end", end), ("axis", axis))
        ]
        return self.add("Slice", tensor, *at)


def _member(graph: _Graph, inputs: str, number: int, depth: int, weights: Weights) -> str:
    hidden = inputs
    for layer in range(1, depth + 1):
        name = f"lstm_{number}_{layer}"
        kernel, recurrent, bias = weights[name]
        units = len(recurrent)
        outputs = [f"{name}_sequence", f"{name}_last"]
        held = [
            graph.array(f"{name}_kernel", _gates(kernel).T[np.newaxis]),
            graph.array(f"{name}_recurrent", _gates(recurrent).T[np.newaxis]),
            graph.array(f"{name}_bias", np.append(_gates(bias), np.zeros(4 * units))[np.newaxis]),
        ]
        graph.nodes.append(helper.make_node("LSTM", [hidden, *held], outputs, hidden_size=units))
        sequence, last = outputs
        if layer < depth:
            hidden = graph.add("Squeeze", sequence, graph.array(f"{name}_direction", [1]))
        else:
            hidden = graph.add("Squeeze", last, graph.array(f"{name}_direction", [0]))
    name = f"linear_{number}"
    kernel, bias = weights[name]
    held = [graph.array(f"{name}_kernel", kernel), graph.array(f"{name}_bias", bias)]
    return graph.add("Gemm", hidden, *held)


def _gates(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """From the order of the gates in Keras to that of ONNX: input, output, forget, cell."""
    entry, forget, cell, output = np.split(weights, 4, axis=-1)
    return np.concatenate([entry, output, forget, cell], axis=-1)
