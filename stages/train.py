"""Train the LSTM, one model for all meters.

Reads data/windowed/series.parquet, data/split/, data/raw/source.json and, for a warm start, the
model in `train.warm_start`. Writes models/lstm/ and reports/train/history.csv. After each epoch it
saves models/checkpoint.npz, from which an interrupted training resumes.
"""

from contextlib import nullcontext, redirect_stdout
from functools import partial

import pyarrow.parquet as pq

from household.core import arrow, files, meters, paths, stage
from household.core.params import Params
from household.dataset import batches, scaling, series, windows
from household.model import distributed, loop, network, saved_model, tensorflow, trainer


def main(params: Params) -> None:
    """Run the stage."""
    strategy, workers = tensorflow.strategy(), distributed.read()
    shape = windows.Shape(params.window.lookback, params.window.horizon)
    series_paths, train_paths = meters.held(paths.SERIES), meters.held(paths.TRAIN)
    features = pq.read_schema(series_paths[next(iter(train_paths))]).names[1:]
    earlier = saved_model.warm_start(params, features)
    data = loop.Data(
        earlier.scaling if earlier else scaling.read(paths.SCALING, features),
        *batches.read(
            paths.SERIES, [paths.TRAIN, paths.VALIDATION], shape, network.stretch(params.train)
        ),
    )
    model = trainer.started(params, data, earlier)
    print(
        f"train: {data.train.size:,} windows, {model.count_params():,} weights, "
        f"on {tensorflow.device()}"
        + (
            f", worker {workers.own} of {len(workers.addresses)}"
            if len(workers.addresses) > 1
            else ""
        )
    )
    difference = network.name_difference(shape, params.train)
    if difference and not workers.own:
        print(f"train: {difference}; another machine may give other bytes, scores within 1 %")
    if earlier:
        print(f"train: warm start from {earlier.folder}")
    report = partial(files.write_csv, paths.HISTORY)
    # All workers print the same lines from here on.
    with redirect_stdout(None) if workers.own else nullcontext():
        loop.fit(
            model,
            data,
            params.train,
            params.seed,
            paths.CHECKPOINT,
            report,
            warm=bool(earlier),
            strategy=strategy,
        )
    if workers.own:
        return
    extents = []
    for meter, starts in train_paths.items():
        table = files.read_table(series_paths[meter])
        stamps = arrow.of(table["timestamp"])
        extents.append(saved_model.seen(stamps, series.values(table), windows.read(starts), shape))
    source = files.read_json(paths.SOURCE)
    trained = trainer.finished(model, params, data, features, extents, source, earlier)
    trained.write(paths.NETWORK.parent)
    paths.CHECKPOINT.unlink()


if __name__ == "__main__":
    stage.run("train", main, distributed.is_first)
