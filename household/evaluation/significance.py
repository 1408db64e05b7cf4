"""Test whether one forecast is better than another.

Functions take the actual power and forecasts of it in kW and in time order: (windows, horizon), or
(windows,) for a horizon of one step.
"""

import math
from typing import NamedTuple

import numpy as np

from household.core.schema import Float32, Float64, Power
from household.core.step import Spacing
from household.evaluation import metrics

RESAMPLES = 2000


class ConfidenceInterval(NamedTuple):
    """Hold the bounds of a confidence interval."""

    low: float
    high: float


class DieboldMariano(NamedTuple):
    """Hold a test of the hypothesis that two forecasts have the same mean squared error.

    Attributes:
        statistic: Positive if the first forecast has the smaller error.
        p: Probability of a statistic at least as large, of either sign, under the hypothesis.
    """

    statistic: float
    p: float


def compare(
    actual: Power, forecast: Power, reference: Power, *, spacing: Spacing
) -> dict[str, float | None]:
    """Compare the errors of two forecasts.

    Args:
        actual: The actual power.
        forecast: The forecast.
        reference: The forecast to compare with.
        spacing: How far apart the windows are.

    Returns:
        `skill`, and the bounds `low` and `high` of its 95 % confidence interval. What is not
        defined is None.
    """
    skill = metrics.skill(metrics.rmse(actual, forecast), metrics.rmse(actual, reference))
    ci = skill_ci(actual, forecast, reference, block=spacing.per_day)
    return {"skill": skill, "low": ci and ci.low, "high": ci and ci.high}


def compare_losses(
    losses: Float32, reference_losses: Float32, *, spacing: Spacing
) -> dict[str, float | None]:
    """Compare the mean losses of two forecasts, such as their CRPS.

    Args:
        losses: The loss for each target: (windows, horizon).
        reference_losses: The loss of the forecast to compare with.
        spacing: How far apart the windows are.

    Returns:
        `skill`, 1 - the ratio of the means, with `low` and `high` as in `compare`.
    """
    of_windows = [
        each.reshape(len(each), -1).mean(axis=1, dtype=np.float64)
        for each in (losses, reference_losses)
    ]
    means = [float(each.mean()) for each in of_windows]
    low = high = None
    block = spacing.per_day
    if len(losses) >= 2 * block and means[1]:
        ratios = _bootstrap_ratios(*of_windows, block=block, seed=0)
        low, high = np.percentile(1 - ratios, [2.5, 97.5]).tolist()
    return {"skill": metrics.skill(*means), "low": low, "high": high}


def skill_ci(
    actual: Power, forecast: Power, reference: Power, *, block: int, seed: int = 0
) -> ConfidenceInterval | None:
    """Return the 95 % confidence interval of the skill of `forecast`.

    It spans the 2.5th to the 97.5th percentile of `bootstrap_skills`.

    Args:
        actual: The actual power.
        forecast: The forecast.
        reference: The forecast to compare with.
        block: The number of windows in a block of the bootstrap.
        seed: Seeds the bootstrap.

    Returns:
        The interval; None with fewer than two blocks or if the reference makes no error.
    """
    if len(actual) < 2 * block or np.array_equal(actual, reference):
        return None
    low, high = np.percentile(
        bootstrap_skills(actual, forecast, reference, block=block, seed=seed), [2.5, 97.5]
    )
    return ConfidenceInterval(float(low), float(high))


def bootstrap_skills(
    actual: Power, forecast: Power, reference: Power, *, block: int, seed: int
) -> Float64:
    """Return the skill in each moving-block bootstrap sample of the windows.

    Args:
        actual: The actual power.
        forecast: The forecast.
        reference: The forecast to compare with.
        block: The number of windows in a block.
        seed: Seeds the samples.
    """
    squares, reference_squares = (_squares(actual, power) for power in (forecast, reference))
    return 1 - np.sqrt(_bootstrap_ratios(squares, reference_squares, block=block, seed=seed))


def _bootstrap_ratios(
    losses: Float64, reference_losses: Float64, *, block: int, seed: int
) -> Float64:
    """Return the ratio of the mean losses in each of `RESAMPLES` samples of the windows.

    A sample has as many windows as there are, rounded up to whole blocks. Its blocks of `block`
    consecutive windows begin anywhere, which preserves the dependence within a block. Samples in
    which the reference makes no error are dropped. Künsch (1989), The jackknife and the bootstrap
    for general stationary observations, Annals of Statistics 17(3).
    """
    blocks = -(-len(losses) // block)
    first_windows = np.random.default_rng(seed).integers(
        len(losses) - block + 1, size=(RESAMPLES, blocks)
    )
    errors, reference_errors = (
        _block_sums(each, block)[first_windows].sum(axis=1) for each in (losses, reference_losses)
    )
    has_error = reference_errors > 0
    return errors[has_error] / reference_errors[has_error]


def diebold_mariano(
    actual: Power, forecast: Power, reference: Power, *, stride: int = 1
) -> DieboldMariano | None:
    """Test whether two forecasts have the same mean squared error.

    The statistic is the mean difference of the squared errors over its standard error, and follows
    the standard normal distribution. The standard error uses Bartlett weights up to floor(4 (n /
    100)^(2/9)) lags, or as many as a window shares targets with, if those are more. Diebold and
    Mariano (1995), Comparing predictive accuracy, Journal of Business and Economic Statistics
    13(3). Newey and West (1987), Econometrica 55(3), for the standard error, and (1994), Review of
    Economic Studies 61(4), for the lags.

    Args:
        actual: The actual power.
        forecast: The forecast.
        reference: The forecast to compare with.
        stride: The number of steps from a window to the next.

    Returns:
        The test; None if the errors always differ by the same amount.
    """
    differences = _squares(actual, reference) - _squares(actual, forecast)
    n = len(differences)
    shared = math.ceil(actual[0].size / stride) - 1
    lags = min(max(math.floor(4 * (n / 100) ** (2 / 9)), shared), n - 1)
    deviations = differences - differences.mean()
    variance = deviations @ deviations / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (deviations[lag:] @ deviations[:-lag]) / n
    if variance <= 0:
        return None
    statistic = float(differences.mean() / math.sqrt(variance / n))
    return DieboldMariano(statistic, math.erfc(abs(statistic) / math.sqrt(2)))


def _squares(actual: Power, forecast: Power) -> Float64:
    """Return the mean squared error of each window: (windows,)."""
    squares = np.square(np.subtract(forecast, actual, dtype=np.float64))
    return squares.reshape(len(squares), -1).mean(axis=1)


def _block_sums(squares: Float64, block: int) -> Float64:
    """Return the sum over each block of `block` consecutive windows."""
    cumulative = np.cumsum(np.append(0, squares))
    return cumulative[block:] - cumulative[:-block]
