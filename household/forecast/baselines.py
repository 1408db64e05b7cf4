"""Forecasts that cost little, which a network has to beat.

Each takes what is given and the starts of the windows to forecast, and returns a forecast for each
minute of their horizons, in kW: (windows, horizon). It may learn from `given.train` alone, and of
a window it reads the input minutes, or minutes before them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from household.forecast import scores, windows
from household.forecast.scores import Power
from household.forecast.windows import Shape, Starts
from household.meter.ahead import ahead
from household.meter.series import Values

DAY = np.timedelta64(1, "D")
# Against a correlation of 1: enough that columns which say the same share their weight.
RIDGE = 1e-3
CHUNK = 4096


class Given(NamedTuple):
    """What a baseline may read, beside the windows that it forecasts."""

    values: Values  # (minutes, features), the target first
    timestamps: npt.NDArray[np.datetime64]  # (minutes,)
    train: Starts  # the windows of the training part
    shape: Shape  # of the windows


Baseline = Callable[[Given, Starts], Power]


def persistence(given: Given, starts: Starts) -> Power:
    """The target's value in the last input minute: "the same as a minute ago"."""
    last = given.values[windows.last_input_minutes(starts, given.shape.lookback), 0]
    return _at_each_step(last, given.shape)


def window_mean(given: Given, starts: Starts) -> Power:
    """The mean of the target over the input minutes."""
    lookback = given.shape.lookback
    means = [
        windows.inputs(given.values, chunk, lookback)[..., 0].mean(axis=1)
        for chunk in chunks(starts)
    ]
    return _at_each_step(np.concatenate(means), given.shape)


def day_before(given: Given, starts: Starts) -> Power:
    """The target 24 hours before each target minute; persistence where that minute is not known."""
    due = given.timestamps[windows.target_minutes(starts, given.shape)] - DAY
    rows = np.searchsorted(given.timestamps, due)
    known = given.timestamps[rows] == due
    return np.where(known, given.values[rows, 0], persistence(given, starts))


def scale(given: Given) -> float:
    """What a MASE is divided by: the MAE of persistence a minute ahead, in training, in kW."""
    ahead = given._replace(shape=given.shape._replace(horizon=1))
    actual = windows.targets(given.values, given.train, ahead.shape)
    return scores.mae(actual, persistence(ahead, given.train))


def linear(given: Given, starts: Starts) -> Power:
    """The last value plus linear functions of all input minutes and features, by ridge.

    There is one for each step of the horizon. Its weights minimise the squared error of the change
    over the training windows plus `RIDGE` times their square, both of standardised inputs. They
    follow from sums of products (lookback * features, that and horizon), which one pass over the
    windows gives.
    Hoerl and Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems,
    Technometrics 12(1).
    """
    lookback, horizon = given.shape
    width = lookback * given.values.shape[1]
    # Near 0 the sums keep their digits.
    origin = given.values[0].astype(np.float64)

    def inputs(chunk: Starts) -> npt.NDArray[np.float64]:
        return (windows.inputs(given.values, chunk, lookback) - origin).reshape(-1, width)

    def change(chunk: Starts) -> npt.NDArray[np.float64]:
        known = windows.targets(given.values, chunk, given.shape).astype(np.float64)
        return known - persistence(given, chunk)

    total, products = np.zeros(width + horizon), np.zeros((width, width + horizon))
    made = (np.column_stack([inputs(chunk), change(chunk)]) for chunk in chunks(given.train))
    # OpenBLAS has one thread, so another one gathers the next rows meanwhile.
    for rows in ahead(made):
        total += rows.sum(axis=0)
        products += rows[:, :width].T @ rows
    mean = total / len(given.train)
    covariance = products / len(given.train) - np.outer(mean[:width], mean)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    # A column that never changes has no weight, whatever it is divided by.
    scale = np.where(deviation > 1e-9, deviation, 1)
    correlation = covariance[:, :width] / np.outer(scale, scale) + RIDGE * np.eye(width)
    due = covariance[:, width:] / scale[:, np.newaxis]
    weights = np.linalg.solve(correlation, due) / scale[:, np.newaxis]
    return persistence(given, starts) + np.concatenate(
        [(inputs(chunk) - mean[:width]) @ weights + mean[width:] for chunk in chunks(starts)]
    ).astype(np.float32)


def _at_each_step(forecast: npt.NDArray[np.float32], shape: Shape) -> Power:
    """The same forecast (windows,) for each minute of the horizon: (windows, horizon)."""
    return np.repeat(forecast[:, np.newaxis], shape.horizon, axis=1)


def chunks(starts: Starts) -> list[Starts]:
    """`starts` in pieces, since windows take `lookback` times the memory of their minutes."""
    return [starts[first : first + CHUNK] for first in range(0, len(starts), CHUNK)]


# By the name that each has in scores, tables and pictures: those that learn nothing, and all.
UNTAUGHT: dict[str, Baseline] = {
    scores.REFERENCE: persistence,
    "window mean": window_mean,
    "day before": day_before,
}
BASELINES = UNTAUGHT | {"linear": linear}
