"""Trains the LSTM.

Reads data/windowed/series.parquet and data/split/. Writes models/lstm.keras, models/lstm.json
with what else is needed to use it, and reports/train/history.csv.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household import files, network, series, stage, windows
from household.failure import Failure
from household.params import Params

SERIES = Path("data/windowed/series.parquet")
TRAIN = Path("data/split/train.parquet")
VALIDATION = Path("data/split/validation.parquet")
CENTRE = Path("data/split/centre.json")
MODEL = Path("models/lstm.keras")
SETTINGS = Path("models/lstm.json")
HISTORY = Path("reports/train/history.csv")


def main(params: Params) -> None:
    minutes = pq.read_table(SERIES)
    features = minutes.column_names[1:]
    centre = files.read_json(CENTRE)
    values = network.centred(series.values(minutes), np.array([centre[name] for name in features]))

    network.make_repeatable(params.seed)
    model = network.build(params.window.length, len(features), params.train)
    train, validation = windows.read(TRAIN), windows.read(VALIDATION)
    print(f"train: {len(train):,} windows, {model.count_params():,} weights, on {network.device()}")
    history = fit(model, values, train, validation, params)

    losses = np.array([epoch_loss for part in history.values() for epoch_loss in part])
    if not np.all(np.isfinite(losses)):
        raise Failure(
            "the loss is no longer a number: the training went astray; lower train.learning_rate"
        )
    with files.whole(MODEL) as aside:
        model.save(aside)
    files.write_json(
        SETTINGS,
        {
            "length": params.window.length,
            "gaps": params.window.gaps,
            "features": features,
            "units": {
                column.name: column.unit for column in series.COLUMNS if column.name in centre
            },
            "centre": centre,
        },
    )
    files.write_csv(HISTORY, table(history))
    print(
        "train: " + ", ".join(f"{part} loss {losses[-1]:.4f}" for part, losses in history.items())
    )


def fit(
    model: network.Model,
    values: series.Values,
    train: windows.Starts,
    validation: windows.Starts,
    params: Params,
) -> dict[str, list[float]]:
    """Trains `model` in place on the centred series; returns the loss of each epoch by part."""
    length, settings = params.window.length, params.train
    history = model.fit(
        network.shuffled_batches(
            values, train, length, settings.batch_size, settings.epochs, params.seed
        ),
        steps_per_epoch=-(-len(train) // settings.batch_size),
        epochs=settings.epochs,
        validation_data=(
            network.batches(values, validation, length, network.FORECAST_BATCH)
            if len(validation)
            else None
        ),
        # They come shuffled; Keras would say that it can't.
        shuffle=False,
        # A bar where somebody looks on, a line an epoch where a file does.
        verbose=1 if sys.stdout.isatty() else 2,
    ).history
    parts = {"train": "loss", "validation": "val_loss"}
    return {part: history[key] for part, key in parts.items() if key in history}


def table(history: dict[str, list[float]]) -> pa.Table:
    """The losses as rows (epoch, part, loss), the form that a plot of several lines takes."""
    return pa.table(
        {
            "epoch": [epoch for losses in history.values() for epoch in range(1, len(losses) + 1)],
            "part": [part for part, losses in history.items() for _ in losses],
            "loss": [loss for losses in history.values() for loss in losses],
        }
    )


if __name__ == "__main__":
    stage.run("train", main)
