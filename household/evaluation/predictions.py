"""Forecast the test windows by the network, the baselines and a previous model."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from household.core.params import EvaluateParams
from household.core.schema import Float32, Power, Times
from household.dataset import batches, windows
from household.dataset.windows import Starts
from household.evaluation import baselines, lightgbm, metrics
from household.evaluation.baselines import ForecastContext
from household.model import inference, intervals, saved_model
from household.model.intervals import ConformalIntervals

if TYPE_CHECKING:  # it is for household.model.inference to import it
    import onnxruntime


class ForecastSet(NamedTuple):
    """Hold the forecasts of all forecasters for the test windows.

    Attributes:
        stamps: The time of each target minute: (windows, horizon).
        actual: The actual power in kW: (windows, horizon).
        forecasts: The forecast power in kW by forecaster: (windows, horizon).
        ends: Lower and upper bounds of prediction intervals by forecaster: (2, levels, windows,
            horizon).
        scale: The scale of MASE in kW; NaN if the model was not trained on the meter.
        overlap: The number of target minutes on which a previous model was trained; None without
            one.
    """

    stamps: Times
    actual: Power
    forecasts: dict[str, Power]
    ends: dict[str, Float32]
    scale: float
    overlap: int | None

    def thin(self, number: int) -> "ForecastSet":
        """Return the forecasts of every `number`-th window, from the first."""
        return self._replace(
            stamps=self.stamps[::number],
            actual=self.actual[::number],
            forecasts={name: forecast[::number] for name, forecast in self.forecasts.items()},
            ends={name: bounds[:, :, ::number] for name, bounds in self.ends.items()},
        )


def concat(sets: Sequence[ForecastSet]) -> ForecastSet:
    """Concatenate the windows of several meters, with the forecasters that all of them have."""

    def join(arrays_by_name: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        names = [name for name in arrays_by_name[0] if all(name in each for each in arrays_by_name)]
        return {
            # In all arrays the windows are the second last axis.
            name: np.concatenate([arrays[name] for arrays in arrays_by_name], axis=-2)
            for name in names
        }

    overlaps = [each.overlap for each in sets if each.overlap is not None]
    sizes = [len(each.actual) for each in sets]
    return ForecastSet(
        np.concatenate([each.stamps for each in sets]),
        np.concatenate([each.actual for each in sets]),
        join([each.forecasts for each in sets]),
        join([each.ends for each in sets]),
        float(np.average([each.scale for each in sets], weights=sizes)),
        sum(overlaps) if overlaps else None,
    )


def run_forecasters(
    session: "onnxruntime.InferenceSession",
    conformal: ConformalIntervals | None,
    context: ForecastContext,
    *,
    features: list[str],
    validation: Starts,
    test: Starts,
    settings: EvaluateParams,
) -> ForecastSet:
    """Forecast the test windows of a meter by the network, the baselines and a previous model.

    Args:
        session: The network.
        conformal: Its prediction intervals.
        context: The series and the training windows; without training windows only the baselines
            that need none are run.
        features: The columns of the series.
        validation: The starts of the validation windows.
        test: The starts of the test windows.
        settings: The parameters of the evaluate stage: whether to run LightGBM, and the previous
            model.

    Raises:
        UserError: There is no previous model in its folder, the windows lack what it reads, or
            LightGBM is not installed.
    """
    values, shape = context.values, context.shape
    to_run = baselines.BASELINES if len(context.train) else baselines.NAIVE
    if len(context.train) and settings.lightgbm:
        to_run = to_run | {lightgbm.NAME: lightgbm.lightgbm_forecast}
    by_name = {inference.NAME: inference.predict(session, values, test)} | {
        name: baseline(context, test) for name, baseline in to_run.items()
    }
    stamps = context.timestamps[windows.target_rows(test, shape)]
    overlap = None
    if settings.previous_model:
        folder = Path(settings.previous_model).expanduser()
        previous = saved_model.load(folder, saved_model.GRAPH)
        by_name[metrics.PREVIOUS] = previous.forecast(features, values, test, shape=shape)
        overlap = previous.count_training_overlap(stamps)
    intervals_by_name = {
        inference.NAME: conformal,
        metrics.PERSISTENCE: _intervals_of_persistence(context, validation),
    }
    ends = {
        name: np.stack(bands.bounds(values, test, shape.lookback, forecast=by_name[name]))
        for name, bands in intervals_by_name.items()
        if bands
    }
    scale = baselines.mase_scale(context) if len(context.train) else math.nan
    actual = windows.targets(values, test, shape)
    return ForecastSet(stamps, actual, by_name, ends, scale, overlap)


def _intervals_of_persistence(
    context: ForecastContext, validation: Starts
) -> ConformalIntervals | None:
    """Return prediction intervals of persistence; None without training windows."""
    if not len(context.train):
        return None
    return intervals.fit(
        batches.in_memory(context.values, context.train),
        batches.in_memory(context.values, validation),
        context.shape,
        forecast=lambda values, starts: baselines.persistence(
            context._replace(values=values), starts
        ),
    )
