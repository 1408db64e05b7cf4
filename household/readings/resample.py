"""Average readings into steps of one length.

A reading is a value and the time for which it holds. A power holds until the next reading, an
energy is that of the time until the next reading, and a register grows by the energy of that time.
Where the next reading comes late, a power or energy is that of the usual interval between two
readings, and the growth of a register is unknown. A step has the mean power of its readings, each
weighted by its time. It is missing if readings with a value hold for less than half of it.
"""

import datetime as dt
import sys
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from household.core import arrow
from household.core.schema import Float64, Times
from household.core.step import Step
from household.readings.intervals import LATE, find_other_interval
from household.readings.text_format import TextFormat

Integers = npt.NDArray[np.int64]
HOUR = 3_600_000


class Pieces(NamedTuple):
    """Hold parts of readings that each lie in one step.

    Attributes:
        steps: The number of the step since 1970: (pieces,), in order.
        milliseconds: The time in the step for which the reading holds: (pieces,).
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
        resets: How often a register has fallen. The energy of these intervals is unknown.
        other_interval: The first time from which readings come at another regular interval, and
            that interval in milliseconds; None if they do not.
        above_max: How many readings were above the largest power that is no error.
    """

    def __init__(
        self, step: Step, interval: int, layout: TextFormat, *, eager: bool = False
    ) -> None:
        """Prepare to average readings.

        Args:
            step: The length of the steps.
            interval: The usual time between two readings in milliseconds.
            layout: The quantity of the readings, and how long a reading holds.
            eager: Whether to return a step as soon as its last reading has come, without waiting
                for the next reading.
        """
        self.interval, self.resets, self.above_max = interval, 0, 0
        self._columns = len(layout.names)
        self._max_kw = layout.max_kw
        self.other_interval: tuple[np.datetime64, int] | None = None
        self._milliseconds = step.minutes * 60_000
        self._timezone = layout.timezone
        self._is_daily = step.per_day == 1
        # A reading that is stamped with its end begins so much earlier.
        self._shift = interval if layout.stamp == "end" else 0
        self._anchor: int | None = None  # the time zone's offset from UTC, without summer time
        self._quantity, self._hold = layout.quantity, layout.hold
        # How long a reading holds is only known from the next one.
        self._waits = self._hold is not None or self._quantity == "register"
        self._eager = eager and not self._waits
        if self._waits:
            self._shift = 0  # a register has no interval, and a change happens at its time
        # Several readings of a power fit into a step: each counts where it was taken.
        is_finer = self._quantity == "power" and 2 * interval <= self._milliseconds
        self._is_whole = not self._waits and (is_finer or self._is_daily)
        self._last: tuple[Integers, Float64] | None = None  # the last reading, if not yet used
        self._pending: Pieces | None = None
        self._end = 0  # of the last reading that was used, in milliseconds since 1970
        self._next = -sys.maxsize  # the first step that has not been returned

    def add(self, stamps: Times, values: Float64) -> tuple[Times, Float64]:
        """Take the next readings into account; return the steps that they complete.

        Args:
            stamps: The times of the readings: (readings,), increasing.
            values: Their values, NaN where missing: (readings, columns). The first is a power in kW
                or an energy in kWh.

        Returns:
            The start of each step (steps,), and the means (steps, columns).
        """
        begins = stamps.astype("datetime64[ms]").astype(np.int64)
        if self._anchor is None and len(begins):
            self._anchor = standard_offset(stamps[0], self._timezone)
        if self._quantity == "register":
            is_known = np.isfinite(values[:, 0])
            begins, values = begins[is_known], values[is_known]
        if self._last is not None:
            begins = np.append(self._last[0], begins)
            values = np.vstack([self._last[1], values])
        if self._eager:
            return self._add(begins, values, following=begins[-1:] + self.interval)
        self._last = begins[-1:], values[-1:]
        if self._quantity == "register":
            values = self._differences(values)
        return self._add(begins[:-1], values[: len(begins) - 1], following=begins[-1:])

    def finish(self) -> tuple[Times, Float64]:
        """Return what `add` has not returned, without a last step that is not over."""
        self._eager = True
        nothing = np.zeros(0, np.int64), np.zeros((0, self._columns))
        begins, values = self._last or nothing
        if self._waits:
            begins, values = begins[:0], values[:0]
        return self._add(begins, values, following=begins + self.interval)

    def _differences(self, values: Float64) -> Float64:
        """Return values with the growth of the register, in the first column, until the next."""
        growth = np.diff(values[:, 0])
        self.resets += int((growth < 0).sum())
        return np.column_stack([np.where(growth < 0, np.nan, growth), values[:-1, 1:]])

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
        tolerance = 0 if self._waits else self.interval / 2
        if self._is_daily:
            tolerance += HOUR  # a day may have 23 hours
        return self._end + tolerance >= (step + 1) * self._milliseconds

    def _on_grid(self, begins: Integers) -> Integers:
        """Return times in milliseconds on a clock on which steps begin at multiples of a step."""
        if self._timezone and self._is_daily:
            local = arrow.to_local(begins.astype("datetime64[ms]"), self._timezone)
            shown: Integers = local.astype(np.int64)
            # The end of a day of 23 or 25 hours is that of the day before.
            return shown - (self._shift if self.interval > 20 * HOUR else 0)
        return begins + (self._anchor or 0)

    def _lengths(self, distances: Integers) -> Integers:
        """Return how long readings hold (readings,), from how long after them the next one came."""
        if self._hold is not None:
            return np.minimum(distances, self._hold)
        if self._quantity == "energy":
            # A day on which clocks go back has 25 hours.
            is_day = (self.interval > 20 * HOUR) & (distances <= 25 * HOUR)
            return np.where(is_day, distances, np.minimum(distances, self.interval))
        late = LATE * self.interval
        if self._quantity == "register":
            late = max(late, self._milliseconds)
        return np.where(distances <= late, distances, self.interval)

    def _pieces(self, begins: Integers, values: Float64, following: Integers) -> Pieces:
        """Split readings at the boundaries of steps."""
        if not len(begins):
            return Pieces(begins, begins, values)
        distances = np.diff(begins, append=following)
        if self.other_interval is None:
            self.other_interval = find_other_interval(begins, distances, self.interval)
        lengths = self._lengths(distances)
        is_by_day = self._is_daily and self._timezone and self.interval > 20 * HOUR
        begins = self._on_grid(begins if is_by_day else begins - self._shift)
        self._end = int(begins[-1] + lengths[-1])
        if self._quantity != "power":
            is_whole = (lengths == distances) | (self._quantity == "energy")
            hours = np.where(is_whole & (lengths > 0), lengths / HOUR, np.nan)
            values = np.column_stack([values[:, 0] / hours, values[:, 1:]])
        if self._max_kw is not None:
            is_above = np.abs(values[:, :1]) > self._max_kw
            self.above_max += int(is_above.sum())
            values = np.where(is_above, np.nan, values)
        if self._is_whole:
            weights = np.full(len(begins), self.interval)
            is_power = self._quantity == "power"
            return Pieces(begins // self._milliseconds, weights if is_power else lengths, values)
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
        anchor = 0 if self._timezone and self._is_daily else self._anchor or 0
        stamps = (steps * self._milliseconds - anchor).astype("datetime64[ms]")
        if not len(steps):
            return stamps, pieces.values
        is_known = np.isfinite(pieces.values)
        times = np.where(is_known, pieces.milliseconds[:, np.newaxis], 0)
        known = np.add.reduceat(times, firsts, axis=0)
        sums = np.add.reduceat(np.where(is_known, pieces.values, 0) * times, firsts, axis=0)
        is_enough = 2 * known >= self._milliseconds
        return stamps, np.divide(sums, known, out=np.full_like(sums, np.nan), where=is_enough)


def standard_offset(stamp: np.datetime64, timezone: str | None) -> int:
    """Return the offset from UTC of a time zone at a time, without summer time, in milliseconds."""
    if timezone is None:
        return 0
    moment = stamp.astype("datetime64[s]").item().replace(tzinfo=dt.UTC)
    local = moment.astimezone(ZoneInfo(timezone))
    offset = (local.utcoffset() or dt.timedelta()) - (local.dst() or dt.timedelta())
    return round(offset.total_seconds() * 1000)
