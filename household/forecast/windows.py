"""Windows as start offsets into one series; nothing here copies a window out.

A series is an array (minutes, features), the target in the first column. The window at start s
holds `lookback` input minutes, the rows s to s + lookback - 1 with all their features, and one
target minute, row s + lookback, whose first feature is what is forecast.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from household.meter.series import Values
from household.pipeline import files

Starts = npt.NDArray[np.int32]
SCHEMA = pa.schema([pa.field("start", pa.int32(), nullable=False)])


def starts(timestamps: npt.NDArray[np.datetime64], lookback: int, gaps: str) -> Starts:
    """The start of every window in a series of `timestamps` (minutes,), in time order.

    There is one for each start in range(n - lookback - 1), the tutorial's count, which leaves
    the last possible one out. With `gaps` "join" minutes on either side of a gap are neighbours;
    with "break" only windows of consecutive minutes stay.
    """
    n = len(timestamps)
    every = np.arange(max(n - lookback - 1, 0), dtype=np.int32)
    if gaps == "join":
        return every
    after_gap = np.diff(timestamps) != np.timedelta64(1, "m")
    first_of_run = np.maximum.accumulate(np.append(0, np.where(after_gap, np.arange(1, n), 0)))
    return every[first_of_run[target_minutes(every, lookback)] <= every]


def input_minutes(starts: Any, lookback: int) -> Any:
    """The rows of the input minutes of each window: (windows, lookback), array or tensor."""
    return starts[:, np.newaxis] + np.arange(lookback, dtype=np.int32)


def last_input_minutes(starts: Any, lookback: int) -> Any:
    """The row of the last input minute of each window: (windows,), array or tensor."""
    return starts + (lookback - 1)


def target_minutes(starts: Any, lookback: int) -> Any:
    """The row of the target minute of each window: (windows,), array or tensor."""
    return starts + lookback


def inputs(values: Values, starts: Starts, lookback: int) -> Values:
    """The input minutes of each window: (windows, lookback, features)."""
    return values[input_minutes(starts, lookback)]


def targets(values: Values, starts: Starts, lookback: int) -> npt.NDArray[np.float32]:
    """The target of each window, in kW: (windows,)."""
    return values[target_minutes(starts, lookback), 0]


def without_overlap(before: Starts, after: Starts, lookback: int) -> Starts:
    """Those of `before` whose last minute comes before the first minute of `after`."""
    return before[target_minutes(before, lookback) < after[0]] if len(after) else before


def mean(values: Values, starts: Starts, lookback: int) -> npt.NDArray[np.float64]:
    """The mean of all minutes in the windows at `starts`, for each feature: (features,).

    That is `mean(windows)` without the windows: each minute counts as often as windows hold it.
    The sum is exact (Shewchuk's, by `math.fsum`), so the result is within 1 ulp of the true mean.
    """
    # Exact too: float32 holds 24 bits, and a count fits in the other 29 of a float64.
    weighted = values.astype(np.float64) * _times_held(len(values), starts, lookback)
    total = len(starts) * (lookback + 1)
    return np.array([math.fsum(column) / total for column in weighted.T])


def deviation(values: Values, starts: Starts, lookback: int) -> npt.NDArray[np.float64]:
    """The standard deviation of all minutes in the windows at `starts`: (features,).

    That is `std(windows, ddof=0)` without the windows, as in `mean`.
    """
    off = values - mean(values, starts, lookback)
    weighted = np.square(off) * _times_held(len(values), starts, lookback)
    total = len(starts) * (lookback + 1)
    return np.array([math.sqrt(math.fsum(column) / total) for column in weighted.T])


def _times_held(minutes: int, starts: Starts, lookback: int) -> npt.NDArray[np.int64]:
    """How many of the windows at `starts` hold each of the minutes: (minutes, 1)."""
    ends = target_minutes(starts, lookback) + 1
    edges = np.bincount(starts, minlength=minutes + 1) - np.bincount(ends, minlength=minutes + 1)
    return np.cumsum(edges[:minutes])[:, np.newaxis]


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
