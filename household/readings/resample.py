"""Average readings into steps of one length.

A reading stands for the time until the next one. Where that comes late, it stands for the usual
interval between two readings. A step has the mean power of the readings in it, each weighted by its
time. It is missing if readings with a value stand for less than half of it.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.core import arrow, schema
from household.core.errors import UserError
from household.core.schema import Float64, Times
from household.core.step import Step, at_least

Integers = npt.NDArray[np.int64]
# Readings that come later than so many usual intervals leave a gap.
LATE = 1.5


class Pieces(NamedTuple):
    """Hold parts of readings that each lie in one step.

    Attributes:
        steps: The number of the step since 1970: (pieces,), in order.
        milliseconds: The time in the step that the reading stands for: (pieces,).
        values: The values of the reading, NaN where missing: (pieces, columns).
    """

    steps: Integers
    milliseconds: Integers
    values: Float64

    def select(self, rows: slice) -> "Pieces":
        """Return some of the pieces."""
        return Pieces(self.steps[rows], self.milliseconds[rows], self.values[rows])

    def before(self, other: "Pieces") -> "Pieces":
        """Return these pieces and then those of `other`."""
        return Pieces(
            np.concatenate([self.steps, other.steps]),
            np.concatenate([self.milliseconds, other.milliseconds]),
            np.concatenate([self.values, other.values]),
        )


class Resampler:
    """Average the readings of a series, which may come in several parts, in time order.

    Attributes:
        interval: The usual time between two readings in milliseconds.
    """

    def __init__(self, step: Step, interval: int, *, eager: bool = False) -> None:
        """Prepare to average readings.

        Args:
            step: The length of the steps.
            interval: The usual time between two readings in milliseconds.
            eager: Whether to return a step as soon as its last reading has come, without waiting
                for the next reading.
        """
        self._milliseconds = step.minutes * 60_000
        self.interval, self._eager = interval, eager
        # Several readings fit into a step: each lies in the step in which it was taken.
        self._is_finer = 2 * interval <= self._milliseconds
        self._last: tuple[Integers, Float64] | None = None  # the last reading, if not yet used
        self._pending: Pieces | None = None
        self._end = 0  # of the last reading, in milliseconds since 1970
        self._next = -sys.maxsize  # the first step that has not been returned

    def add(self, stamps: Times, values: Float64) -> tuple[Times, Float64]:
        """Take the next readings into account; return the steps that they complete.

        Args:
            stamps: The times of the readings: (readings,), increasing.
            values: Their values, NaN where missing: (readings, columns).

        Returns:
            The start of each step (steps,), and the means (steps, columns).
        """
        begins = stamps.astype("datetime64[ms]").astype(np.int64)
        if self._last is not None:
            begins = np.append(self._last[0], begins)
            values = np.vstack([self._last[1], values])
        if not self._eager:
            # How long the last reading holds depends on the next one.
            self._last = begins[-1:], values[-1:]
            begins, values = begins[:-1], values[:-1]
            return self._add(begins, values, following=self._last[0])
        return self._add(begins, values, following=begins[-1:] + self.interval)

    def finish(self) -> tuple[Times, Float64]:
        """Return what `add` has not returned, without a last step that is not over."""
        if self._last is None:
            nothing = np.zeros(0, np.int64)
            return self._means(Pieces(nothing, nothing, np.zeros((0, len(schema.NAMES)))))
        begins, values = self._last
        self._last, self._eager = None, True
        return self._add(begins, values, following=begins + self.interval)

    def _add(
        self, begins: Integers, values: Float64, *, following: Integers
    ) -> tuple[Times, Float64]:
        """Return the steps that are complete with readings up to the time `following`."""
        pieces = self._pieces(begins, values, following)
        if self._pending is not None:
            pieces = self._pending.before(pieces)
        # A step that has been returned does not change.
        pieces = pieces.select(slice(int(np.searchsorted(pieces.steps, self._next)), None))
        if not len(pieces.steps):
            return self._means(pieces)
        last = int(pieces.steps[-1])
        is_complete = self._eager and self._is_complete(last)
        n_complete = len(pieces.steps) if is_complete else int(np.searchsorted(pieces.steps, last))
        if n_complete:
            self._next = int(pieces.steps[n_complete - 1]) + 1
        self._pending = pieces.select(slice(n_complete, None))
        return self._means(pieces.select(slice(n_complete)))

    def _is_complete(self, step: int) -> bool:
        return bool(self._end + self.interval / 2 >= (step + 1) * self._milliseconds)

    def _pieces(self, begins: Integers, values: Float64, following: Integers) -> Pieces:
        """Split readings at the boundaries of steps."""
        if not len(begins):
            return Pieces(begins, begins, values)
        distances = np.diff(begins, append=following)
        lengths = np.where(distances <= LATE * self.interval, distances, self.interval)
        self._end = int(begins[-1] + self.interval)
        if self._is_finer:
            steps = begins // self._milliseconds
            return Pieces(steps, np.full(len(begins), self.interval), values)
        ends = begins + lengths
        firsts = begins // self._milliseconds
        counts = np.maximum((ends - 1) // self._milliseconds - firsts, 0) + 1
        rows = np.repeat(np.arange(len(begins)), counts)
        steps = firsts[rows] + np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)
        edges = steps * self._milliseconds
        within = np.minimum(ends[rows], edges + self._milliseconds) - np.maximum(
            begins[rows], edges
        )
        return Pieces(steps, within, values[rows])

    def _means(self, pieces: Pieces) -> tuple[Times, Float64]:
        steps, firsts = np.unique(pieces.steps, return_index=True)
        stamps = (steps * self._milliseconds).astype("datetime64[ms]")
        if not len(steps):
            return stamps, pieces.values
        is_known = np.isfinite(pieces.values)
        times = np.where(is_known, pieces.milliseconds[:, np.newaxis], 0)
        known = np.add.reduceat(times, firsts, axis=0)
        sums = np.add.reduceat(np.where(is_known, pieces.values, 0) * times, firsts, axis=0)
        is_enough = 2 * known >= self._milliseconds
        return stamps, np.divide(sums, known, out=np.full_like(sums, np.nan), where=is_enough)


def usual_interval(stamps: Times) -> int | None:
    """Return the usual time between readings (readings,) in milliseconds; None for a single one.

    Half of the readings come at most so long after the one before. Readings at the same time do not
    count.
    """
    distances = np.diff(stamps.astype("datetime64[ms]").astype(np.int64))
    distances = np.sort(distances[distances > 0])
    return int(distances[(len(distances) - 1) // 2]) if len(distances) else None


def resample(
    tables: Iterable[pa.Table], step: Step, interval: Callable[[], int | None], *, eager: bool
) -> Iterator[pa.Table]:
    """Yield the steps of a series as tables of schema.SCHEMA.

    Args:
        tables: Its readings, with the columns of schema.SCHEMA, in time order.
        step: The length of the steps.
        interval: Returns the usual time between two readings in milliseconds, once it is known
            from the tables that have been read; before that None.
        eager: As in `Resampler`.
    """
    resampler, pending = None, list[pa.Table]()
    for table in tables:
        pending.append(table)
        if resampler is None and (usual := interval()):
            resampler = Resampler(step, usual, eager=eager)
        if resampler:
            readings = _to_arrays(pa.concat_tables(pending))
            pending = []
            yield _to_table(*resampler.add(*readings), step, resampler.interval)
    if resampler is None and pending:
        # A single reading stands for a whole step.
        resampler = Resampler(step, step.minutes * 60_000, eager=eager)
        resampler.add(*_to_arrays(pa.concat_tables(pending)))
    if resampler:
        yield _to_table(*resampler.finish(), step, resampler.interval)


def _to_arrays(table: pa.Table) -> tuple[Times, Float64]:
    """Return the times of readings (rows,) and their values (rows, columns), NaN for null."""
    columns = [
        arrow.to_numpy(table[name].cast(pa.float64()).fill_null(np.nan)) for name in schema.NAMES
    ]
    return arrow.to_numpy(table["timestamp"]), np.column_stack(columns)


def _to_table(stamps: Times, values: Float64, step: Step, interval: int) -> pa.Table:
    """Return steps as a table of schema.SCHEMA; an energy becomes that of a whole step."""
    columns = [
        column * (step.minutes * 60_000 / interval) if schema.UNITS[name] == "Wh" else column
        for name, column in zip(schema.NAMES, values.T, strict=True)
    ]
    arrays = [pa.array(column.astype(np.float32), from_pandas=True) for column in columns]
    return pa.table([pa.array(stamps.astype("datetime64[ms]")), *arrays], schema.SCHEMA)


def check_interval(name: str, minutes: float, step: Step) -> None:
    """Check the usual time between two readings.

    Args:
        name: The name of the readings in messages.
        minutes: The usual time between them.
        step: The step of the series.

    Raises:
        UserError: It is longer than a step.
    """
    if minutes <= LATE * step.minutes:
        return
    fitting = at_least(minutes)
    usual = fitting.length if fitting and fitting.minutes == minutes else f"{minutes:g} minutes"
    raise UserError(
        f"{name}: readings are usually {usual} apart, but parse.step is {step}; "
        + (f"set it to {fitting}" if fitting else "use readings at most a day apart")
    )
