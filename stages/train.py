"""Trains the LSTM.

Reads data/windowed/series.parquet, data/split/, data/raw/source.json and, where there is a
train.warm_start, the model in that folder. Writes models/lstm/, the model with what is needed to
use it, and reports/train/history.csv. One that was stopped goes on from models/checkpoint.npz,
which each epoch leaves and the end removes.
"""

from functools import partial

from household.forecast import artifact, fitted, network, scaling, training, windows
from household.meter import series
from household.pipeline import arrays, files, paths, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    minutes = files.read_table(paths.SERIES)
    features = minutes.column_names[1:]
    earlier = artifact.warm_start(params, features)
    data = training.Data(
        earlier.scaling if earlier else scaling.read(paths.SCALING, features),
        series.values(minutes),
        windows.read(paths.TRAIN),
        windows.read(paths.VALIDATION),
    )
    model = fitted.started(params, data, earlier)
    print(
        f"train: {len(data.train):,} windows, {model.count_params():,} weights, "
        f"on {network.device()}"
    )
    if earlier:
        print(f"train: goes on with the weights in {earlier.folder}")
    report = partial(files.write_csv, paths.HISTORY)
    training.fit(
        model, data, params.train, params.seed, paths.CHECKPOINT, report, warm=bool(earlier)
    )
    source, stamps = files.read_json(paths.SOURCE), arrays.of(minutes["timestamp"])
    made = fitted.finished(model, params, data, features, stamps, source, earlier)
    made.write(paths.NETWORK.parent)
    paths.CHECKPOINT.unlink()


if __name__ == "__main__":
    stage.run("train", main)
