"""Scores of a forecast: small pure functions of two arrays of one shape, in kW."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.meter import series

Power = npt.NDArray[np.float32]
REFERENCE = "persistence"
# The model of evaluate.against.
EARLIER = "earlier LSTM"


def rmse(actual: Power, forecast: Power) -> float:
    """The root of the mean squared error, in kW."""
    return float(np.sqrt(np.mean(np.square(_error(actual, forecast)))))


def mae(actual: Power, forecast: Power) -> float:
    """The mean absolute error, in kW."""
    return float(np.mean(np.abs(_error(actual, forecast))))


def mase(actual: Power, forecast: Power, scale: float) -> float | None:
    """The mean absolute scaled error: the MAE over `scale`, that of persistence in training.

    `scale` is of forecasts one minute ahead, whatever the horizon.
    None where `scale` is 0, since a series that never changes has no scale.
    Hyndman and Koehler (2006), Another look at measures of forecast accuracy, International
    Journal of Forecasting 22(4), equation for q_t with m = 1.
    """
    return mae(actual, forecast) / scale if scale else None


def skill(rmse: float, reference: float) -> float | None:
    """1 - RMSE / RMSE of the reference: above 0 is better than it; None where that makes no error.

    Murphy (1988), Skill scores based on the mean square error and their relationships to the
    correlation coefficient, Monthly Weather Review 116, here on the root of the error.
    """
    return 1 - rmse / reference if reference else None


def of_each(
    actual: Power, forecasts: Mapping[str, Power], scale: float
) -> dict[str, dict[str, float | None]]:
    """The scores of each forecast by its name, persistence among them; `scale` is the MASE's."""
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
    """To six decimals: beyond, a trained network's scores depend on the processor."""
    return None if score is None else round(score, 6)


def predictions(
    timestamps: npt.NDArray[np.datetime64], actual: Power, forecasts: Mapping[str, Power]
) -> pa.Table:
    """A row for each target minute of each window: its time, its power and each forecast of it."""
    return by_minute(timestamps, {"actual": actual, **forecasts})


def by_minute(
    timestamps: npt.NDArray[np.datetime64], power: Mapping[str, npt.NDArray[np.float32]]
) -> pa.Table:
    """A row for each target minute of each window: its time, and columns of power in kW.

    Arrays are (windows, horizon). Where the horizon is more than a minute, `step` counts its
    minutes from 1.
    """
    fields = [
        pa.field(name, pa.float32(), nullable=False, metadata={"unit": "kW"}) for name in power
    ]
    table = pa.table(
        [timestamps.ravel(), *(each.ravel() for each in power.values())],
        schema=pa.schema([series.TIMESTAMP, *fields]),
    )
    count, horizon = timestamps.shape
    if horizon > 1:
        steps = np.tile(np.arange(1, horizon + 1, dtype=np.int16), count)
        table = table.add_column(1, pa.field("step", pa.int16(), nullable=False), [steps])
    return table


def _error(actual: Power, forecast: Power) -> npt.NDArray[np.float64]:
    return np.subtract(forecast, actual, dtype=np.float64)
