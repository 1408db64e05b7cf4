"""Score the LSTM and the baselines on the test windows.

Reads models/lstm/{network.onnx,intervals.npz}, data/windowed/series.parquet,
data/split/{train,validation,test}.parquet, data/raw/source.json and the model in `evaluate.against`
if there is one. Writes reports/metrics.json, reports/meters.csv, reports/breakdown.csv,
reports/coverage.csv and reports/predictions.parquet.
"""

from household.core import files, meters, paths, stage
from household.core.params import Params
from household.dataset import windows
from household.evaluation import evaluate, meter_scores, predictions
from household.model import inference
from household.report import verdict


def main(params: Params) -> None:
    """Run the stage."""
    series_paths, test = meters.held(paths.SERIES), meters.held(paths.TEST)
    train, validation = meters.held(paths.TRAIN), meters.held(paths.VALIDATION)
    several = meters.several(paths.TEST)
    horizon = inference.shape(inference.load(paths.GRAPH)).horizon
    total = sum(files.rows(path) for path in test.values())
    jobs = {
        meter: meter_scores.Job(
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
    scores, _ = meters.each(meter_scores.score, jobs, skip=False, doing="evaluate")
    rows = [score.row for score in scores.values()]
    in_training = {meter: score for meter, score in scores.items() if meter in train}
    stride = max(score.every for score in in_training.values())
    scored = evaluate.evaluate(
        predictions.together([score.forecasts for score in in_training.values()]), stride
    )
    metrics, table = scored.metrics, scored.predictions
    if several:
        metrics |= {"meters": meter_scores.of_each_kind(rows)}
        table = meter_scores.named(table, in_training, horizon)
    files.write_json(paths.METRICS, metrics)
    files.write_csv(paths.METERS, meter_scores.table(rows))
    files.write_csv(paths.BREAKDOWN, scored.breakdown)
    files.write_csv(paths.COVERAGE, scored.coverage)
    files.write_table(paths.PREDICTIONS, table)
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
