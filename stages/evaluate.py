"""Scores the LSTM, and the baselines beside it, on the test windows.

Reads models/lstm/{network.onnx,intervals.npz}, data/windowed/series.parquet,
data/split/{train,validation,test}.parquet, data/raw/source.json and, where there is an
evaluate.against, the model in that folder. Writes reports/metrics.json, reports/breakdown.csv,
reports/coverage.csv and reports/predictions.parquet.
"""

from functools import partial
from pathlib import Path

from household.forecast import (
    baselines,
    comparison,
    intervals,
    runtime,
    scores,
    trained,
    trees,
    windows,
)
from household.meter import series
from household.pipeline import arrays, files, paths, stage
from household.pipeline.params import Params
from household.report import verdict


def main(params: Params) -> None:
    session = runtime.load(paths.GRAPH)
    minutes = files.read_table(paths.SERIES)
    given = baselines.Given(
        values=series.values(minutes),
        timestamps=arrays.of(minutes["timestamp"]),
        train=windows.read(paths.TRAIN),
        shape=runtime.shape(session),
    )
    test = windows.read(paths.TEST)
    every = windows.apart(len(test), given.shape.horizon)
    test = test[::every]
    due = baselines.BASELINES | ({trees.NAME: trees.boosted} if params.evaluate.trees else {})

    actual = windows.targets(given.values, test, given.shape)
    forecasts = {runtime.NAME: runtime.forecast(session, given.values, test)} | {
        name: baseline(given, test) for name, baseline in due.items()
    }
    earlier = params.evaluate.against
    against = trained.read(Path(earlier).expanduser(), trained.GRAPH) if earlier else None
    if against:
        features = minutes.column_names[1:]
        theirs = against.forecast(features, given.values, test, given.shape)
        forecasts[scores.EARLIER] = theirs
    scale = baselines.scale(given)
    metrics = scores.of_each(actual, forecasts, scale)
    found = comparison.verdict(actual, forecasts, runtime.NAME, every)
    stamps = given.timestamps[windows.target_minutes(test, given.shape)]
    if against:
        found["earlier_learnt_from"] = against.learnt_from(stamps)
    learnt = {
        runtime.NAME: intervals.read(paths.INTERVALS),
        scores.REFERENCE: intervals.learn(
            given.values,
            given.train,
            windows.read(paths.VALIDATION),
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
    scored = comparison.breakdown(stamps, actual, forecasts, scale)
    found |= comparison.last_month(scored, runtime.NAME)
    record = metrics | {"verdict": found, "intervals": comparison.overall(covered)}
    files.write_json(paths.METRICS, record)
    files.write_csv(paths.BREAKDOWN, scored)
    files.write_csv(paths.COVERAGE, covered)
    bounds = intervals.named(*ends[runtime.NAME]) if runtime.NAME in ends else {}
    files.write_table(paths.PREDICTIONS, scores.predictions(stamps, actual, forecasts | bounds))
    simulated = files.read_json(paths.SOURCE)["simulated"]
    for line in verdict.lines(metrics, found, len(test), given.shape.horizon, simulated):
        print(f"evaluate: {line}")
    if warning := verdict.drift(found):
        print(f"evaluate: warning: {warning}")


if __name__ == "__main__":
    stage.run("evaluate", main)
