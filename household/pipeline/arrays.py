"""Columns of a table as numpy has them, and back.

pyarrow does the same by `to_numpy` and `array`, and imports pandas for it where that is installed:
half a second of each stage.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def of(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """The numbers, times or truths of a column without a null: (rows,), not to be written to."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_timestamp(array.type):
        return np.from_dlpack(array.cast(pa.int64())).view(f"datetime64[{array.type.unit}]")
    if pa.types.is_boolean(array.type):
        return np.from_dlpack(array.cast(pa.uint8())).view(np.bool_)
    return np.from_dlpack(array)


def column(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """A column without a null from the values that `kind` holds, by their bytes."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def texts(values: Sequence[str]) -> pa.Array:
    """A column of texts."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
