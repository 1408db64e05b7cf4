"""Score forecasts: pure functions of two arrays of the same shape, in kW."""

from collections.abc import Mapping

import numpy as np

from household.core.schema import Float32, Float64, Power

PERSISTENCE = "persistence"
# The name of the model in evaluate.previous_model.
PREVIOUS = "previous LSTM"


def rmse(actual: Power, forecast: Power) -> float:
    """Return the root mean squared error in kW."""
    return float(np.sqrt(np.mean(np.square(_error(actual, forecast)))))


def mae(actual: Power, forecast: Power) -> float:
    """Return the mean absolute error in kW."""
    return float(np.mean(np.abs(_error(actual, forecast))))


def mase(actual: Power, forecast: Power, scale: float) -> float | None:
    """Return the mean absolute scaled error: the MAE over `scale`; None if `scale` is 0.

    Hyndman and Koehler (2006), Another look at measures of forecast accuracy, International Journal
    of Forecasting 22(4), equation for q_t with m = 1.

    Args:
        actual: The actual power.
        forecast: The forecast.
        scale: The MAE of persistence one minute ahead in training, whatever the horizon.
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
    actual: Power, forecasts: Mapping[str, Power], scale: float
) -> dict[str, dict[str, float | None]]:
    """Return the scores of each forecast by forecaster.

    Args:
        actual: The actual power.
        forecasts: The forecasts by forecaster, with persistence among them.
        scale: The scale of MASE in kW.
    """
    reference = rmse(actual, forecasts[PERSISTENCE])
    return {
        name: {
            "rmse_kw": round_score(error := rmse(actual, forecast)),
            "mae_kw": round_score(mae(actual, forecast)),
            "mase": round_score(mase(actual, forecast, scale)),
            "skill": round_score(skill(error, reference)),
        }
        for name, forecast in forecasts.items()
    }


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

    The score of a minute is the width, plus 2 / (1 - level) times the distance outside the
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
