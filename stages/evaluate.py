"""Score the LSTM and the baselines on the test windows.

Reads models/lstm/{network.onnx,intervals.npz}, data/windowed/series.parquet,
data/split/{train,validation,test}.parquet, data/raw/source.json and the model in `evaluate.against`
if there is one. Writes reports/metrics.json, reports/meters.csv, reports/breakdown.csv,
reports/coverage.csv and reports/predictions.parquet.
"""

from household.forecast import by_meter, evaluation, runtime, windows
from household.meter import meters
from household.pipeline import files, paths, stage
from household.pipeline.params import Params
from household.report import verdict


def main(params: Params) -> None:
    """Run the stage."""
    series_paths, test = meters.held(paths.SERIES), meters.held(paths.TEST)
    train, validation = meters.held(paths.TRAIN), meters.held(paths.VALIDATION)
    several = meters.several(paths.TEST)
    horizon = runtime.shape(runtime.load(paths.GRAPH)).horizon
    total = sum(files.rows(path) for path in test.values())
    jobs = {
        meter: by_meter.Job(
            meter,
            series_paths[meter],
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
    scores, _ = meters.each(by_meter.score, jobs, skip=False, doing="evaluate")
    rows = [score.row for score in scores.values()]
    in_training = {meter: score for meter, score in scores.items() if meter in train}
    stride = max(score.every for score in in_training.values())
    scored = evaluation.evaluate(
        evaluation.together([score.forecasts for score in in_training.values()]), stride
    )
    metrics, predictions = scored.metrics, scored.predictions
    if several:
        metrics |= {"meters": by_meter.of_each_kind(rows)}
        predictions = by_meter.named(predictions, in_training, horizon)
    files.write_json(paths.METRICS, metrics)
    files.write_csv(paths.METERS, by_meter.table(rows))
    files.write_csv(paths.BREAKDOWN, scored.breakdown)
    files.write_csv(paths.COVERAGE, scored.coverage)
    files.write_table(paths.PREDICTIONS, predictions)
    simulated = files.read_json(paths.SOURCE)["simulated"]
    for line in verdict.lines(metrics, scored.windows, horizon, simulated):
        print(f"evaluate: {line}")
    if warning := verdict.drift(metrics["verdict"]):
        print(f"evaluate: warning: {warning}")
    if several:
        for line in verdict.of_meters(metrics["meters"], rows):
            print(f"evaluate: {line}")


if __name__ == "__main__":
    stage.run("evaluate", main)
