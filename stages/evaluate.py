"""Scores the LSTM, and the baselines beside it, on the test windows.

Reads models/lstm/, data/windowed/series.parquet, data/split/{train,test}.parquet and
data/raw/source.json. Writes reports/metrics.json and reports/predictions.parquet.
"""

import sys

import pyarrow as pa
import pyarrow.parquet as pq

from household.forecast import baselines, network, scores, windows
from household.meter import series
from household.pipeline import files, paths, stage
from household.pipeline.params import Params
from household.report import verdict


def main(_: Params) -> None:
    model = network.load(paths.NETWORK)
    lookback = model.input_shape[1]
    minutes = pq.read_table(paths.SERIES)
    values = series.values(minutes)
    train, test = windows.read(paths.TRAIN), windows.read(paths.TEST)

    actual = windows.targets(values, test, lookback)
    forecasts = {network.NAME: network.forecast(model, values, test, sys.stdout.isatty())} | {
        name: forecaster(values, test, lookback) for name, forecaster in baselines.BASELINES.items()
    }
    naive_error_in_training = scores.mae(
        windows.targets(values, train, lookback), baselines.persistence(values, train, lookback)
    )
    metrics = scores.of_each(actual, forecasts, naive_error_in_training)
    files.write_json(paths.METRICS, metrics)
    stamps = minutes["timestamp"].take(pa.array(windows.target_minutes(test, lookback)))
    files.write_table(paths.PREDICTIONS, predictions(stamps, actual, forecasts))
    simulated = files.read_json(paths.SOURCE)["simulated"]
    lstm, persistence = metrics[network.NAME], metrics[scores.REFERENCE]
    print(f"evaluate: {verdict.line(lstm, persistence, len(test), simulated)}")


def predictions(
    stamps: pa.ChunkedArray, actual: scores.Power, forecasts: dict[str, scores.Power]
) -> pa.Table:
    """A row for each target minute: its time, its power and each forecast of it, in kW."""
    power = {"actual": actual, **forecasts}
    fields = [
        pa.field(name, pa.float32(), nullable=False, metadata={"unit": "kW"}) for name in power
    ]
    return pa.table([stamps, *power.values()], schema=pa.schema([series.TIMESTAMP, *fields]))


if __name__ == "__main__":
    stage.run("evaluate", main)
