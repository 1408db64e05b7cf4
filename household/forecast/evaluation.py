"""The scores of a model, and of the baselines beside it, on the test windows."""

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
    """What each forecaster says of the test windows, and what came of them."""

    stamps: npt.NDArray[np.datetime64]  # (windows, horizon)
    actual: Power  # (windows, horizon), in kW
    forecasts: dict[str, Power]  # by forecaster
    ends: dict[str, tuple[Float, Float]]  # of the intervals, (levels, windows, horizon) each
    scale: float  # what a MASE is divided by, in kW; NaN where nothing was trained on
    learnt_from: dict[str, int]  # target minutes that an earlier model was trained on

    def every(self, number: int) -> "Forecasts":
        """Those of the first window, and of every so many after it."""
        return self._replace(
            stamps=self.stamps[::number],
            actual=self.actual[::number],
            forecasts={name: each[::number] for name, each in self.forecasts.items()},
            ends={
                name: (low[:, ::number], high[:, ::number])
                for name, (low, high) in self.ends.items()
            },
        )


def together(several: Sequence[Forecasts]) -> Forecasts:
    """The windows of all, one after the other, with the forecasters that each of them has."""
    first, *others = several
    if not others:
        return first

    def shared(field: str) -> list[str]:
        of_first: Mapping[str, Any] = getattr(first, field)
        return [name for name in of_first if all(name in getattr(each, field) for each in others)]

    sizes = [len(each.actual) for each in several]
    return Forecasts(
        np.concatenate([each.stamps for each in several]),
        np.concatenate([each.actual for each in several]),
        {
            name: np.concatenate([each.forecasts[name] for each in several])
            for name in shared("forecasts")
        },
        {
            name: (
                np.concatenate([each.ends[name][0] for each in several], axis=1),
                np.concatenate([each.ends[name][1] for each in several], axis=1),
            )
            for name in shared("ends")
        },
        float(np.average([each.scale for each in several], weights=sizes)),
        {name: sum(each.learnt_from[name] for each in several) for name in shared("learnt_from")},
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
    """The network of `session` with its intervals `own`, on the windows of a meter at `test`.

    `given` is what baselines learn from, its columns are `features`; where it has no training
    windows, there are those alone that learn nothing. LightGBM is one of them `with_trees`.
    `against` is an earlier model to be scored beside the new one. Raises Failure where the windows
    lack what that reads.
    """
    due = baselines.BASELINES | ({trees.NAME: trees.boosted} if with_trees else {})
    if not len(given.train):
        due = baselines.UNTAUGHT
    found = {runtime.NAME: runtime.forecast(session, given.values, test)} | {
        name: baseline(given, test) for name, baseline in due.items()
    }
    stamps = given.timestamps[windows.target_minutes(test, given.shape)]
    learnt_from = {}
    if against:
        found[scores.EARLIER] = against.forecast(features, given.values, test, given.shape)
        learnt_from["earlier_learnt_from"] = against.learnt_from(stamps)
    learnt = {runtime.NAME: own}
    if len(given.train):
        learnt[scores.REFERENCE] = intervals.learn(
            pieces.held(given.values, given.train),
            pieces.held(given.values, validation),
            given.shape,
            lambda values, starts: baselines.persistence(given._replace(values=values), starts),
        )
    return Forecasts(
        stamps,
        windows.targets(given.values, test, given.shape),
        found,
        {
            name: held.around(given.values, test, given.shape.lookback, found[name])
            for name, held in learnt.items()
            if held
        },
        baselines.scale(given) if len(given.train) else float("nan"),
        learnt_from,
    )


class Evaluation(NamedTuple):
    metrics: dict[str, dict[str, Any]]  # of each forecaster, the verdict, and the intervals
    breakdown: pa.Table  # see comparison.breakdown
    coverage: pa.Table  # see comparison.coverage
    predictions: pa.Table  # see scores.predictions
    windows: int


def evaluate(of: Forecasts, every: int) -> Evaluation:
    """The scores of forecasts whose windows begin `every` minutes apart."""
    stamps, actual, found, ends, scale, learnt_from = of
    covered = comparison.coverage(stamps, actual, found[scores.REFERENCE], ends)
    breakdown = comparison.breakdown(stamps, actual, found, scale)
    verdict = comparison.verdict(actual, found, runtime.NAME, every) | learnt_from
    verdict |= comparison.last_month(breakdown, runtime.NAME)
    bounds = intervals.named(*ends[runtime.NAME]) if runtime.NAME in ends else {}
    return Evaluation(
        metrics=scores.of_each(actual, found, scale)
        | {"verdict": verdict, "intervals": comparison.overall(covered)},
        breakdown=breakdown,
        coverage=covered,
        predictions=scores.predictions(stamps, actual, found | bounds),
        windows=len(actual),
    )
