"""Convert columns of Arrow tables to NumPy arrays and back.

pyarrow's own `to_numpy` and `array` import pandas where it is installed, which would cost each
stage half a second.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def to_numpy(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """Return the values of a column without nulls: (rows,), read-only.

    Args:
        column: Numbers, timestamps or booleans.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_timestamp(array.type):
        return np.from_dlpack(array.cast(pa.int64())).view(f"datetime64[{array.type.unit}]")
    if pa.types.is_boolean(array.type):
        return np.from_dlpack(array.cast(pa.uint8())).view(np.bool_)
    return np.from_dlpack(array)


def to_local(times: Any, timezone: str | None) -> npt.NDArray[Any]:
    """Return times in UTC, or one of them, as local times of a zone; without one as they are."""
    if timezone is None:
        return times
    utc = pa.array(np.ravel(times).astype("datetime64[ms]")).cast(pa.timestamp("ms", "UTC"))
    local = to_numpy(pc.local_timestamp(utc.cast(pa.timestamp("ms", timezone))))
    return local.astype(times.dtype).reshape(times.shape)


def from_numpy(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Return a column that shares the memory of `values`.

    Args:
        values: An array (rows,) whose bytes are valid values of `kind`.
        kind: The Arrow type of the column.
    """
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def string_array(values: Sequence[str]) -> pa.Array:
    """Return a column of strings."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
