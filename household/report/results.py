"""Hold the results of a run, from which reports are made."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from household.core import files, paths
from household.core.params import Params
from household.core.quantiles import column_name
from household.core.step import Spacing, Step
from household.evaluation.metrics import PERSISTENCE

ACTUAL = "actual"
LSTM = "LSTM"
# Shown in every plot, so that each forecaster keeps its color.
LINEAR = "linear"


class Results(NamedTuple):
    """Hold the results of the earlier stages and the parameters.

    Attributes:
        predictions: timestamp, step if the horizon is more than one step, actual, the mean of each
            forecaster, its median if it is another forecast, and the quantiles of the LSTM, in kW.
        coverage: See `breakdown.intervals_by_group`.
        quantiles: See `breakdown.quantile_scores`.
        losses: Rows (epoch, split, loss).
        metrics: The scores of each forecaster, and the verdict.
        quality: The record of the parse stage.
        source: The record of the fetch stage.
        forecaster: The record of the saved model.
        params: The parameters.
        meters: A row for each meter if there are several; see `meter_scores.SCHEMA`.
    """

    predictions: pd.DataFrame
    coverage: pd.DataFrame
    quantiles: pd.DataFrame
    losses: pd.DataFrame
    metrics: dict[str, dict[str, Any]]
    quality: dict[str, Any]
    source: dict[str, Any]
    forecaster: dict[str, Any]
    params: Params
    meters: pd.DataFrame | None = None

    @classmethod
    def read(cls, params: Params, root: Path) -> Self:
        """Return the results that the stages have written under `root`."""
        meters = pd.read_csv(root / paths.METERS)
        return cls(
            predictions=_with_local_times(files.read_table(root / paths.PREDICTIONS)).to_pandas(),
            coverage=pd.read_csv(root / paths.COVERAGE),
            quantiles=pd.read_csv(root / paths.QUANTILES),
            losses=pd.read_csv(root / paths.HISTORY),
            metrics=files.read_json(root / paths.METRICS),
            quality=files.read_json(root / paths.QUALITY),
            source=files.read_json(root / paths.SOURCE),
            forecaster=files.read_json(root / paths.FORECASTER),
            params=params,
            meters=meters if len(meters) > 1 else None,
        )

    @property
    def verdict(self) -> dict[str, Any]:
        """Return the comparison of the LSTM with the baselines."""
        return self.metrics["verdict"]

    @property
    def main_forecasters(self) -> list[str]:
        """Return the forecasters in plots of steps: the LSTM and up to three baselines."""
        shown = dict.fromkeys([LSTM, PERSISTENCE, LINEAR, self.verdict["best_baseline"]])
        return [name for name in shown if name in self.predictions]

    @property
    def forecasters(self) -> list[str]:
        """Return all forecasters, those of `compared` first, so that each keeps its color."""
        others = [name for name in self.metrics if name in self.predictions]
        return list(dict.fromkeys([*self.main_forecasters, *others]))

    @property
    def levels(self) -> list[float]:
        """Return the levels of the quantiles in the predictions, none without quantiles."""
        levels = self.params.train.quantiles
        return [level for level in levels if column_name(level) in self.predictions]

    @property
    def horizon(self) -> int:
        """Return the number of steps of the horizon."""
        return self.params.window.horizon

    def windows(self, column: str) -> npt.NDArray[Any]:
        """Return a column of the predictions as an array (windows, horizon)."""
        return self.predictions[column].to_numpy().reshape(-1, self.horizon)

    def median(self, name: str) -> npt.NDArray[Any]:
        """Return the forecast that is scored by its absolute error: (windows, horizon)."""
        column = f"{name} median"
        return self.windows(column if column in self.predictions else name)

    @property
    def step(self) -> Step:
        """Return the length of a step."""
        return self.params.step

    @property
    def spacing(self) -> Spacing:
        """Return how far apart the windows are, as `windows.evaluation_stride` chose it."""
        first_targets = self.windows("timestamp")[:, 0]
        every_step = self.horizon == 1 and self.params.evaluate.origin == "every"
        if len(first_targets) < 2 or (every_step and "meter" not in self.predictions):
            return Spacing(1, self.step)
        distances = np.diff(first_targets)  # negative from one meter to the next
        shortest = distances[distances > np.timedelta64(0)].min()
        return Spacing(int(shortest / self.step.delta), self.step)

    def interval_scores(self, by: str, group: str, name: str) -> dict[float, dict[str, float]]:
        """Return the scores of a forecaster's intervals in a group of steps, by level."""
        table = self.coverage
        rows = table[
            (table["by"] == by) & (table["group"] == group) & (table["forecaster"] == name)
        ]
        figures = rows.set_index("level")[["coverage", "width_kw", "winkler_kw"]]
        return figures.to_dict("index")  # type: ignore[return-value]

    @property
    def meter_rows(self) -> list[dict[Any, Any]]:
        """Return the rows of the meters that have a skill, if there are several meters."""
        if self.meters is None:
            return []
        return self.meters.dropna(subset="skill").to_dict("records")

    @property
    def actual(self) -> pd.Series:
        """Return the actual power in kW."""
        return self.predictions[ACTUAL].astype("float64")

    @property
    def errors(self) -> pd.DataFrame:
        """Return the error of each forecaster of `compared` in kW: forecast minus actual."""
        return self.predictions[self.main_forecasters].astype("float64").sub(self.actual, axis=0)

    @property
    def days(self) -> pd.Series:
        """Return the start of the day of each step."""
        return self.predictions["timestamp"].dt.floor("D").rename("day")


def _with_local_times(table: pa.Table) -> pa.Table:
    """Return predictions with local times if theirs have a time zone."""
    stamps = table["timestamp"]
    if not stamps.type.tz:
        return table
    place = table.column_names.index("timestamp")
    return table.set_column(place, "timestamp", pc.local_timestamp(stamps))
