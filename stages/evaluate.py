"""Score the LSTM and the baselines on the test windows.

Reads models/lstm/model.onnx, data/series/, data/split/{train,validation,test}/,
data/source.json and the model in `evaluate.previous_model` if there is one. Writes
reports/metrics.json, reports/meters.csv, reports/breakdown.csv, reports/coverage.csv,
reports/quantiles.csv and reports/predictions.parquet.
"""

from functools import partial
from pathlib import Path

from household.core import files, meters, paths, stage
from household.core.params import Params
from household.dataset.inputs import InputReader
from household.evaluation import meter_scores
from household.report import verdict


def main(params: Params, root: Path = Path()) -> None:
    """Run the stage on the files under `root`."""
    test = meters.by_name(root / paths.TEST)
    reader, horizon = InputReader.of(params), params.window.horizon
    score_meter = partial(
        meter_scores.score_meter,
        root=root,
        settings=params.evaluate,
        reader=reader,
        levels=params.train.quantiles,
        pooled_stride=meter_scores.pooled_stride(list(test.values()), params.evaluate, reader),
    )
    scores, _ = meters.map_meters(score_meter, list(test), skip=False, desc="evaluate")
    rows = [score.row for score in scores.values()]
    scored = meter_scores.pool(scores)
    files.write_json(root / paths.METRICS, scored.metrics)
    files.write_csv(root / paths.METERS, meter_scores.to_table(rows))
    files.write_csv(root / paths.BREAKDOWN, scored.breakdown)
    files.write_csv(root / paths.COVERAGE, scored.coverage)
    files.write_csv(root / paths.QUANTILES, scored.quantiles)
    files.write_table(root / paths.PREDICTIONS, scored.predictions)
    about = {"simulated": files.read_json(root / paths.SOURCE)["simulated"], "step": params.step}
    for line in verdict.lines(
        scored.metrics, rows, windows=scored.windows, horizon=horizon, **about
    ):
        print(f"evaluate: {line}")


if __name__ == "__main__":
    stage.run("evaluate", main)
