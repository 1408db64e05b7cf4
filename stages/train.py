"""Trains the LSTM.

Reads data/windowed/series.parquet, data/split/, data/raw/source.json and, where there is a
train.warm_start, the model in that folder. Writes models/lstm/, the model with what is needed to
use it, and reports/train/history.csv. One that was stopped goes on from models/checkpoint.npz,
which each epoch leaves and the end removes.
"""

from functools import partial

from household.forecast import (
    artifact,
    graph,
    intervals,
    network,
    runtime,
    scaling,
    trained,
    training,
    windows,
)
from household.meter import series
from household.pipeline import arrays, files, paths, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    minutes = files.read_table(paths.SERIES)
    features = minutes.column_names[1:]
    earlier = artifact.warm_start(params, features)
    scaled = earlier.scaling if earlier else scaling.read(paths.SCALING, features)
    data = training.Data(
        scaled, series.values(minutes), windows.read(paths.TRAIN), windows.read(paths.VALIDATION)
    )

    network.make_repeatable(params.seed)
    shape = windows.Shape(params.window.lookback, params.window.horizon)
    model = network.build(shape, scaled, params.train)
    if earlier:
        print(f"train: goes on with the weights in {earlier.folder}")
        model.set_weights(network.load(earlier.folder / trained.NETWORK).get_weights())
    print(
        f"train: {len(data.train):,} windows, {model.count_params():,} weights, "
        f"on {network.device()}"
    )
    report = partial(files.write_csv, paths.HISTORY)
    training.fit(
        model, data, params.train, params.seed, paths.CHECKPOINT, report, warm=bool(earlier)
    )
    network.save(model, paths.NETWORK)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    graph.write(paths.GRAPH, graph.build(shape, scaled, params.train, weights))
    session = runtime.load(paths.GRAPH)
    found = intervals.learn(
        data.values,
        data.train,
        data.validation,
        shape,
        lambda starts: runtime.forecast(session, data.values, starts),
    )
    intervals.write(paths.INTERVALS, found)
    described = artifact.description(
        params,
        features,
        scaled,
        files.read_json(paths.SOURCE),
        arrays.of(minutes["timestamp"]),
        data.values,
        data.train,
        intervals.LEVELS if found else (),
        earlier.lineage if earlier else (),
    )
    made = (paths.NETWORK, paths.GRAPH, paths.INTERVALS)
    hashes = {path.name: files.sha256(path) for path in made}
    files.write_json(paths.FORECASTER, described | {"sha256": hashes})
    paths.CHECKPOINT.unlink()


if __name__ == "__main__":
    stage.run("train", main)
