"""Scores the LSTM, and persistence beside it, on the test windows.

Reads models/, data/windowed/series.parquet, data/split/{train,test}.parquet and
data/raw/source.json. Writes reports/metrics.json and reports/predictions.parquet.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household import baselines, files, network, scores, series, stage, windows
from household.params import Params
from household.scores import Power

SERIES = Path("data/windowed/series.parquet")
TRAIN = Path("data/split/train.parquet")
TEST = Path("data/split/test.parquet")
SOURCE = Path("data/raw/source.json")
MODEL = Path("models/lstm.keras")
SETTINGS = Path("models/lstm.json")
METRICS = Path("reports/metrics.json")
PREDICTIONS = Path("reports/predictions.parquet")


def main(_: Params) -> None:
    settings = files.read_json(SETTINGS)
    length = settings["length"]
    centre = np.array([settings["centre"][name] for name in settings["features"]])
    minutes = pq.read_table(SERIES)
    values = series.values(minutes)
    train, test = windows.read(TRAIN), windows.read(TEST)

    actual = windows.targets(values, test, length)
    forecasts = {
        "lstm": network.forecast(
            network.load(MODEL), values, test, length, centre, sys.stdout.isatty()
        ),
        "persistence": baselines.persistence(values, test, length),
    }
    scale = scores.mae(
        windows.targets(values, train, length), baselines.persistence(values, train, length)
    )
    record = {
        "simulated": files.read_json(SOURCE)["simulated"],
        "test_windows": len(test),
        **score(actual, forecasts, scale),
    }
    files.write_json(METRICS, record)
    timestamps = minutes["timestamp"].take(pa.array(test + (length - 1)))
    files.write_table(
        PREDICTIONS,
        pa.table([timestamps, actual, *forecasts.values()], schema=schema(list(forecasts))),
    )
    print(f"evaluate: {verdict(record)}")


def score(
    actual: Power, forecasts: Mapping[str, Power], scale: float
) -> dict[str, dict[str, float | None]]:
    """The scores of each forecast; `scale` is that of the MASE, in kW."""
    reference = scores.rmse(actual, forecasts["persistence"])
    return {
        name: {
            "rmse_kw": (rmse := scores.rmse(actual, forecast)),
            "mae_kw": scores.mae(actual, forecast),
            "mase": scores.mase(actual, forecast, scale),
            "r2": scores.r2(actual, forecast),
            "skill": scores.skill(rmse, reference),
        }
        for name, forecast in forecasts.items()
    }


def schema(forecasters: list[str]) -> pa.Schema:
    """The schema of the predictions: the target's minute, what it was, and each forecast of it."""
    kilowatts = [
        pa.field(name, pa.float32(), nullable=False, metadata={"unit": "kW"})
        for name in ("actual", *forecasters)
    ]
    return pa.schema([series.TIMESTAMP, *kilowatts])


def verdict(record: Mapping[str, Any]) -> str:
    lstm, persistence = record["lstm"], record["persistence"]
    against = (
        "persistence makes no error at all"
        if lstm["skill"] is None
        else f"the LSTM is {abs(lstm['skill']):.1%} {'better' if lstm['skill'] > 0 else 'worse'}"
    )
    return (
        f"RMSE {lstm['rmse_kw']:.4f} kW with the LSTM, {persistence['rmse_kw']:.4f} kW with "
        f'"the same as a minute ago": {against}, on {record["test_windows"]:,} windows'
        + (" of a simulated household" if record["simulated"] else "")
    )


if __name__ == "__main__":
    stage.run("evaluate", main)
