"""Collect the operations of an ONNX graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class GraphBuilder:
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
