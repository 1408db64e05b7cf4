"""A trained network with all that its folder holds. Imports TensorFlow."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from household.forecast import artifact, graph, intervals, network, runtime, trained, windows
from household.forecast.intervals import Intervals
from household.forecast.network import Model
from household.forecast.trained import Trained
from household.forecast.training import Data
from household.pipeline import files
from household.pipeline.params import Params


class Fitted(NamedTuple):
    model: Model
    graph: onnx.ModelProto  # the same network
    intervals: Intervals | None
    record: dict[str, Any]  # what forecaster.json says, but for the hashes of the other files

    def write(self, folder: Path) -> None:
        """Writes the folder, which `household.forecast.trained.read` takes."""
        network.save(self.model, folder / trained.NETWORK)
        graph.write(folder / trained.GRAPH, self.graph)
        intervals.write(folder / trained.INTERVALS, self.intervals)
        made = (trained.NETWORK, trained.GRAPH, trained.INTERVALS)
        hashes = {name: files.sha256(folder / name) for name in made}
        files.write_json(folder / trained.RECORD, self.record | {"sha256": hashes})


def started(params: Params, data: Data, earlier: Trained | None = None) -> Model:
    """The network to be trained on `data`, with the weights of `earlier` where it goes on."""
    shape = windows.Shape(params.window.lookback, params.window.horizon)
    network.make_repeatable(params.seed, shape, params.train)
    model = network.build(shape, data.scaling, params.train)
    if earlier:
        model.set_weights(network.load(earlier.folder / trained.NETWORK).get_weights())
    return model


def finished(
    model: Model,
    params: Params,
    data: Data,
    features: list[str],
    trained_on: Sequence[artifact.Seen],
    source: Mapping[str, Any],
    earlier: Trained | None = None,
) -> Fitted:
    """What belongs to `model`, trained on `data` of the columns `features`.

    `trained_on` is what it saw of each meter, `source` the record of where the data is from.
    """
    shape = network.shape(model)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    made = graph.build(shape, data.scaling, params.train, weights)
    session = runtime.session(graph.encoded(made))
    found = intervals.learn(data.train, data.validation, shape, partial(runtime.forecast, session))
    record = artifact.description(
        params,
        features,
        data.scaling,
        source,
        trained_on,
        intervals.LEVELS if found else (),
        earlier.lineage if earlier else (),
    )
    return Fitted(model, made, found, record)
