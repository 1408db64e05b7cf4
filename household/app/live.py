"""Forecast while readings arrive, and score the forecasts so far."""

from collections import deque
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from household.app.forecaster import Forecaster
from household.core import arrow
from household.core.errors import UserError
from household.evaluation import metrics


class Point(NamedTuple):
    """Hold a step: its power and what was forecast for it, in kW, NaN if unknown.

    Attributes:
        time: The start of the step.
        actual: The actual power.
        forecast: The forecast mean, or the only forecast.
        low_80: The lower bound of the 80 % prediction interval.
        high_80: Its upper bound.
        low_95: The lower bound of the 95 % prediction interval.
        high_95: Its upper bound.
    """

    time: np.datetime64
    actual: float = np.nan
    forecast: float = np.nan
    low_80: float = np.nan
    high_80: float = np.nan
    low_95: float = np.nan
    high_95: float = np.nan


class LiveForecast:
    """Hold the last steps with their forecasts, and the errors since the start.

    Attributes:
        shown: The number of readings from which the steps shown are forecast.
        capacity: The number of readings kept, with the history of these.
        step: The length of a step.
        count: The number of forecast steps whose actual power has arrived.
        points: The last steps.
        upcoming: The forecast steps to come.
        error: Why there is no forecast now, "" if there is one.
        timezone: The time zone of the readings, whose times are then in UTC; None for local times.
    """

    def __init__(self, forecaster: Forecaster, shown: int) -> None:
        self._forecaster, self.step = forecaster, forecaster.step
        self.shown = shown + forecaster.shape.lookback
        self.capacity = self.shown + forecaster.history
        self._readings: pa.Table | None = None
        self.count = 0
        self._squares = np.zeros(2)  # sums of squared errors of the model and of persistence
        self.points: deque[Point] = deque(maxlen=shown)
        self.upcoming: list[Point] = []
        self.error = ""
        self.timezone: str | None = None

    def remember(self, readings: pa.Table) -> None:
        """Take the next readings without a forecast, those that are later than the last one."""
        if self._readings is not None:
            is_later = pc.greater(readings["timestamp"], self._readings["timestamp"][-1])
            readings = pa.concat_tables([self._readings, readings.filter(is_later)])
        self._readings = readings.slice(max(0, readings.num_rows - self.capacity)).combine_chunks()

    def add(self, reading: pa.Table) -> None:
        """Take the next reading, a table of one row, and forecast what comes after it.

        A reading that is not later than the last one is ignored.
        """
        before = self._readings
        self.timezone = reading["timestamp"].type.tz
        now = arrow.to_numpy(reading["timestamp"])[0]
        if before is not None and now <= arrow.to_numpy(before["timestamp"])[-1]:
            return  # a replaced file may begin with readings that are known
        self.remember(reading)
        power = reading.column(1)[0].as_py()
        next_point = self.upcoming[0] if self.upcoming else None
        forecast = next_point if next_point and next_point.time == now else None
        self.points.append(
            (forecast or Point(now))._replace(actual=np.nan if power is None else power)
        )
        if forecast and before is not None and power is not None:
            last = before.column(1)[-1].as_py()
            self._squares += (forecast.forecast - power) ** 2, (last - power) ** 2
            self.count += 1
        self._forecast()

    def _forecast(self) -> None:
        self.upcoming, self.error = [], ""
        try:
            table = self._forecaster.forecast(self._readings, "now")
        except UserError as failure:
            self.error = str(failure)
            return
        stamps = arrow.to_numpy(table["timestamp"])
        for row, stamp in zip(table.to_pylist(), stamps, strict=True):
            power = row["mean_kw"] if "mean_kw" in row else row["forecast_kw"]
            bounds = {name: row.get(f"{name}_kw", power) for name in Point._fields[3:]}
            self.upcoming.append(Point(stamp, forecast=power, **bounds))

    def summary(self) -> str:
        """Describe the errors so far."""
        if not self.count:
            return f"no forecast {self.step.noun} has arrived yet"
        model, persistence = np.sqrt(self._squares / self.count).tolist()
        skill = metrics.skill(model, persistence)
        gain = "" if skill is None else f", skill {skill:+.1%}"
        return (
            f"{self.count:,} {self.step.nouns}: RMSE {model:.3f} kW, "
            f"persistence {persistence:.3f} kW{gain}"
        )
