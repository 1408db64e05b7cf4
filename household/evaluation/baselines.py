"""Compute simple forecasts that a network has to beat.

A baseline takes the context and the starts of the windows to forecast. It returns the forecast
power in kW: (windows, horizon). It may learn from `context.train` only, and reads only the input
steps of a window or steps before them.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from household.core.schema import Float32, Power, Values
from household.core.step import Step
from household.dataset import windows
from household.dataset.inputs import Inputs
from household.dataset.windows import Starts, WindowShape
from household.evaluation import metrics

CHUNK = 4096


class ForecastContext(NamedTuple):
    """Hold what a baseline may read.

    Attributes:
        series: The series: timestamp and features, the target first.
        inputs: What the network may read of it as well.
        train: The starts of the training windows.
        shape: The shape of the windows.
        step: The length of a step.
    """

    series: pa.Table
    inputs: Inputs
    train: Starts
    shape: WindowShape
    step: Step

    @property
    def values(self) -> Values:
        """Return the features of each step: (steps, features)."""
        return self.inputs.values[:, : self.series.num_columns - 1]


Baseline = Callable[[ForecastContext, Starts], Power]


def persistence(context: ForecastContext, starts: Starts) -> Power:
    """Forecast the target's value in the last input step."""
    last = context.values[windows.last_input_row(starts, context.shape.lookback), 0]
    return _at_each_step(last, context.shape)


def window_mean(context: ForecastContext, starts: Starts) -> Power:
    """Forecast the mean of the target over the input steps."""
    lookback = context.shape.lookback
    means = [
        windows.inputs(context.values, chunk, lookback)[..., 0].mean(axis=1)
        for chunk in split_starts(starts)
    ]
    return _at_each_step(np.concatenate(means), context.shape)


def seasonal_naive(context: ForecastContext, starts: Starts, *, days: int) -> Power:
    """Forecast the target at the same local time some days before.

    A target further ahead than that is looked up twice as many days before, and so on. Where that
    step is missing, forecast as `persistence` does.
    """
    rows = windows.last_input_row(starts, context.shape.lookback)
    power = context.inputs.history.days_before(rows, context.shape.horizon, days)
    return np.where(np.isnan(power), persistence(context, starts), power)


def profile(context: ForecastContext, starts: Starts) -> Power:
    """Forecast the mean of the power at that time of day over the last days."""
    rows = windows.last_input_row(starts, context.shape.lookback)
    return context.inputs.history.profile(rows, context.shape.horizon)


def mase_scale(context: ForecastContext) -> float:
    """Return the scale of MASE: the MAE in kW of a naive forecast one step ahead, in training.

    It is persistence, for a horizon of a day or more the power a day before, and for one of a week
    or more the power a week before.
    """
    one_ahead = context._replace(shape=context.shape._replace(horizon=1))
    days = context.shape.horizon // context.step.per_day
    naive = partial(seasonal_naive, days=7 if days >= 7 else 1) if days else persistence
    actual = windows.targets(context.values, context.train, one_ahead.shape)
    return metrics.mae(actual, naive(one_ahead, context.train))


def _at_each_step(forecast: Float32, shape: WindowShape) -> Power:
    """Repeat a forecast (windows,) for each step of the horizon: (windows, horizon)."""
    return np.repeat(forecast[:, np.newaxis], shape.horizon, axis=1)


def split_starts(starts: Starts, most: int = CHUNK) -> list[Starts]:
    """Split `starts`, since gathered windows take `lookback` times the memory of their steps.

    Args:
        starts: The starts of the windows.
        most: How many windows are gathered at a time, at most CHUNK.
    """
    size = min(most, CHUNK)
    return [starts[first : first + size] for first in range(0, len(starts), size)]


# Baselines that need no training, by their name in metrics, tables and plots.
NAIVE: dict[str, Baseline] = {
    metrics.PERSISTENCE: persistence,
    "window mean": window_mean,
    "day before": partial(seasonal_naive, days=1),
    "week before": partial(seasonal_naive, days=7),
    "profile": profile,
}
