"""Forecast the test windows by the network, the baselines and a previous model."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from household.core import arrow
from household.core.params import EvaluateParams
from household.core.quantiles import interpolate_levels
from household.core.schema import Float32, Power, Times
from household.core.step import Step
from household.dataset import windows
from household.dataset.windows import Starts
from household.evaluation import baselines, lightgbm, metrics
from household.evaluation.baselines import ForecastContext
from household.evaluation.ridge import ridge
from household.model import calibration, inference, saved_model
from household.model.calibration import Calibration
from household.model.forecast import Forecast

if TYPE_CHECKING:  # it is for household.model.inference to import it
    import onnxruntime

# All baselines by their name in metrics, tables and plots.
BASELINES = baselines.NAIVE | {"linear": ridge}
# Behind persistence or the profile, so that no one asks for their distribution.
WITHOUT_QUANTILES = ("window mean", "day before", "week before")


class ForecastSet(NamedTuple):
    """Hold the forecasts of all forecasters for the test windows.

    Attributes:
        stamps: The time of each target step: (windows, horizon).
        actual: The actual power in kW: (windows, horizon).
        forecasts: The forecast of each forecaster.
        levels: The levels of the quantiles.
        scale: The scale of MASE in kW; NaN if the model was not trained on the meter.
        overlap: The number of target steps on which a previous model was trained; None without one.
        step: The length of a step.
        timezone: The time zone of the times, which are then in UTC; None for local times.
    """

    stamps: Times
    actual: Power
    forecasts: dict[str, Forecast]
    levels: Sequence[float]
    scale: float
    overlap: int | None
    step: Step
    timezone: str | None = None

    @property
    def means(self) -> dict[str, Power]:
        """Return the forecast of each forecaster that is scored by its squared error."""
        return {name: each.mean for name, each in self.forecasts.items()}

    @property
    def medians(self) -> dict[str, Power]:
        """Return the forecast of each forecaster that is scored by its absolute error."""
        return {name: each.median for name, each in self.forecasts.items()}

    @property
    def quantiles(self) -> dict[str, Float32]:
        """Return the quantiles of each forecaster that has some."""
        return {
            name: each.quantiles
            for name, each in self.forecasts.items()
            if each.quantiles is not None
        }

    def thin(self, number: int) -> "ForecastSet":
        """Return the forecasts of every `number`-th window, from the first."""
        every = slice(None, None, number)
        return self._replace(
            stamps=self.stamps[every],
            actual=self.actual[every],
            forecasts={name: each.select(every) for name, each in self.forecasts.items()},
        )


def concat(sets: Sequence[ForecastSet]) -> ForecastSet:
    """Concatenate the windows of several meters, with the forecasters that all of them have."""
    names = [name for name in sets[0].forecasts if all(name in each.forecasts for each in sets)]
    overlaps = [each.overlap for each in sets if each.overlap is not None]
    sizes = [len(each.actual) for each in sets]
    return ForecastSet(
        np.concatenate([each.stamps for each in sets]),
        np.concatenate([each.actual for each in sets]),
        {name: Forecast.concat([each.forecasts[name] for each in sets]) for name in names},
        sets[0].levels,
        float(np.average([each.scale for each in sets], weights=sizes)),
        sum(overlaps) if overlaps else None,
        sets[0].step,
        sets[0].timezone,
    )


def run_forecasters(
    session: "onnxruntime.InferenceSession",
    context: ForecastContext,
    *,
    validation: Starts,
    test: Starts,
    settings: EvaluateParams,
    levels: Sequence[float],
) -> ForecastSet:
    """Forecast the test windows of a meter by the network, the baselines and a previous model.

    Args:
        session: The network.
        context: The series and the training windows; without training windows only the baselines
            that need none are run.
        validation: The starts of the validation windows.
        test: The starts of the test windows.
        settings: The parameters of the evaluate stage: whether to run LightGBM, and the previous
            model.
        levels: The levels of the quantiles of all forecasters.

    Raises:
        UserError: There is no previous model in its folder, the windows lack what it reads, or
            LightGBM is not installed.
    """
    series, shape = context.series, context.shape
    validation = np.sort(validation)[:: calibration.stride(len(validation), shape.horizon)]
    with_quantiles = partial(
        _with_quantiles, context=context, validation=validation, test=test, levels=levels
    )
    network = partial(inference.predict, session, context.inputs)
    # The network's own quantiles are calibrated already.
    has_quantiles = inference.has_quantiles(session)
    forecasts = {inference.NAME: network(test) if has_quantiles else with_quantiles(network)}
    for name, baseline in (BASELINES if len(context.train) else baselines.NAIVE).items():
        run = partial(_run_baseline, baseline, context)
        forecasts[name] = run(test) if name in WITHOUT_QUANTILES else with_quantiles(run)
    if len(context.train) and settings.lightgbm:
        trees = partial(lightgbm.forecast_distribution, context, levels=levels)
        forecasts[lightgbm.NAME] = with_quantiles(trees)
    timestamps, timezone = arrow.to_numpy(series["timestamp"]), series["timestamp"].type.tz
    stamps = timestamps[windows.target_rows(test, shape)]
    overlap = None
    if settings.previous_model:
        folder = Path(settings.previous_model).expanduser()
        previous = saved_model.load(folder, saved_model.GRAPH)
        forecast = previous.forecast(series, test, shape=shape, step=context.step)
        forecasts[metrics.PREVIOUS] = _at_levels(forecast, previous.levels, levels)
        overlap = previous.count_training_overlap(arrow.to_local(stamps, timezone))
    scale = baselines.mase_scale(context) if len(context.train) else math.nan
    actual = windows.targets(context.values, test, shape)
    return ForecastSet(stamps, actual, forecasts, levels, scale, overlap, context.step, timezone)


def _run_baseline(
    baseline: baselines.Baseline, context: ForecastContext, starts: Starts
) -> Forecast:
    power = baseline(context, starts)
    return Forecast(power, power)


def _with_quantiles(
    run: Callable[[Starts], Forecast],
    *,
    context: ForecastContext,
    validation: Starts,
    test: Starts,
    levels: Sequence[float],
) -> Forecast:
    """Return a forecast of the test windows with calibrated quantiles.

    The validation windows calibrate its own quantiles, or give it those of their errors. If there
    are too few, it stays as it is.
    """
    n = len(validation)
    both = run(np.concatenate([validation, test]))
    forecast = both.select(slice(n, None))
    if not calibration.are_enough(n, levels):
        return forecast
    actual = windows.targets(context.values, validation, context.shape)
    limit = calibration.lower_limit(actual, context.values[context.train, 0])
    if both.quantiles is None:
        errors = calibration.error_quantiles(actual, both.mean[:n], levels)
        quantiles = np.maximum(forecast.mean[..., np.newaxis] + errors.T, np.float32(limit))
        return forecast._replace(quantiles=quantiles)
    stretch = calibration.cross_validated_stretch(actual, both.quantiles[:n], levels)
    calibrated = Calibration(stretch, limit).apply(both.quantiles[n:])
    return Forecast.of_distribution(forecast.mean, calibrated)


def _at_levels(forecast: Forecast, own: Sequence[float], levels: Sequence[float]) -> Forecast:
    """Return a forecast with quantiles at `levels` instead of `own`."""
    if forecast.quantiles is None:
        return forecast
    return forecast._replace(quantiles=interpolate_levels(forecast.quantiles, own, levels))
