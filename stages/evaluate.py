"""Scores the LSTM, and the baselines beside it, on the test windows.

Reads models/lstm/, data/windowed/series.parquet, data/split/{train,test}.parquet and
data/raw/source.json. Writes reports/metrics.json, reports/breakdown.csv and
reports/predictions.parquet.
"""

import sys

import pyarrow.parquet as pq

from household.forecast import baselines, comparison, network, scores, trees, windows
from household.meter import series
from household.pipeline import files, paths, stage
from household.pipeline.params import Params
from household.report import verdict


def main(params: Params) -> None:
    model = network.load(paths.NETWORK)
    minutes = pq.read_table(paths.SERIES)
    given = baselines.Given(
        values=series.values(minutes),
        timestamps=minutes["timestamp"].to_numpy(),
        train=windows.read(paths.TRAIN),
        lookback=model.input_shape[1],
    )
    test = windows.read(paths.TEST)
    due = baselines.BASELINES | ({trees.NAME: trees.boosted} if params.evaluate.trees else {})

    actual = windows.targets(given.values, test, given.lookback)
    forecasts = {network.NAME: network.forecast(model, given.values, test, sys.stdout.isatty())} | {
        name: baseline(given, test) for name, baseline in due.items()
    }
    scale = scores.mae(
        windows.targets(given.values, given.train, given.lookback),
        baselines.persistence(given, given.train),
    )
    metrics = scores.of_each(actual, forecasts, scale)
    found = comparison.verdict(actual, forecasts, network.NAME)
    stamps = given.timestamps[windows.target_minutes(test, given.lookback)]
    files.write_json(paths.METRICS, metrics | {"verdict": found})
    files.write_csv(paths.BREAKDOWN, comparison.breakdown(stamps, actual, forecasts, scale))
    files.write_table(paths.PREDICTIONS, scores.predictions(stamps, actual, forecasts))
    simulated = files.read_json(paths.SOURCE)["simulated"]
    for line in verdict.lines(metrics, found, len(test), simulated):
        print(f"evaluate: {line}")


if __name__ == "__main__":
    stage.run("evaluate", main)
