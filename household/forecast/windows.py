"""Windows as start offsets into one series; nothing here copies a window out.

A series is an array (minutes, features), the target in the first column. The window at start s
holds `lookback` input minutes, the rows from s on with all their features, and after them `horizon`
target minutes, whose first feature is what is forecast.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.meter.series import Values
from household.pipeline import arrays, files

Starts = npt.NDArray[np.int32]
# Targets, of which more would take more memory than they say.
SCORED = 2_000_000
BLOCK = 2**20
SCHEMA = pa.schema([pa.field("start", pa.int32(), nullable=False)])


class Shape(NamedTuple):
    """The minutes of a window: `lookback` that are input, then `horizon` that are forecast."""

    lookback: int
    horizon: int

    @property
    def length(self) -> int:
        return self.lookback + self.horizon


def starts(timestamps: npt.NDArray[np.datetime64], shape: Shape, gaps: str) -> Starts:
    """The start of every window in a series of `timestamps` (minutes,): see `Series.starts`."""
    whole = Series()
    whole.add(timestamps)
    return whole.starts(shape, gaps)


class Series:
    """Counts the minutes of a series and knows its gaps, from its times in one part or in many."""

    def __init__(self) -> None:
        self.minutes = 0
        self._last = np.array([], "datetime64[m]")
        self._after_gaps: list[npt.NDArray[np.int64]] = []

    def add(self, timestamps: npt.NDArray[np.datetime64]) -> None:
        """`timestamps` (minutes,) come after all that were added before."""
        times = np.append(self._last, timestamps.astype("datetime64[m]"))
        first = self.minutes - len(self._last)
        steps = np.diff(times).astype(np.int64)
        self._after_gaps.append(first + 1 + np.flatnonzero(steps != 1))
        self.minutes += len(timestamps)
        self._last = times[-1:]

    def starts(self, shape: Shape, gaps: str) -> Starts:
        """The start of every window, in time order.

        There is one for each start in range(n - length), the tutorial's count, which leaves the
        last possible one out. With `gaps` "join" minutes on either side of a gap are neighbours;
        with "break" only windows of consecutive minutes stay.
        """
        breaks = self._after_gaps if gaps == "break" else []
        begins = np.concatenate([[0], *breaks]).astype(np.int32)
        ends = np.append(begins[1:], self.minutes - 1)
        counts = np.maximum(ends - begins - (shape.length - 1), 0)
        first_of_run = np.repeat(begins - (counts.cumsum() - counts), counts)
        return np.arange(len(first_of_run), dtype=np.int32) + first_of_run.astype(np.int32)


def input_minutes(starts: Any, lookback: int) -> Any:
    """The rows of the input minutes of each window: (windows, lookback), array or tensor."""
    return starts[:, np.newaxis] + np.arange(lookback, dtype=np.int32)


def last_input_minutes(starts: Any, lookback: int) -> Any:
    """The row of the last input minute of each window: (windows,), array or tensor."""
    return starts + (lookback - 1)


def target_minutes(starts: Starts, shape: Shape) -> Starts:
    """The rows of the target minutes of each window: (windows, horizon)."""
    return input_minutes(starts + shape.lookback, shape.horizon)


def last_minutes(starts: Any, shape: Shape) -> Any:
    """The row of the last target minute of each window: (windows,)."""
    return starts + (shape.length - 1)


def apart(count: int, horizon: int, *, several: bool = False) -> int:
    """How many minutes apart windows are to be scored, of `count` that begin a minute apart.

    1 where there are few targets, and where the horizon is a minute, unless they are of `several`
    meters: neighbours share nearly all of a long horizon, so that a part of them says as much. No
    divisor of a day but 1, so that windows begin at every minute of the hour.
    """
    all_of_them = horizon == 1 and not several
    every = 1 if all_of_them else max(1, math.ceil(count * horizon / SCORED))
    while math.gcd(every, 1440) > 1:
        every += 1
    return every


def inputs(values: Values, starts: Starts, lookback: int) -> Values:
    """The input minutes of each window: (windows, lookback, features)."""
    return values[input_minutes(starts, lookback)]


def targets(values: Values, starts: Starts, shape: Shape) -> npt.NDArray[np.float32]:
    """The targets of each window, in kW: (windows, horizon)."""
    return values[target_minutes(starts, shape), 0]


def without_overlap(before: Starts, after: Starts, shape: Shape, *, embargo: bool) -> Starts:
    """Those of `before`, in time order, whose last minute comes before the first target of `after`.

    With `embargo` it comes before the first minute of `after`.
    """
    if not len(after):
        return before
    first = after[0] if embargo else after[0] + shape.lookback
    # A view, where a mask would copy what may be hundreds of megabytes.
    return before[: np.searchsorted(before, first - (shape.length - 1))]


def stretches(starts: Starts, minutes: int) -> Starts:
    """The first window of each stretch; they hold all of `starts` when moved by < `minutes`."""
    if minutes == 1:
        return starts
    return np.arange(starts.min() - minutes + 1, starts.max() + 1, minutes, dtype=np.int32)


def times_held(starts: Starts, shape: Shape) -> npt.NDArray[np.int32]:
    """How many of the windows at `starts` hold each minute, up to the last that any does."""
    if not len(starts):
        return np.zeros(0, np.int32)
    edges = np.zeros(last_minutes(starts.max(), shape) + 2, np.int32)
    # In blocks: numpy takes an index as one of 64 bits, and so copies it.
    for first in range(0, len(starts), BLOCK):
        block = starts[first : first + BLOCK]
        edges[block] += 1
        edges[last_minutes(block, shape) + 1] -= 1
    return np.cumsum(edges, out=edges)[:-1]


def write(path: Path, starts: Starts) -> None:
    files.write_table(path, pa.table([arrays.column(starts, pa.int32())], schema=SCHEMA))


def read(path: Path) -> Starts:
    starts: Starts = arrays.of(files.read_table(path)["start"])
    return starts
