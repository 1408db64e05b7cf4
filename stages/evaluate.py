"""Scores the LSTM, and the baselines beside it, on the test windows.

Reads models/lstm/{network.onnx,intervals.npz}, data/windowed/series.parquet,
data/split/{train,validation,test}.parquet, data/raw/source.json and, where there is an
evaluate.against, the model in that folder. Writes reports/metrics.json, reports/breakdown.csv,
reports/coverage.csv and reports/predictions.parquet.
"""

from pathlib import Path

from household.forecast import baselines, evaluation, intervals, runtime, trained, windows
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
    earlier = params.evaluate.against
    found = evaluation.evaluate(
        session,
        intervals.read(paths.INTERVALS),
        given,
        minutes.column_names[1:],
        windows.read(paths.VALIDATION),
        windows.read(paths.TEST),
        params.evaluate.trees,
        trained.read(Path(earlier).expanduser(), trained.GRAPH) if earlier else None,
    )
    files.write_json(paths.METRICS, found.metrics)
    files.write_csv(paths.BREAKDOWN, found.breakdown)
    files.write_csv(paths.COVERAGE, found.coverage)
    files.write_table(paths.PREDICTIONS, found.predictions)
    simulated = files.read_json(paths.SOURCE)["simulated"]
    for line in verdict.lines(found.metrics, found.windows, given.shape.horizon, simulated):
        print(f"evaluate: {line}")
    if warning := verdict.drift(found.metrics["verdict"]):
        print(f"evaluate: warning: {warning}")


if __name__ == "__main__":
    stage.run("evaluate", main)
