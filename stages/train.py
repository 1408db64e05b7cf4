"""Train the LSTM, one model for all meters.

Reads data/series/, data/split/, data/source.json and, for a warm start, the model in
`train.warm_start`. Writes models/lstm/ and reports/train/history.csv. After each epoch it
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
    strategy, workers = tensorflow.distribution_strategy(), distributed.workers_from_env()
    shape = windows.WindowShape(params.window.lookback, params.window.horizon)
    series_paths, train_paths = meters.by_name(paths.SERIES), meters.by_name(paths.TRAIN)
    features = pq.read_schema(series_paths[next(iter(train_paths))]).names[1:]
    earlier = saved_model.warm_start(params, features)
    data = loop.TrainingData(
        earlier.scaling if earlier else scaling.read(paths.SCALING, features),
        *batches.load_datasets(
            paths.SERIES,
            [paths.TRAIN, paths.VALIDATION],
            shape,
            before=network.chunk_length(params.train),
        ),
    )
    model = trainer.build_or_warm_start(params, data, earlier)
    print(
        f"train: {data.train.size:,} windows, {model.count_params():,} weights, "
        f"on {tensorflow.device_name()}"
        + (
            f", worker {workers.index} of {len(workers.addresses)}"
            if len(workers.addresses) > 1
            else ""
        )
    )
    difference = network.name_difference(shape, params.train)
    if difference and not workers.index:
        print(f"train: {difference}; another machine may give other bytes, scores within 1 %")
    if earlier:
        print(f"train: warm start from {earlier.folder}")
    report = partial(files.write_csv, paths.HISTORY)
    # All workers print the same lines from here on.
    with redirect_stdout(None) if workers.index else nullcontext():
        loop.fit(
            model,
            data,
            params.train,
            seed=params.seed,
            checkpoint_path=paths.CHECKPOINT,
            on_epoch_end=report,
            warm_start=bool(earlier),
            strategy=strategy,
        )
    if workers.index:
        return
    extents = []
    for meter, starts in train_paths.items():
        table = files.read_table(series_paths[meter])
        stamps = arrow.to_numpy(table["timestamp"])
        extents.append(
            saved_model.training_extent(
                stamps, series.to_array(table), windows.read_starts(starts), shape=shape
            )
        )
    source = files.read_json(paths.SOURCE)
    trained = trainer.package(
        model,
        params,
        data,
        features=features,
        trained_on=extents,
        source=source,
        warm_start_model=earlier,
    )
    trained.write(paths.NETWORK.parent)
    paths.CHECKPOINT.unlink()


if __name__ == "__main__":
    stage.run("train", main, distributed.is_first)
