"""Represent windows as start offsets into one series. Nothing here copies a window out.

A series is an array (steps, features) with the target in the first column. The window at start s
has `lookback` input steps, rows s to s + lookback - 1 with all features, followed by `horizon`
target steps, of which only the first feature is forecast. With a lookback of 4 and a horizon of 2:

    row           0   1   2   3   4   5   6   7
    start 0       x   x   x   x   y   y
    start 1           x   x   x   x   y   y
    start 2               x   x   x   x   y   y
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.core import arrow, files
from household.core.schema import Float32, Times, Values
from household.core.step import DAY, Step

if TYPE_CHECKING:  # pydantic is not installed where a model is only used
    from household.core.params import WindowParams

Starts = npt.NDArray[np.int32]
# More targets than this would take memory without improving the scores.
MAX_SCORED_TARGETS = 1_000_000
BLOCK_ROWS = 2**20
SCHEMA = pa.schema([pa.field("start", pa.int32(), nullable=False)])


class WindowShape(NamedTuple):
    """Hold the size of a window in steps.

    Attributes:
        lookback: The number of input steps.
        horizon: The number of target steps.
    """

    lookback: int
    horizon: int

    @classmethod
    def of(cls, settings: "WindowParams") -> Self:
        """Return the shape that the parameters of the window stage ask for."""
        return cls(settings.lookback, settings.horizon)

    @property
    def length(self) -> int:
        """Return the number of all steps."""
        return self.lookback + self.horizon


def find_starts(timestamps: Times, step: Step, shape: WindowShape, *, across_gaps: bool) -> Starts:
    """Return the start of every window in a series; see `WindowFinder.starts`.

    Args:
        timestamps: The time of each row: (steps,).
        step: The length of a step.
        shape: The shape of the windows.
        across_gaps: Whether windows may cross gaps.
    """
    finder = WindowFinder(step)
    finder.add(timestamps)
    return finder.starts(shape, across_gaps)


class WindowFinder:
    """Find the windows of a series from its times, which may come in several parts."""

    def __init__(self, step: Step) -> None:
        self.count = 0
        self._step = step
        self._last = np.array([], "datetime64[m]")
        self._after_gaps: list[npt.NDArray[np.int64]] = []

    def add(self, timestamps: Times) -> None:
        """Take the next times (steps,) into account, which come after all before."""
        times = np.append(self._last, timestamps.astype("datetime64[m]"))
        first = self.count - len(self._last)
        self._after_gaps.append(first + 1 + np.flatnonzero(np.diff(times) != self._step.delta))
        self.count += len(timestamps)
        self._last = times[-1:]

    def starts(self, shape: WindowShape, across_gaps: bool) -> Starts:
        """Return the start of every window, in time order.

        As in the tutorial, there is a window for each start in range(n - length), which skips the
        last possible one.

        Args:
            shape: The shape of the windows.
            across_gaps: Whether rows on either side of a gap are neighbours. Otherwise only windows
                of consecutive steps are returned.
        """
        breaks = [] if across_gaps else self._after_gaps
        begins = np.concatenate([[0], *breaks]).astype(np.int32)
        ends = np.append(begins[1:], self.count - 1)
        counts = np.maximum(ends - begins - (shape.length - 1), 0)
        first_of_run = np.repeat(begins - (counts.cumsum() - counts), counts)
        return np.arange(len(first_of_run), dtype=np.int32) + first_of_run.astype(np.int32)


def input_rows(starts: Any, lookback: int) -> Any:
    """Return the rows of the input steps of each window: (windows, lookback), array or tensor."""
    return starts[:, np.newaxis] + np.arange(lookback, dtype=np.int32)


def last_input_row(starts: Any, lookback: int) -> Any:
    """Return the row of the last input step of each window: (windows,), array or tensor."""
    return starts + (lookback - 1)


def target_rows(starts: Starts, shape: WindowShape) -> Starts:
    """Return the rows of the target steps of each window: (windows, horizon)."""
    return input_rows(starts + shape.lookback, shape.horizon)


def last_row(starts: Any, shape: WindowShape) -> Any:
    """Return the row of the last target step of each window: (windows,)."""
    return starts + (shape.length - 1)


def evaluation_stride(count: int, horizon: int, step: Step, *, pooled: bool = False) -> int:
    """Return the stride between scored windows that keeps at most MAX_SCORED_TARGETS targets.

    Windows with a long horizon share nearly all targets with their neighbours, so a part of them is
    enough. The stride is coprime with the steps of a day, so that every time of day is still
    sampled. It is 1 for a horizon of one step, except in metrics over several meters.

    Args:
        count: The number of windows, one a step.
        horizon: The number of target steps of each.
        step: The length of a step.
        pooled: Whether the windows are of several meters.
    """
    keep_all = horizon == 1 and not pooled
    stride = 1 if keep_all else max(1, math.ceil(count * horizon / MAX_SCORED_TARGETS))
    while math.gcd(stride, step.per_day) > 1:
        stride += 1
    return stride


def made_at(starts: Starts, local: Times, lookback: int, time_of_day: str) -> Starts:
    """Return the windows whose first target begins at a time of day, such as 06:00.

    Args:
        starts: The starts of windows.
        local: The local time of each row: (steps,).
        lookback: The number of input steps.
        time_of_day: The local time at which the forecast is made.
    """
    hours, minutes = map(int, time_of_day.split(":"))
    first_targets = local[starts + lookback].astype("datetime64[m]").astype(np.int64)
    return starts[first_targets % DAY == 60 * hours + minutes]


def inputs(values: Values, starts: Starts, lookback: int) -> Values:
    """Return the input steps of each window: (windows, lookback, features)."""
    return values[input_rows(starts, lookback)]


def targets(values: Values, starts: Starts, shape: WindowShape) -> Float32:
    """Return the targets of each window in kW: (windows, horizon)."""
    return values[target_rows(starts, shape), 0]


def purge_overlap(before: Starts, after: Starts, shape: WindowShape, *, purge: bool) -> Starts:
    """Drop the windows of `before` that reach into `after`.

    Args:
        before: The starts of the earlier windows, in time order.
        after: The starts of the later windows, in time order.
        shape: The shape of the windows.
        purge: Whether the windows kept end before the first input of `after` instead of before
            its first target.
    """
    if not len(after):
        return before
    first = after[0] if purge else after[0] + shape.lookback
    # A slice, since a mask would copy what may be hundreds of megabytes.
    return before[: np.searchsorted(before, first - (shape.length - 1))]


def chunk_starts(starts: Starts, length: int) -> Starts:
    """Return the first window of each chunk of `length` steps.

    The chunks still cover all `starts` when they are shifted by less than `length`.
    """
    if length == 1:
        return starts
    return np.arange(starts.min() - length + 1, starts.max() + 1, length, dtype=np.int32)


def window_counts(starts: Starts, shape: WindowShape) -> npt.NDArray[np.int32]:
    """Return how many of the windows hold each step, up to the last step of any."""
    if not len(starts):
        return np.zeros(0, np.int32)
    edges = np.zeros(last_row(starts.max(), shape) + 2, np.int32)
    # In blocks, since NumPy copies an index to 64 bits.
    for first in range(0, len(starts), BLOCK_ROWS):
        block = starts[first : first + BLOCK_ROWS]
        edges[block] += 1
        edges[last_row(block, shape) + 1] -= 1
    return np.cumsum(edges, out=edges)[:-1]


def write_starts(path: Path, starts: Starts) -> None:
    """Write the starts of windows to `path`."""
    files.write_table(path, pa.table([arrow.from_numpy(starts, pa.int32())], schema=SCHEMA))


def read_starts(path: Path) -> Starts:
    """Return the starts of windows at `path`."""
    starts: Starts = arrow.to_numpy(files.read_table(path)["start"])
    return starts
