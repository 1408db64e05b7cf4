"""Trains the LSTM.

Reads data/windowed/series.parquet, data/split/, data/raw/source.json and, where there is a
train.warm_start, the model in that folder. Writes models/lstm/, the model with what is needed to
use it, and reports/train/history.csv. One that was stopped goes on from models/checkpoint.npz,
which each epoch leaves and the end removes. Of several meters it makes one model.
"""

from contextlib import nullcontext, redirect_stdout
from functools import partial

import pyarrow.parquet as pq

from household.forecast import artifact, fitted, network, pieces, scaling, training, windows
from household.meter import meters, series
from household.pipeline import arrays, files, paths, ranks, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    strategy, rank = network.strategy(), ranks.read()
    shape = windows.Shape(params.window.lookback, params.window.horizon)
    minutes, learnt = meters.held(paths.SERIES), meters.held(paths.TRAIN)
    features = pq.read_schema(minutes[next(iter(learnt))]).names[1:]
    earlier = artifact.warm_start(params, features)
    data = training.Data(
        earlier.scaling if earlier else scaling.read(paths.SCALING, features),
        *pieces.read(
            paths.SERIES, [paths.TRAIN, paths.VALIDATION], shape, network.stretch(params.train)
        ),
    )
    model = fitted.started(params, data, earlier)
    print(
        f"train: {data.train.size:,} windows, {model.count_params():,} weights, "
        f"on {network.device()}"
        + (f", rank {rank.own} of {len(rank.addresses)}" if len(rank.addresses) > 1 else "")
    )
    difference = network.name_difference(shape, params.train)
    if difference and not rank.own:
        print(f"train: {difference}; another machine may give other bytes, scores within 1 %")
    if earlier:
        print(f"train: goes on with the weights in {earlier.folder}")
    report = partial(files.write_csv, paths.HISTORY)
    # What the ranks say is the same, but for the line above.
    with redirect_stdout(None) if rank.own else nullcontext():
        training.fit(
            model,
            data,
            params.train,
            params.seed,
            paths.CHECKPOINT,
            report,
            warm=bool(earlier),
            strategy=strategy,
        )
    if rank.own:
        return
    seen = []
    for meter, starts in learnt.items():
        table = files.read_table(minutes[meter])
        stamps = arrays.of(table["timestamp"])
        seen.append(artifact.seen(stamps, series.values(table), windows.read(starts), shape))
    source = files.read_json(paths.SOURCE)
    made = fitted.finished(model, params, data, features, seen, source, earlier)
    made.write(paths.NETWORK.parent)
    paths.CHECKPOINT.unlink()


if __name__ == "__main__":
    stage.run("train", main)
