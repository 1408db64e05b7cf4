"""What a model says while readings arrive, and how good that was so far."""

from collections import deque
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from household.forecast import scores
from household.pipeline import arrays
from household.pipeline.failure import Failure
from household.use.forecaster import Forecaster


class Point(NamedTuple):
    """A minute: its power, NaN where it is not known, and what was forecast of it before, in kW."""

    minute: np.datetime64
    actual: float = np.nan
    forecast: float = np.nan
    low: float = np.nan  # of the widest interval
    high: float = np.nan


class Live:
    """The last minutes with what was forecast of them, and the error since the start."""

    def __init__(self, forecaster: Forecaster, shown: int) -> None:
        self._forecaster = forecaster
        self.kept = shown + forecaster.shape.lookback  # minutes, to show as many with a forecast
        self._readings: pa.Table | None = None
        self.minutes = 0  # that were forecast and came
        self._squares = np.zeros(2)  # sums of those of the model and of persistence
        self.points: deque[Point] = deque(maxlen=shown)
        self.ahead: list[Point] = []
        self.trouble = ""

    def add(self, reading: pa.Table) -> None:
        """Takes the next reading, a table of one row, and forecasts what comes after it.

        One that is not later than the last is left out.
        """
        before = self._readings
        now = arrays.of(reading["timestamp"])[0]
        if before is not None and now <= arrays.of(before["timestamp"])[-1]:
            return  # a file that was replaced may begin with what is known
        self._readings = reading if before is None else pa.concat_tables([before, reading])
        self._readings = self._readings.slice(max(0, self._readings.num_rows - self.kept))
        power = reading.column(1)[0].as_py()
        next_one = self.ahead[0] if self.ahead else None
        said = next_one if next_one and next_one.minute == now else None
        self.points.append((said or Point(now))._replace(actual=np.nan if power is None else power))
        if said and before is not None and power is not None:
            last = before.column(1)[-1].as_py()
            self._squares += (said.forecast - power) ** 2, (last - power) ** 2
            self.minutes += 1
        self._forecast()

    def _forecast(self) -> None:
        self.ahead, self.trouble = [], ""
        try:
            rows = self._forecaster.forecast(self._readings, "now").to_pylist()
        except Failure as failure:
            self.trouble = str(failure)
            return
        for row in rows:
            power = row["power_kw"]
            ends = (row.get(f"{end}_95_kw", power) for end in ("low", "high"))
            self.ahead.append(Point(np.datetime64(row["timestamp"], "ms"), np.nan, power, *ends))

    def said(self) -> str:
        """The errors so far, in words."""
        if not self.minutes:
            return "no minute yet that was forecast before it came"
        ours, theirs = np.sqrt(self._squares / self.minutes).tolist()
        skill = scores.skill(ours, theirs)
        gain = "" if skill is None else f", skill {skill:+.1%}"
        return f"{self.minutes:,} minutes: RMSE {ours:.3f} kW, persistence {theirs:.3f} kW{gain}"
