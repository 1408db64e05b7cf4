"""Scores the LSTM, and the baselines beside it, on the test windows.

Reads models/lstm/{network.onnx,intervals.npz}, data/windowed/series.parquet,
data/split/{train,validation,test}.parquet, data/raw/source.json and, where there is an
evaluate.against, the model in that folder. Writes reports/metrics.json, reports/meters.csv,
reports/breakdown.csv, reports/coverage.csv and reports/predictions.parquet.
"""

from household.forecast import by_meter, evaluation, runtime, windows
from household.meter import meters
from household.pipeline import files, paths, stage
from household.pipeline.params import Params
from household.report import verdict


def main(params: Params) -> None:
    minutes, test = meters.held(paths.SERIES), meters.held(paths.TEST)
    train, validation = meters.held(paths.TRAIN), meters.held(paths.VALIDATION)
    several = meters.several(paths.TEST)
    horizon = runtime.shape(runtime.load(paths.GRAPH)).horizon
    total = sum(files.rows(path) for path in test.values())
    jobs = {
        meter: by_meter.Job(
            meter,
            minutes[meter],
            train.get(meter),
            validation.get(meter),
            path,
            paths.GRAPH,
            paths.INTERVALS,
            params.evaluate.trees,
            params.evaluate.against,
            windows.apart(total, horizon, several=several),
        )
        for meter, path in test.items()
    }
    scored, _ = meters.each(by_meter.score, jobs, skip=False, doing="evaluate")
    rows = [each.row for each in scored.values()]
    seen = {meter: each for meter, each in scored.items() if meter in train}
    every = max(each.every for each in seen.values())
    found = evaluation.evaluate(
        evaluation.together([each.forecasts for each in seen.values()]), every
    )
    metrics, predictions = found.metrics, found.predictions
    if several:
        metrics |= {"meters": by_meter.of_each_kind(rows)}
        predictions = by_meter.named(predictions, seen, horizon)
    files.write_json(paths.METRICS, metrics)
    files.write_csv(paths.METERS, by_meter.table(rows))
    files.write_csv(paths.BREAKDOWN, found.breakdown)
    files.write_csv(paths.COVERAGE, found.coverage)
    files.write_table(paths.PREDICTIONS, predictions)
    simulated = files.read_json(paths.SOURCE)["simulated"]
    for line in verdict.lines(metrics, found.windows, horizon, simulated):
        print(f"evaluate: {line}")
    if warning := verdict.drift(metrics["verdict"]):
        print(f"evaluate: warning: {warning}")
    if several:
        for line in verdict.of_meters(metrics["meters"], rows):
            print(f"evaluate: {line}")


if __name__ == "__main__":
    stage.run("evaluate", main)
