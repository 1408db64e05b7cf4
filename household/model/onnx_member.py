"""Add the layers of a member of the ensemble to an ONNX graph."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from onnx import helper

from household.core.schema import Float32
from household.model.onnx_graph import GraphBuilder

# The weights of each layer, by its name in the Keras model.
Weights = Mapping[str, Sequence[Float32]]


class MemberInputs(NamedTuple):
    """Name the tensors that each member reads, "" for those that it does not.

    Attributes:
        readings: The scaled readings: (lookback, windows, columns).
        known: What is known of the targets: (windows, horizon, columns).
    """

    readings: str
    known: str


def add(
    graph: GraphBuilder, given: MemberInputs, by_output: str, weights: Weights, number: int
) -> str:
    """Add the layers of `household.model.member`; return the name of the output.

    Args:
        graph: The graph.
        given: What the member reads.
        by_output: The name of the shape of the output: (windows, outputs, horizon).
        weights: The weights of each layer.
        number: The number of the member.
    """
    hidden, depth = given.readings, 1
    while f"lstm_{number}_{depth}" in weights:
        sequence, last = _lstm(graph, hidden, f"lstm_{number}_{depth}", weights)
        hidden = graph.add("Squeeze", sequence, graph.array(f"direction_{number}_{depth}", [1]))
        depth += 1
    hidden = graph.add("Squeeze", last, graph.array(f"direction_{number}", [0]))
    if given.known:
        by_step = _by_step(graph, hidden, given, weights, number)
        return graph.add("Transpose", by_step, perm=[0, 2, 1])
    return graph.add("Reshape", _dense(graph, hidden, f"linear_{number}", weights), by_output)


def _lstm(graph: GraphBuilder, hidden: str, name: str, weights: Weights) -> tuple[str, str]:
    """Add an LSTM layer; return the names of its outputs: all of them, and the last one."""
    kernel, recurrent, bias = weights[name]
    units = len(recurrent)
    outputs = (f"{name}_sequence", f"{name}_last")
    constants = [
        graph.array(f"{name}_kernel", _to_onnx_gate_order(kernel).T[np.newaxis]),
        graph.array(f"{name}_recurrent", _to_onnx_gate_order(recurrent).T[np.newaxis]),
        graph.array(
            f"{name}_bias", np.append(_to_onnx_gate_order(bias), np.zeros(4 * units))[np.newaxis]
        ),
    ]
    graph.nodes.append(helper.make_node("LSTM", [hidden, *constants], outputs, hidden_size=units))
    return outputs


def _by_step(
    graph: GraphBuilder, hidden: str, given: MemberInputs, weights: Weights, number: int
) -> str:
    """Combine the state with what is known of each target: (windows, horizon, outputs)."""
    state = _dense(graph, hidden, f"state_{number}", weights)
    state = graph.add("Unsqueeze", state, graph.array(f"of_steps_{number}", [1]))
    target = _dense(graph, given.known, f"target_{number}", weights)
    combined = graph.add("Relu", graph.add("Add", state, target))
    depth = 2
    while f"head_{number}_{depth}" in weights:
        combined = graph.add("Relu", _dense(graph, combined, f"head_{number}_{depth}", weights))
        depth += 1
    return _dense(graph, combined, f"linear_{number}", weights)


def _dense(graph: GraphBuilder, hidden: str, name: str, weights: Weights) -> str:
    """Add a dense layer; return the name of its output."""
    kernel, bias = weights[name]
    product = graph.add("MatMul", hidden, graph.array(f"{name}_kernel", kernel))
    return graph.add("Add", product, graph.array(f"{name}_bias", bias))


def _to_onnx_gate_order(weights: Float32) -> Float32:
    """Reorder the gates of an LSTM from Keras to ONNX: input, output, forget, cell."""
    input_gate, forget_gate, cell, output_gate = np.split(weights, 4, axis=-1)
    return np.concatenate([input_gate, output_gate, forget_gate, cell], axis=-1)
