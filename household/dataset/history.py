"""Look back by whole days, from the moment at which a forecast is made.

The power is arranged in cells, one for each step of local time, so that a cell some whole days
before has the same time of day, also across a change of the clocks. With steps of 6 hours, the
forecast that is made at the end of cell 5 for the cells 6 to 9 looks back to these:

    time of day     0  6 12 18 |  0  6 12 18 |  0  6 12 18
    cell            0  1  2  3 |  4  5  6  7 |  8  9 10 11
    target                     |        x  x |  x  x
    a day before          a  a |  a  a       |

A target is looked up as many days back as are needed to reach a cell that is known by then, so that
no forecast can depend on what came after it was made.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from household.core.schema import Float32, Float64, Power, Times
from household.core.step import Step

# The time of day of a profile spans so many minutes before and after, where steps are shorter.
HALF_SPAN_MINUTES = 30

Cells = npt.NDArray[np.int64]


class History(NamedTuple):
    """Hold the power of a meter by local time.

    Attributes:
        cells: The cell of each row of the series, and of the steps after its end.
        known: The last cell that is known at each row: (rows,).
        power: The power in each cell in kW, NaN where there is none: (cells,).
        profiles: The mean of the power at the time of day of each cell, over the days up to it.
        recent: The mean of the power over the 24 hours up to each row: (rows,).
        step: The length of a step.
    """

    cells: Cells
    known: Cells
    power: Power
    profiles: Power
    recent: Power
    step: Step

    @classmethod
    def of(
        cls,
        local: Times,
        power: Power,
        timestamps: Times,
        *,
        step: Step,
        profile_days: int,
    ) -> Self:
        """Return the history of a series.

        Args:
            local: The local time of each row, and of the steps that are forecast after the last.
            power: The power in kW: (rows,).
            timestamps: The time of each row, which no change of the clocks breaks: (rows,).
            step: The length of a step.
            profile_days: The number of days of a profile.
        """
        numbers = local.astype("datetime64[m]").astype(np.int64) // step.minutes
        cells = numbers - numbers.min()
        # When clocks go back, the power of an hour is replaced by that of its second occurrence. No
        # cell is known before its last row.
        next_cells = np.minimum.accumulate(cells[::-1])[::-1][1:]
        known = np.append(np.minimum(cells[:-1], next_cells - 1), cells[-1])[: len(power)]
        by_cell = np.full(cells.max() + 1, np.nan, np.float32)
        by_cell[cells[: len(power)]] = power
        half_span = _half_span(step)
        sums, counts = (
            _moving_sum(each, half_span, half_span)
            for each in (np.nan_to_num(by_cell), np.isfinite(by_cell))
        )
        for each in (sums, counts):
            of_a_day = each.copy()
            for shift in range(step.per_day, profile_days * step.per_day, step.per_day):
                each[shift:] += of_a_day[: max(0, len(each) - shift)]
        return cls(
            cells, known, by_cell, _mean(sums, counts), _mean_of_a_day(timestamps, power), step
        )

    def profile(self, rows: Any, horizon: int) -> Power:
        """Return the mean of the power at the time of day of each target: (rows, horizon).

        It is over the last days that are known at `rows`, of which some may be missing. Where all
        are, it is the mean over the last 24 hours.

        Args:
            rows: The rows of the last inputs, of any shape.
            horizon: The number of target steps.
        """
        half_span = _half_span(self.step)
        cells = _look_back(
            self._targets(rows, horizon),
            self.known[rows][..., np.newaxis] - half_span,
            self.step.per_day,
        )
        profile = self._at(self.profiles, cells)
        return np.where(np.isnan(profile), self.recent[rows][..., np.newaxis], profile)

    def present(self) -> Power:
        """Return the profile of each row, as it was known in the step before: (rows,)."""
        cells = self.cells[: len(self.recent)]
        last = np.minimum(cells - 1, self.known[: len(cells)]) - _half_span(self.step)
        profile = self._at(self.profiles, _look_back(cells, last, self.step.per_day))
        return np.where(np.isnan(profile), self.recent, profile)

    def days_before(self, rows: Any, horizon: int, days: int) -> Power:
        """Return the power `days` days before each target, NaN where unknown: (rows, horizon).

        A target further ahead is looked up twice as many days before, and so on.

        Args:
            rows: The rows of the last inputs, of any shape.
            horizon: The number of target steps.
            days: The number of days.
        """
        last = self.known[rows][..., np.newaxis]
        cells = _look_back(self._targets(rows, horizon), last, days * self.step.per_day)
        return self._at(self.power, cells)

    def skip(self, rows: int) -> Self:
        """Return the history of the rows after the first `rows`, which still looks back at them."""
        return self._replace(
            cells=self.cells[rows:], known=self.known[rows:], recent=self.recent[rows:]
        )

    @classmethod
    def join(cls, parts: Sequence[Self], rows: tuple[int, int], days: int) -> Self:
        """Return the histories of several series as one, without looking back into another.

        Args:
            parts: The histories.
            rows: How many rows to put before and after each series.
            days: How many days a forecast looks back at most.
        """
        step = parts[0].step
        empty = days * step.per_day
        sizes = [empty + len(part.power) for part in parts]
        offsets = np.cumsum([empty, *sizes[:-1]])
        by_row = [
            [
                np.pad(part.cells[: len(part.recent)] + offset, rows, "edge"),
                np.pad(part.known + offset, rows, "edge"),
                np.pad(part.recent, rows, "edge"),
            ]
            for part, offset in zip(parts, offsets, strict=True)
        ]
        cells, known, recent = map(np.concatenate, zip(*by_row, strict=True))
        power, profiles = (
            np.concatenate(
                [np.pad(values, (empty, 0), constant_values=np.nan) for values in by_part]
            )
            for by_part in zip(*((part.power, part.profiles) for part in parts), strict=True)
        )
        return cls(cells, known, power, profiles, recent, step)

    def _targets(self, rows: Any, horizon: int) -> Cells:
        """Return the cells of the targets: (rows, horizon)."""
        targets = rows[..., np.newaxis] + np.arange(1, horizon + 1)
        return self.cells[np.minimum(targets, len(self.cells) - 1)]

    def _at(self, values: Power, cells: Cells) -> Power:
        """Return the values of `cells`, NaN before the first one."""
        return np.where(cells >= 0, values[np.maximum(cells, 0)], np.float32(np.nan))


def _look_back(targets: Cells, last: Cells, period: int) -> Cells:
    """Return the latest cell up to `last` that is whole periods before each target."""
    return targets + (last - targets) // period * period


def _half_span(step: Step) -> int:
    """Return how many cells on either side belong to the same time of day."""
    return (HALF_SPAN_MINUTES - 1) // step.minutes


def _moving_sum(values: Any, before: int, after: int) -> Float64:
    """Return the sum of each value and of so many before and after it."""
    cumulative = np.append(0.0, np.cumsum(values, dtype=np.float64))
    rows = np.arange(len(values))
    ends = np.minimum(rows + after + 1, len(values))
    return cumulative[ends] - cumulative[np.maximum(rows - before, 0)]


def _mean_of_a_day(timestamps: Times, power: Power) -> Float32:
    """Return the mean of the power over the 24 hours up to each row."""
    cumulative = np.append(0.0, np.cumsum(power, dtype=np.float64))
    ends = np.arange(1, len(power) + 1)
    begins = np.searchsorted(timestamps, timestamps - np.timedelta64(1, "D"), side="right")
    return _mean(cumulative[ends] - cumulative[begins], ends - begins)


def _mean(sums: Float64, counts: Any) -> Float32:
    """Return the mean, NaN without any value."""
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
