"""The scores of a model, and of the baselines beside it, on the test windows."""

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from household.forecast import baselines, comparison, intervals, runtime, scores, trees, windows
from household.forecast.baselines import Given
from household.forecast.intervals import Intervals
from household.forecast.trained import Trained
from household.forecast.windows import Starts

if TYPE_CHECKING:  # it is for household.forecast.runtime to import it
    import onnxruntime


class Evaluation(NamedTuple):
    metrics: dict[str, dict[str, Any]]  # of each forecaster, the verdict, and the intervals
    breakdown: pa.Table  # see comparison.breakdown
    coverage: pa.Table  # see comparison.coverage
    predictions: pa.Table  # see scores.predictions
    windows: int


def evaluate(
    session: "onnxruntime.InferenceSession",
    own: Intervals | None,
    given: Given,
    features: list[str],
    validation: Starts,
    test: Starts,
    with_trees: bool = False,
    against: Trained | None = None,
) -> Evaluation:
    """The network of `session` with its intervals `own`, on the windows at `test`.

    `given` is what baselines learn from, its columns are `features`. LightGBM is one of them
    `with_trees`. `against` is an earlier model to be scored beside the new one. Raises Failure
    where the windows lack what that reads.
    """
    every = windows.apart(len(test), given.shape.horizon)
    test = test[::every]
    due = baselines.BASELINES | ({trees.NAME: trees.boosted} if with_trees else {})

    actual = windows.targets(given.values, test, given.shape)
    forecasts = {runtime.NAME: runtime.forecast(session, given.values, test)} | {
        name: baseline(given, test) for name, baseline in due.items()
    }
    stamps = given.timestamps[windows.target_minutes(test, given.shape)]
    learnt_from = {}
    if against:
        theirs = against.forecast(features, given.values, test, given.shape)
        forecasts[scores.EARLIER] = theirs
        learnt_from["earlier_learnt_from"] = against.learnt_from(stamps)
    scale = baselines.scale(given)
    learnt = {
        runtime.NAME: own,
        scores.REFERENCE: intervals.learn(
            given.values,
            given.train,
            validation,
            given.shape,
            partial(baselines.persistence, given),
        ),
    }
    ends = {
        name: held.around(given.values, test, given.shape.lookback, forecasts[name])
        for name, held in learnt.items()
        if held
    }
    covered = comparison.coverage(stamps, actual, forecasts[scores.REFERENCE], ends)
    breakdown = comparison.breakdown(stamps, actual, forecasts, scale)
    found = comparison.verdict(actual, forecasts, runtime.NAME, every) | learnt_from
    found |= comparison.last_month(breakdown, runtime.NAME)
    bounds = intervals.named(*ends[runtime.NAME]) if runtime.NAME in ends else {}
    return Evaluation(
        metrics=scores.of_each(actual, forecasts, scale)
        | {"verdict": found, "intervals": comparison.overall(covered)},
        breakdown=breakdown,
        coverage=covered,
        predictions=scores.predictions(stamps, actual, forecasts | bounds),
        windows=len(test),
    )
