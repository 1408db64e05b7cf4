"""Score a model and the baselines on the test windows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from household.core.schema import Float, Power
from household.dataset import batches, windows
from household.dataset.windows import Starts
from household.evaluation import baselines, lightgbm, metrics
from household.evaluation.baselines import ForecastContext
from household.model import inference, intervals
from household.model.intervals import ConformalIntervals
from household.model.saved_model import SavedModel

if TYPE_CHECKING:  # it is for household.model.inference to import it
    import onnxruntime


class ForecastSet(NamedTuple):
    """Hold the forecasts of all forecasters for the test windows.

    Attributes:
        stamps: The time of each target minute: (windows, horizon).
        actual: The actual power in kW: (windows, horizon).
        forecasts: The forecast power in kW by forecaster: (windows, horizon).
        ends: Lower and upper bounds of prediction intervals by forecaster: (levels, windows,
            horizon).
        scale: The scale of MASE in kW; NaN if the model was not trained on the meter.
        training_overlap: The number of target minutes on which a previous model was trained.
    """

    stamps: npt.NDArray[np.datetime64]
    actual: Power
    forecasts: dict[str, Power]
    ends: dict[str, tuple[Float, Float]]
    scale: float
    training_overlap: dict[str, int]

    def thin(self, number: int) -> "ForecastSet":
        """Return the forecasts of every `number`-th window, from the first."""
        return self._replace(
            stamps=self.stamps[::number],
            actual=self.actual[::number],
            forecasts={name: forecast[::number] for name, forecast in self.forecasts.items()},
            ends={
                name: (low[:, ::number], high[:, ::number])
                for name, (low, high) in self.ends.items()
            },
        )


def concat(by_meter: Sequence[ForecastSet]) -> ForecastSet:
    """Concatenate the windows of all meters, with the forecasters that all of them have."""
    first, *others = by_meter
    if not others:
        return first

    def shared(field: str) -> list[str]:
        names: Mapping[str, Any] = getattr(first, field)
        return [
            name for name in names if all(name in getattr(forecasts, field) for forecasts in others)
        ]

    sizes = [len(forecasts.actual) for forecasts in by_meter]
    return ForecastSet(
        np.concatenate([forecasts.stamps for forecasts in by_meter]),
        np.concatenate([forecasts.actual for forecasts in by_meter]),
        {
            name: np.concatenate([forecasts.forecasts[name] for forecasts in by_meter])
            for name in shared("forecasts")
        },
        {
            name: (
                np.concatenate([forecasts.ends[name][0] for forecasts in by_meter], axis=1),
                np.concatenate([forecasts.ends[name][1] for forecasts in by_meter], axis=1),
            )
            for name in shared("ends")
        },
        float(np.average([forecasts.scale for forecasts in by_meter], weights=sizes)),
        {
            name: sum(forecasts.training_overlap[name] for forecasts in by_meter)
            for name in shared("training_overlap")
        },
    )


def run_forecasters(
    session: "onnxruntime.InferenceSession",
    conformal: ConformalIntervals | None,
    context: ForecastContext,
    *,
    features: list[str],
    validation: Starts,
    test: Starts,
    with_lightgbm: bool = False,
    previous: SavedModel | None = None,
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
        with_lightgbm: Whether LightGBM is one of the baselines.
        previous: A previous model.

    Raises:
        UserError: The windows lack what the previous model reads, or LightGBM is not installed.
    """
    baselines_to_run = baselines.BASELINES | (
        {lightgbm.NAME: lightgbm.lightgbm_forecast} if with_lightgbm else {}
    )
    if not len(context.train):
        baselines_to_run = baselines.NAIVE
    by_name = {inference.NAME: inference.predict(session, context.values, test)} | {
        name: baseline(context, test) for name, baseline in baselines_to_run.items()
    }
    stamps = context.timestamps[windows.target_rows(test, context.shape)]
    training_overlap = {}
    if previous:
        by_name[metrics.PREVIOUS] = previous.forecast(
            features, context.values, test, shape=context.shape
        )
        training_overlap["previous_training_overlap"] = previous.count_training_overlap(stamps)
    intervals_by_name = {inference.NAME: conformal}
    if len(context.train):
        intervals_by_name[metrics.PERSISTENCE] = intervals.fit(
            batches.in_memory(context.values, context.train),
            batches.in_memory(context.values, validation),
            context.shape,
            forecast=lambda values, starts: baselines.persistence(
                context._replace(values=values), starts
            ),
        )
    return ForecastSet(
        stamps,
        windows.targets(context.values, test, context.shape),
        by_name,
        {
            name: bands.bounds(context.values, test, context.shape.lookback, forecast=by_name[name])
            for name, bands in intervals_by_name.items()
            if bands
        },
        baselines.mase_scale(context) if len(context.train) else float("nan"),
        training_overlap,
    )
