"""Score forecasts: pure functions of two arrays of the same shape, in kW."""

from collections.abc import Mapping, Sequence

import numpy as np

from household.core.quantiles import pinball_loss
from household.core.schema import Float32, Float64, Power

PERSISTENCE = "persistence"
# The name of the model in evaluate.previous_model.
PREVIOUS = "previous LSTM"
# A change from the step before of more than so many kW counts as switching.
LARGE_CHANGE_KW = 0.5


def rmse(actual: Power, forecast: Power) -> float:
    """Return the root mean squared error in kW."""
    return float(np.sqrt(np.mean(np.square(_error(actual, forecast)))))


def mae(actual: Power, forecast: Power) -> float:
    """Return the mean absolute error in kW."""
    return float(np.mean(np.abs(_error(actual, forecast))))


def mase(actual: Power, forecast: Power, scale: float) -> float | None:
    """Return the mean absolute scaled error: the MAE over `scale`; None if `scale` is 0.

    Hyndman and Koehler (2006), Another look at measures of forecast accuracy, International Journal
    of Forecasting 22(4), equation for q_t.

    Args:
        actual: The actual power.
        forecast: The forecast.
        scale: The MAE of a naive forecast in training; see `baselines.mase_scale`.
    """
    return mae(actual, forecast) / scale if scale else None


def skill(rmse: float, reference: float) -> float | None:
    """Return 1 - RMSE / RMSE of the reference. Positive is better than the reference.

    None if the reference makes no error. Murphy (1988), Skill scores based on the mean square error
    and their relationships to the correlation coefficient, Monthly Weather Review 116, here applied
    to the root of the error.
    """
    return 1 - rmse / reference if reference else None


def score_all(
    actual: Power,
    means: Mapping[str, Power],
    scale: float,
    *,
    medians: Mapping[str, Power] | None = None,
    crps: Mapping[str, Float32] | None = None,
) -> dict[str, dict[str, float | None]]:
    """Return the scores of each forecaster.

    The mean of a distribution has the smallest squared error, its median the smallest absolute one.
    Gneiting (2011), Making and evaluating point forecasts, Journal of the American Statistical
    Association 106.

    Args:
        actual: The actual power.
        means: The forecasts to score by RMSE, by forecaster, with persistence among them.
        scale: The scale of MASE in kW.
        medians: The forecasts to score by MAE and MASE, where they differ from `means`.
        crps: The score of each distribution for each target, in kW.
    """
    reference = rmse(actual, means[PERSISTENCE])
    medians, crps = {**means, **(medians or {})}, crps or {}
    return {
        name: {
            "rmse_kw": round_score(error := rmse(actual, mean)),
            "mae_kw": round_score(mae(actual, medians[name])),
            "mase": round_score(mase(actual, medians[name], scale)),
            "skill": round_score(skill(error, reference)),
        }
        | (
            {"crps_kw": round_score(float(np.mean(crps[name], dtype=np.float64)))}
            if name in crps
            else {}
        )
        for name, mean in means.items()
    }


def crps(actual: Power, quantiles: Float32, levels: Sequence[float]) -> Float32:
    """Return the continuous ranked probability score of each target, in kW. Lower is better.

    It is twice the integral of the pinball loss over all levels, here by the trapezoidal rule with
    no loss at 0 and 1. Gneiting and Ranjan (2011), Comparing density forecasts using threshold- and
    quantile-weighted scoring rules, Journal of Business and Economic Statistics 29(3), equation 8.

    Args:
        actual: The actual power: (windows, horizon).
        quantiles: The quantiles in kW: (windows, horizon, levels).
        levels: Their levels, increasing.
    """
    bounds = np.array([0, *levels, 1])
    total = np.zeros_like(actual)
    for i, (level, weight) in enumerate(zip(levels, bounds[2:] - bounds[:-2], strict=True)):
        total += np.float32(weight) * pinball_loss(actual, quantiles[..., i], level)
    return total


def round_score(score: float | None) -> float | None:
    """Round a score to six decimals, since further ones depend on the processor."""
    return None if score is None else round(score, 6)


def _error(actual: Power, forecast: Power) -> Float64:
    return np.subtract(forecast, actual, dtype=np.float64)


def coverage(actual: Power, lower: Float32, upper: Float32) -> float:
    """Return the share of the minutes whose power lies within the interval."""
    return float(np.mean((actual >= lower) & (actual <= upper)))


def mean_width(lower: Float32, upper: Float32) -> float:
    """Return the mean width in kW."""
    return float(np.mean(np.subtract(upper, lower, dtype=np.float64)))


def winkler_score(actual: Power, lower: Float32, upper: Float32, *, level: float) -> float:
    """Return the mean Winkler score in kW. Lower is better, and the true quantiles score best.

    The score of a step is the width, plus 2 / (1 - level) times the distance outside the
    interval. Winkler (1972), A decision-theoretic approach to interval estimation, Journal of the
    American Statistical Association 67. Gneiting and Raftery (2007), Strictly proper scoring rules,
    prediction, and estimation, the same 102, equation 43.

    Args:
        actual: The actual power.
        lower: The lower bounds.
        upper: The upper bounds.
        level: The asked coverage.
    """
    outside = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    return mean_width(lower, upper) + 2 / (1 - level) * float(np.mean(outside, dtype=np.float64))
