"""One minute, hour, day or week ahead, beside the errors that two papers report on 2010.

    python -m bench.published household_power_consumption.zip [--year 2010] \
        [--steps minute hour day week]

Kim and Cho (2019), Predicting residential energy consumption using CNN-LSTM neural networks, Energy
182; Le et al. (2019), Improving electric energy consumption prediction using CNN and Bi-LSTM,
Applied Sciences 9(20), whose tables list both. A step is the mean power of its minutes. Training
ends before the year, and each step of the year that has readings is forecast from the steps before
it. Where minutes are missing, the inputs have the values of a day before.

A minute is forecast by the settings of params.yaml in eight epochs, an hour by those of
recipes/day_ahead.yaml, a day by those of week_ahead.yaml, and a week as the mean of the seven days
that week_ahead.yaml forecasts.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench import given, measure
from bench.uci_minutes import fill_from_day_before, read_power
from household.dataset import windows
from household.evaluation import metrics
from household.evaluation.ridge import ridge
from household.model import inference

PUBLISHED_YEAR = 2010
# RMSE and MAE in kW.
PUBLISHED = {
    "minute": {"CNN-LSTM, Kim and Cho": (0.611, 0.349), "EECP-CBL, Le et al.": (0.225, 0.098)},
    "hour": {"CNN-LSTM, Kim and Cho": (0.596, 0.332), "EECP-CBL, Le et al.": (0.546, 0.392)},
    "day": {"CNN-LSTM, Kim and Cho": (0.322, 0.257), "EECP-CBL, Le et al.": (0.255, 0.191)},
    "week": {"CNN-LSTM, Kim and Cho": (0.309, 0.238), "EECP-CBL, Le et al.": (0.220, 0.177)},
}


class Task(NamedTuple):
    """Describe what is forecast: the mean power of a period, which is one step or several.

    Attributes:
        recipe: The name of the settings; None for those of params.yaml.
        step: The length of a step for pandas.
        horizon: The steps of a period.
        period: The length of a period for pandas.
        epochs: The number of epochs, by default that of the recipe.
    """

    recipe: str | None
    step: str
    horizon: int
    period: str
    epochs: int | None = None


TASKS = {
    "minute": Task(None, "min", 1, "min", epochs=8),
    "hour": Task("day_ahead", "h", 1, "h"),
    "day": Task("week_ahead", "D", 1, "D"),
    "week": Task("week_ahead", "D", 7, "W-MON"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("zip", type=Path)
    parser.add_argument("--year", type=int, default=PUBLISHED_YEAR)
    parser.add_argument("--steps", nargs="*", choices=TASKS, default=list(TASKS))
    options = parser.parse_args()
    power = read_power(options.zip)
    for step in options.steps:
        rows = [] if options.year != PUBLISHED_YEAR else list(PUBLISHED[step].items())
        rows += errors(power, TASKS[step], options.year).items()
        cells = [[name, f"{rmse:.3f}", f"{mae:.3f}"] for name, (rmse, mae) in rows]
        print(measure.table([f"one {step} ahead, {options.year}", "RMSE (kW)", "MAE (kW)"], cells))
        print()


def errors(power: pd.Series, task: Task, year: int) -> dict[str, tuple[float, float]]:
    """Return RMSE and MAE in kW of each forecaster, over the periods that begin in a year."""
    whole_days = power[power.index >= power.index[0].ceil("D")]
    steps = fill_from_day_before(whole_days).resample(task.step).mean()
    periods = whole_days.resample(task.period, label="left", closed="left").mean().dropna()
    periods = periods[periods.index.year == year]
    rows = steps.index.get_indexer(periods.index)
    is_whole = rows + task.horizon <= len(steps)
    changes = {"window.horizon": task.horizon}
    if task.epochs:
        changes["train.epochs"] = task.epochs
    data = given.of_power(task.recipe, changes, steps, rows[is_whole], seed=0)
    before = windows.inputs(
        data.values, data.test + np.int32(data.shape.lookback - task.horizon), task.horizon
    )
    forecast = inference.predict(given.train_network(data), data.inputs, data.test)
    actual = periods.to_numpy()[is_whole]
    forecasters = {
        "the period before": (before[..., 0], before[..., 0]),
        "ridge regression": (by_ridge := ridge(data.context, data.test), by_ridge),
        "ours": (forecast.mean, forecast.median),
    }
    return {
        name: (
            metrics.rmse(actual, mean.mean(axis=1)),
            metrics.mae(actual, median.mean(axis=1)),
        )
        for name, (mean, median) in forecasters.items()
    }


if __name__ == "__main__":
    main()
