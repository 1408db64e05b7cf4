"""Trains the LSTM.

Reads data/windowed/series.parquet, data/split/ and data/raw/source.json. Writes models/lstm/,
the model with what is needed to use it, and reports/train/history.csv.
"""

import pyarrow.parquet as pq

from household.forecast import artifact, network, scaling, windows
from household.meter import series
from household.pipeline import files, paths, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    minutes = pq.read_table(paths.SERIES)
    features = minutes.column_names[1:]
    scaled = scaling.read(paths.SCALING, features)
    train, validation = windows.read(paths.TRAIN), windows.read(paths.VALIDATION)

    network.make_repeatable(params.seed)
    model = network.build(params.window.lookback, scaled, params.train)
    print(f"train: {len(train):,} windows, {model.count_params():,} weights, on {network.device()}")
    losses = network.fit(
        model, scaled, series.values(minutes), train, validation, params.train, params.seed
    )
    network.save(model, paths.NETWORK)
    files.write_json(
        paths.FORECASTER,
        artifact.description(
            params,
            features,
            files.read_json(paths.SOURCE),
            minutes["timestamp"].to_numpy(),
            train,
        ),
    )
    files.write_csv(paths.HISTORY, losses)
    last = {row["part"]: row["loss"] for row in losses.to_pylist()}
    print(f"train: {', '.join(f'{part} loss {loss:.4f}' for part, loss in last.items())}")


if __name__ == "__main__":
    stage.run("train", main)
