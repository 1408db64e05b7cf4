"""Score forecasts: pure functions of two arrays of the same shape, in kW."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.meter import series

Power = npt.NDArray[np.float32]
REFERENCE = "persistence"
# The name of the model in evaluate.against.
EARLIER = "earlier LSTM"


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


def of_each(
    actual: Power, forecasts: Mapping[str, Power], scale: float
) -> dict[str, dict[str, float | None]]:
    """Return the scores of each forecast by forecaster.

    Args:
        actual: The actual power.
        forecasts: The forecasts by forecaster, with persistence among them.
        scale: The scale of MASE in kW.
    """
    reference = rmse(actual, forecasts[REFERENCE])
    return {
        name: {
            "rmse_kw": rounded(error := rmse(actual, forecast)),
            "mae_kw": rounded(mae(actual, forecast)),
            "mase": rounded(mase(actual, forecast, scale)),
            "skill": rounded(skill(error, reference)),
        }
        for name, forecast in forecasts.items()
    }


def rounded(score: float | None) -> float | None:
    """Round a score to six decimals, since further ones depend on the processor."""
    return None if score is None else round(score, 6)


def predictions(
    timestamps: npt.NDArray[np.datetime64], actual: Power, forecasts: Mapping[str, Power]
) -> pa.Table:
    """Return a row for each target minute of each window: time, actual power and each forecast."""
    return by_minute(timestamps, {"actual": actual, **forecasts})


def by_minute(
    timestamps: npt.NDArray[np.datetime64], power: Mapping[str, npt.NDArray[np.float32]]
) -> pa.Table:
    """Return a row for each target minute of each window: its time and columns of power in kW.

    A column `step` counts the minutes of the horizon from 1, if there are several.

    Args:
        timestamps: The time of each target minute: (windows, horizon).
        power: The power by column: (windows, horizon).
    """
    fields = [
        pa.field(name, pa.float32(), nullable=False, metadata={"unit": "kW"}) for name in power
    ]
    table = pa.table(
        [timestamps.ravel(), *(values.ravel() for values in power.values())],
        schema=pa.schema([series.TIMESTAMP, *fields]),
    )
    count, horizon = timestamps.shape
    if horizon > 1:
        steps = np.tile(np.arange(1, horizon + 1, dtype=np.int16), count)
        table = table.add_column(1, pa.field("step", pa.int16(), nullable=False), [steps])
    return table


def _error(actual: Power, forecast: Power) -> npt.NDArray[np.float64]:
    return np.subtract(forecast, actual, dtype=np.float64)
