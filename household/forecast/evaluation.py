"""Score a model and the baselines on the test windows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.forecast import (
    baselines,
    comparison,
    intervals,
    pieces,
    runtime,
    scores,
    trees,
    windows,
)
from household.forecast.baselines import Given
from household.forecast.intervals import Float, Intervals
from household.forecast.scores import Power
from household.forecast.trained import Trained
from household.forecast.windows import Starts

if TYPE_CHECKING:  # it is for household.forecast.runtime to import it
    import onnxruntime


class Forecasts(NamedTuple):
    """Hold the forecasts of all forecasters for the test windows.

    Attributes:
        stamps: The time of each target minute: (windows, horizon).
        actual: The actual power in kW: (windows, horizon).
        forecasts: The forecast power in kW by forecaster: (windows, horizon).
        ends: Lower and upper bounds of prediction intervals by forecaster: (levels, windows,
            horizon).
        scale: The scale of MASE in kW; NaN if the model was not trained on the meter.
        learnt_from: The number of target minutes on which an earlier model was trained.
    """

    stamps: npt.NDArray[np.datetime64]
    actual: Power
    forecasts: dict[str, Power]
    ends: dict[str, tuple[Float, Float]]
    scale: float
    learnt_from: dict[str, int]

    def every(self, number: int) -> "Forecasts":
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


def together(by_meter: Sequence[Forecasts]) -> Forecasts:
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
    return Forecasts(
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
            name: sum(forecasts.learnt_from[name] for forecasts in by_meter)
            for name in shared("learnt_from")
        },
    )


def forecasts(
    session: "onnxruntime.InferenceSession",
    own: Intervals | None,
    given: Given,
    features: list[str],
    validation: Starts,
    test: Starts,
    with_trees: bool = False,
    against: Trained | None = None,
) -> Forecasts:
    """Forecast the test windows of a meter by the network, the baselines and an earlier model.

    Args:
        session: The network.
        own: Its prediction intervals.
        given: The series and the training windows; without training windows only the baselines that
            need none are run.
        features: The columns of the series.
        validation: The starts of the validation windows.
        test: The starts of the test windows.
        with_trees: Whether LightGBM is one of the baselines.
        against: An earlier model.

    Raises:
        Failure: The windows lack what the earlier model reads, or LightGBM is not installed.
    """
    baselines_to_run = baselines.BASELINES | ({trees.NAME: trees.boosted} if with_trees else {})
    if not len(given.train):
        baselines_to_run = baselines.UNTAUGHT
    by_name = {runtime.NAME: runtime.forecast(session, given.values, test)} | {
        name: baseline(given, test) for name, baseline in baselines_to_run.items()
    }
    stamps = given.timestamps[windows.target_minutes(test, given.shape)]
    learnt_from = {}
    if against:
        by_name[scores.EARLIER] = against.forecast(features, given.values, test, given.shape)
        learnt_from["earlier_learnt_from"] = against.learnt_from(stamps)
    intervals_by_name = {runtime.NAME: own}
    if len(given.train):
        intervals_by_name[scores.REFERENCE] = intervals.learn(
            pieces.held(given.values, given.train),
            pieces.held(given.values, validation),
            given.shape,
            lambda values, starts: baselines.persistence(given._replace(values=values), starts),
        )
    return Forecasts(
        stamps,
        windows.targets(given.values, test, given.shape),
        by_name,
        {
            name: bands.around(given.values, test, given.shape.lookback, by_name[name])
            for name, bands in intervals_by_name.items()
            if bands
        },
        baselines.scale(given) if len(given.train) else float("nan"),
        learnt_from,
    )


class Evaluation(NamedTuple):
    """Hold the results of the evaluate stage.

    Attributes:
        metrics: Scores of each forecaster, the verdict and the scores of the intervals.
        breakdown: See `comparison.breakdown`.
        coverage: See `comparison.coverage`.
        predictions: See `scores.predictions`.
        windows: The number of test windows.
    """

    metrics: dict[str, dict[str, Any]]
    breakdown: pa.Table
    coverage: pa.Table
    predictions: pa.Table
    windows: int


def evaluate(results: Forecasts, every: int) -> Evaluation:
    """Score forecasts of windows with a stride of `every` minutes."""
    stamps, actual, by_name, ends, scale, learnt_from = results
    coverage = comparison.coverage(stamps, actual, by_name[scores.REFERENCE], ends)
    breakdown = comparison.breakdown(stamps, actual, by_name, scale)
    verdict = comparison.verdict(actual, by_name, runtime.NAME, every) | learnt_from
    verdict |= comparison.last_month(breakdown, runtime.NAME)
    bounds = intervals.named(*ends[runtime.NAME]) if runtime.NAME in ends else {}
    return Evaluation(
        metrics=scores.of_each(actual, by_name, scale)
        | {"verdict": verdict, "intervals": comparison.overall(coverage)},
        breakdown=breakdown,
        coverage=coverage,
        predictions=scores.predictions(stamps, actual, by_name | bounds),
        windows=len(actual),
    )
