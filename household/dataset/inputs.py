"""Arrange what a forecast reads: the readings up to it, and what is known of its targets.

The network has up to three inputs, all of them known when the forecast is made:

    readings    the features of the lookback, the anomaly of the power and the calendar
    profile     the profile of each target, to which the forecast is added
    known       of each target: the profile, earlier days, the columns that are known ahead such
                as the temperature of a weather forecast, and the calendar

The anomaly is the power less the profile that was known a step before.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from household.core import arrow, files
from household.core.schema import Float32, Times, Values
from household.core.step import Step
from household.dataset import calendar, series, windows
from household.dataset.history import History
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape

if TYPE_CHECKING:  # pydantic is not installed where a model is only used
    from household.core.params import Params

READINGS, PROFILE, KNOWN = "readings", "profile", "known"
# Clocks change by at most so many days.
CLOCK_DAYS = 1

# The inputs of the network by name.
Arrays = dict[str, Float32]


class InputColumns(NamedTuple):
    """List what the network reads besides the features.

    Attributes:
        profile_days: The number of days of a profile.
        lag_days: How many days before each target its power is an input.
        calendar: The parts of the calendar that are inputs.
        is_anchored: Whether the forecast is added to the profile, and reads the anomaly.
        known_ahead: The last columns of the features, whose values are known ahead.
        country: The country of the public holidays.
    """

    profile_days: int = 7
    lag_days: tuple[int, ...] = ()
    calendar: tuple[str, ...] = ()
    is_anchored: bool = False
    known_ahead: tuple[str, ...] = ()
    country: str | None = None

    @classmethod
    def of(cls, window: Mapping[str, Any], target: str) -> Self:
        """Return the columns for parameters of params.yaml or of a saved model.

        Args:
            window: The parameters of the window stage.
            target: The parameter `train.target`.
        """
        if "profile_days" not in window:  # a model of an earlier version
            return cls()
        return cls(
            window["profile_days"],
            tuple(window["lag_days"]),
            tuple(window["calendar"]),
            target == "difference",
            tuple(window.get("known_ahead", ())),  # models of earlier versions have none
            window.get("country"),
        )

    @property
    def calendar_width(self) -> int:
        """Return the number of columns of the calendar."""
        return sum(calendar.WIDTHS[part] for part in self.calendar)

    @property
    def derived_width(self) -> int:
        """Return the number of columns of the readings that follow on the features."""
        return self.is_anchored + self.calendar_width

    @property
    def known_width(self) -> int:
        """Return the number of columns of what is known of a target; 0 if there is no such input.

        The profile is one of them if there are others.
        """
        others = len(self.lag_days) + len(self.known_ahead) + self.calendar_width
        return others + 1 if others else 0

    @property
    def history_days(self) -> int:
        """Return how many days before the last input a forecast reads, besides its lookback."""
        if not (self.is_anchored or self.known_width):
            return 0
        return max([self.profile_days + 1, *self.lag_days]) + CLOCK_DAYS

    def scale_readings(self, features: Scaler) -> Scaler:
        """Return the scaling of the readings, from that of the features."""
        center, scale = features.center, features.scale
        own = [(0.0, scale[0])] * self.is_anchored + [(0.0, 1.0)] * self.calendar_width
        return _append(center, scale, own)

    def scale_known(self, features: Scaler) -> Scaler:
        """Return the scaling of what is known of a target, from that of the features."""
        pairs = list(zip(features.center, features.scale, strict=True))
        known_ahead = pairs[len(pairs) - len(self.known_ahead) :]
        power = pairs[:1] * (1 + len(self.lag_days))
        return _append([], [], power + known_ahead + [(0.0, 1.0)] * self.calendar_width)


class Inputs(NamedTuple):
    """Hold what forecasts of a series read.

    Attributes:
        values: The features, the anomaly in kW and the calendar of each row: (rows, columns).
        known_ahead: What is known ahead of each row and of the steps after the end: the columns of
            that name and the calendar, (steps, columns).
        history: The power by local time.
        columns: What is read besides the features.
    """

    values: Values
    known_ahead: Float32
    history: History
    columns: InputColumns

    @classmethod
    def of(
        cls,
        timestamps: Times,
        features: Values,
        columns: InputColumns,
        *,
        step: Step,
        horizon: int,
        timezone: str | None = None,
        ahead: Values | None = None,
    ) -> Self:
        """Return the inputs of a series.

        Args:
            timestamps: The time of each row: (rows,).
            features: The features, the target first: (rows, features).
            columns: What is read besides the features.
            step: The length of a step.
            horizon: The number of steps that may be forecast after the last row.
            timezone: The time zone of the times, which are then in UTC; None for local times.
            ahead: The columns that are known ahead in these steps: (horizon, columns). Without
                them, only steps of the series can be forecast.
        """
        upcoming = timestamps[-1] + np.arange(1, horizon + 1) * step.delta
        local = arrow.to_local(np.concatenate([timestamps, upcoming]), timezone)
        history = History.of(
            local, features[:, 0], timestamps, step=step, profile_days=columns.profile_days
        )
        by_step = calendar.columns(local, columns.calendar, columns.country)
        covariates = features[:, features.shape[1] - len(columns.known_ahead) :]
        if ahead is None:
            # No weight is on forecasts of these steps, but NaN would still spoil the loss.
            ahead = np.repeat(covariates[-1:], horizon, axis=0)
        covariates = np.concatenate([covariates, ahead])
        derived = [by_step[: len(features)]]
        if columns.is_anchored:
            derived.insert(0, (features[:, 0] - history.present())[:, np.newaxis])
        known_ahead = np.concatenate([covariates, by_step], axis=1)
        return cls(np.column_stack([features, *derived]), known_ahead, history, columns)

    def windows(self, starts: Starts, shape: WindowShape) -> Arrays:
        """Return the inputs of the network for windows, by name.

        They are `readings` (windows, lookback, columns), `profile` (windows, horizon) and `known`
        (windows, horizon, columns). Those that the network does not read are absent.
        """
        rows = windows.last_input_row(starts, shape.lookback)
        readings = windows.inputs(self.values, starts, shape.lookback)
        return {READINGS: readings, **self.targets(rows, shape.horizon)}

    def targets(self, rows: Any, horizon: int) -> Arrays:
        """Return what is known of the targets when the forecasts are made.

        Args:
            rows: The rows of the last inputs, of any shape.
            horizon: The number of target steps.

        Returns:
            `profile` (rows, horizon) and `known` (rows, horizon, columns), as far as they are read.
        """
        found: Arrays = {}
        if not (self.columns.is_anchored or self.columns.known_width):
            return found
        profile = self.history.profile(rows, horizon)
        if self.columns.is_anchored:
            found[PROFILE] = profile
        if self.columns.known_width:
            lags = [
                np.where(np.isnan(power), profile, power)
                for days in self.columns.lag_days
                for power in [self.history.days_before(rows, horizon, days)]
            ]
            targets = np.minimum(
                rows[..., np.newaxis] + np.arange(1, horizon + 1), len(self.known_ahead) - 1
            )
            powers = np.stack([profile, *lags], axis=-1)
            found[KNOWN] = np.concatenate([powers, self.known_ahead[targets]], axis=-1)
        return found

    def skip(self, rows: int) -> "Inputs":
        """Return the inputs without the first `rows`, which the others still look back at."""
        return self._replace(
            values=self.values[rows:],
            known_ahead=self.known_ahead[rows:],
            history=self.history.skip(rows),
        )


class InputReader(NamedTuple):
    """Read the inputs of a series from its file.

    Attributes:
        shape: The shape of the windows.
        columns: What is read besides the features.
        step: The length of a step.
    """

    shape: WindowShape
    columns: InputColumns
    step: Step

    @classmethod
    def of(cls, params: "Params") -> Self:
        """Return the reader that the parameters ask for."""
        columns = InputColumns.of(params.window.model_dump(), params.train.target)
        return cls(WindowShape.of(params.window), columns, params.step)

    def read(self, path: Path, begin: int = 0, end: int | None = None) -> Inputs:
        """Return the rows from `begin` to `end` of the series at `path`, which look further back.

        Args:
            path: The file of the series.
            begin: The first row.
            end: The row after the last one, by default that of the whole series.
        """
        if end is None:
            return self.of_table(files.read_table(path)).skip(begin)
        first = max(0, begin - self.columns.history_days * self.step.per_day)
        return self.of_table(files.read_rows(path, first, end)).skip(begin - first)

    def of_table(self, table: pa.Table) -> Inputs:
        """Return the inputs of a series with the columns timestamp and features."""
        return Inputs.of(
            arrow.to_numpy(table["timestamp"]),
            series.to_array(table),
            self.columns,
            step=self.step,
            horizon=self.shape.horizon,
            timezone=table["timestamp"].type.tz,
        )


def join(parts: Sequence[Inputs], before: int, after: int) -> Inputs:
    """Return the inputs of several series as one, none of which looks back into another.

    Args:
        parts: The series.
        before: How many rows to put before each series.
        after: How many rows to put after each series.
    """
    pads = [(before, after), (0, 0)]
    return Inputs(
        np.concatenate([np.pad(part.values, pads, "edge") for part in parts]),
        np.concatenate(
            [np.pad(part.known_ahead[: len(part.values)], pads, "edge") for part in parts]
        ),
        History.join(
            [part.history for part in parts], (before, after), parts[0].columns.history_days
        ),
        parts[0].columns,
    )


def _append(center: Any, scale: Any, pairs: Sequence[tuple[float, float]]) -> Scaler:
    """Return a scaling with further centers and scales."""
    further = np.array(pairs, np.float64).reshape(-1, 2)
    return Scaler(np.append(center, further[:, 0]), np.append(scale, further[:, 1]))
