"""Build the network to train, and package a trained one. Imports TensorFlow."""

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
    """Hold a trained network and what is needed to use it.

    Attributes:
        model: The network as a Keras model.
        graph: The same network as ONNX.
        intervals: The prediction intervals; None if there were too few validation windows.
        record: The contents of forecaster.json, without the hashes of the other files.
    """

    model: Model
    graph: onnx.ModelProto
    intervals: Intervals | None
    record: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write the model to `folder`, for `household.forecast.trained.read`."""
        network.save(self.model, folder / trained.NETWORK)
        graph.write(folder / trained.GRAPH, self.graph)
        intervals.write(folder / trained.INTERVALS, self.intervals)
        names = (trained.NETWORK, trained.GRAPH, trained.INTERVALS)
        hashes = {name: files.sha256(folder / name) for name in names}
        files.write_json(folder / trained.RECORD, self.record | {"sha256": hashes})


def started(params: Params, data: Data, earlier: Trained | None = None) -> Model:
    """Return the network to train on `data`, with the weights of `earlier` for a warm start."""
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
    """Package a trained network with its ONNX graph, prediction intervals and record.

    Args:
        model: The trained network.
        params: The parameters.
        data: What it was trained on.
        features: The columns of the series.
        trained_on: What it saw of each meter.
        source: The record of the fetch stage.
        earlier: The model of a warm start.
    """
    shape = network.shape(model)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    onnx_model = graph.build(shape, data.scaling, params.train, weights)
    session = runtime.session(graph.encoded(onnx_model))
    bands = intervals.learn(data.train, data.validation, shape, partial(runtime.forecast, session))
    record = artifact.description(
        params,
        features,
        data.scaling,
        source,
        trained_on,
        intervals.LEVELS if bands else (),
        earlier.lineage if earlier else (),
    )
    return Fitted(model, onnx_model, bands, record)
