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

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from household.core import arrow
from household.core.schema import Float32, Float64, Power, Times
from household.core.step import Step

# The time of day of a profile spans so many minutes before and after, where steps are shorter.
HALF_SPAN_MINUTES = 30

Cells = npt.NDArray[np.int64]


class History(NamedTuple):
    """Hold the power of a meter by local time.

    Attributes:
        cells: The cell of each row of the series, and of the steps after its end.
        known: The last cell that is known at each of these rows.
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
        timestamps: Times,
        power: Power,
        *,
        step: Step,
        profile_days: int,
        horizon: int,
        timezone: str | None = None,
    ) -> Self:
        """Return the history of a series.

        Args:
            timestamps: The time of each row: (rows,).
            power: The power in kW: (rows,).
            step: The length of a step.
            profile_days: The number of days of a profile.
            horizon: The number of steps that may be forecast after the last row.
            timezone: The time zone of the times, which are then in UTC; None for local times.
        """
        upcoming = timestamps[-1] + np.arange(1, horizon + 1) * step.delta
        local = arrow.to_local(np.concatenate([timestamps, upcoming]), timezone)
        numbers = local.astype("datetime64[m]").astype(np.int64) // step.minutes
        cells = numbers - numbers.min()
        # When clocks go back, the power of an hour is replaced by that of its second occurrence. No
        # cell is known before its last row.
        next_cells = np.minimum.accumulate(cells[::-1])[::-1][1:]
        known = np.append(np.minimum(cells[:-1], next_cells - 1), cells[-1])
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
            rows: The rows of the last inputs: (rows,).
            horizon: The number of target steps.
        """
        cells = self._look_back(rows, horizon, self.step.per_day, _half_span(self.step))
        profile = self._at(self.profiles, cells)
        return np.where(np.isnan(profile), self.recent[rows][:, np.newaxis], profile)

    def days_before(self, rows: Any, horizon: int, days: int) -> Power:
        """Return the power `days` days before each target, NaN where unknown: (rows, horizon).

        A target further ahead is looked up twice as many days before, and so on.

        Args:
            rows: The rows of the last inputs: (rows,).
            horizon: The number of target steps.
            days: The number of days.
        """
        return self._at(self.power, self._look_back(rows, horizon, days * self.step.per_day, 0))

    def _look_back(self, rows: Any, horizon: int, period: int, half_span: int) -> Cells:
        """Return the last cell that is whole periods before each target, and known by then."""
        targets = self.cells[rows[:, np.newaxis] + np.arange(1, horizon + 1)]
        last = self.known[rows][:, np.newaxis] - half_span
        return targets + (last - targets) // period * period

    def _at(self, values: Power, cells: Cells) -> Power:
        """Return the values of `cells`, NaN before the first one."""
        return np.where(cells >= 0, values[np.maximum(cells, 0)], np.float32(np.nan))


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
