"""Windows as start offsets into one series; nothing here copies a window out.

A series is an array (minutes, features), the target in the first column. The window at start s
is the rows s to s + length - 1: the features of all but the last are the input, the target in
the last is what is predicted.
"""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from household import files
from household.series import Values

Starts = npt.NDArray[np.int32]
SCHEMA = pa.schema([pa.field("start", pa.int32(), nullable=False)])


def starts(timestamps: npt.NDArray[np.datetime64], length: int, gaps: str) -> Starts:
    """The start of every window of `length` minutes, in time order.

    There is one for each start in range(n - length), the tutorial's count, which leaves the
    last possible one out. With `gaps` "join" minutes on both sides of a gap are neighbours;
    with "break" only windows of consecutive minutes stay.
    """
    n = len(timestamps)
    every = np.arange(max(n - length, 0), dtype=np.int32)
    if gaps == "join":
        return every
    after_gap = np.diff(timestamps) != np.timedelta64(1, "m")
    first_of_run = np.maximum.accumulate(np.append(0, np.where(after_gap, np.arange(1, n), 0)))
    return every[first_of_run[length - 1 : n - 1] <= every]


def centre(values: Values, starts: Starts, length: int) -> npt.NDArray[np.float64]:
    """The mean of all values in the windows at `starts`, for each feature: (features,).

    That is `mean(windows)` without the windows: each minute counts as often as windows hold it.
    The sum is exact (Shewchuk's, by `math.fsum`), so the result is within 1 ulp of the true mean.
    """
    n = len(values)
    edges = np.bincount(starts, minlength=n + 1) - np.bincount(starts + length, minlength=n + 1)
    count = np.cumsum(edges[:n])
    # Exact too: float32 holds 24 bits, and a count fits in the other 29 of a float64.
    weighted = values.astype(np.float64) * count[:, np.newaxis]
    total = len(starts) * length
    return np.array([math.fsum(column) / total for column in weighted.T])


def targets(values: Values, starts: Starts, length: int) -> npt.NDArray[np.float32]:
    """The target of each window, in kW: (windows,)."""
    return values[starts + (length - 1), 0]


def write(path: Path, starts: Starts) -> None:
    # Starts in time order differ by little from one to the next: a few bits each this way.
    files.write_table(
        path,
        pa.table([starts], schema=SCHEMA),
        use_dictionary=False,
        column_encoding={"start": "DELTA_BINARY_PACKED"},
    )


def read(path: Path) -> Starts:
    starts: Starts = pq.read_table(path)["start"].to_numpy()
    return starts
