"""A model that was never trained on the house, beside those of the last run.

    python -m bench.zero_shot

Fracast-0 has 85,001 weights, which its package contains, and was trained on many public series. It
reads the last 2,048 steps of the power and forecasts 48 steps, and further ones from its own
forecasts. Reads the test forecasts in reports/predictions.parquet and the series before each of
them. Needs lock/peers.txt.
"""

import time

import fracast
import numpy as np
import pandas as pd

from bench import measure
from household.core import arrow, files, params, paths
from household.core.schema import TARGET, Power
from household.evaluation import metrics

NAME = "Fracast-0, not trained on it"
BATCH = 64


def main() -> None:
    horizon = params.load().window.horizon
    predictions = files.read_table(paths.PREDICTIONS)
    frame = predictions.to_pandas()
    first_targets = arrow.to_numpy(predictions["timestamp"])[::horizon]
    begin = time.perf_counter()
    zero_shot = forecast(first_targets, horizon)
    seconds = time.perf_counter() - begin
    actual = frame["actual"].to_numpy()
    rows = [row(name, actual, frame) for name in files.read_json(paths.METRICS) if name in frame]
    rows.append(
        [
            NAME,
            *(f"{score(actual, zero_shot.ravel()):.4f}" for score in (metrics.rmse, metrics.mae)),
        ]
    )
    print(f"{len(first_targets):,} windows, forecast by {NAME} in {seconds:.0f} s\n")
    print(measure.table(["forecaster", "RMSE (kW)", "MAE (kW)"], rows))


def row(name: str, actual: Power, frame: pd.DataFrame) -> list[str]:
    """Return the errors of the mean and of the median that the pipeline forecast."""
    median = f"{name} median" if f"{name} median" in frame else name
    rmse = metrics.rmse(actual, frame[name].to_numpy())
    return [name, f"{rmse:.4f}", f"{metrics.mae(actual, frame[median].to_numpy()):.4f}"]


def forecast(first_targets: np.ndarray, horizon: int) -> Power:
    """Return the median that the model forecasts from each of these times: (windows, horizon)."""
    model = fracast.FracastModel.from_pretrained(weights="fp32")
    series = files.read_table(paths.SERIES / "power.parquet")
    power = arrow.to_numpy(series[TARGET])
    ends = np.searchsorted(arrow.to_numpy(series["timestamp"]), first_targets)
    padded = np.append(np.full(model.context_length, np.nan, np.float32), power)
    medians = []
    for batch in np.array_split(ends, -(-len(ends) // BATCH)):
        # The row `end` of the series is at the end of the context in the padded series.
        rows = batch[:, np.newaxis] + np.arange(model.context_length)
        quantiles = model.forecast_batch(padded[rows], horizon=horizon)
        medians.append(quantiles[..., model.quantiles.index(0.5)])
    return np.concatenate(medians).astype(np.float32)


if __name__ == "__main__":
    main()
