"""Build the network to train, and package a trained one. Imports TensorFlow."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from household.core import files
from household.core.params import Params
from household.core.schema import LEVELS
from household.dataset import windows
from household.model import inference, intervals, keras_file, network, onnx_export, saved_model
from household.model.intervals import ConformalIntervals
from household.model.loop import TrainingData
from household.model.network import Model
from household.model.saved_model import SavedModel


class TrainedModel(NamedTuple):
    """Hold a trained network and what is needed to use it.

    Attributes:
        model: The network as a Keras model.
        graph: The same network as ONNX.
        intervals: The prediction intervals; None if there were too few validation windows.
        record: The contents of metadata.json, without the hashes of the other files.
    """

    model: Model
    graph: onnx.ModelProto
    intervals: ConformalIntervals | None
    record: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write the model to `folder`, for `household.model.saved_model.load`."""
        keras_file.save(self.model, folder / saved_model.NETWORK)
        onnx_export.write(folder / saved_model.GRAPH, self.graph)
        intervals.write(folder / saved_model.INTERVALS, self.intervals)
        names = (saved_model.NETWORK, saved_model.GRAPH, saved_model.INTERVALS)
        hashes = {name: files.sha256(folder / name) for name in names}
        files.write_json(folder / saved_model.METADATA, self.record | {"sha256": hashes})


def build_or_warm_start(
    params: Params, data: TrainingData, warm_start_model: SavedModel | None = None
) -> Model:
    """Return the network to train on `data`, with the weights of a warm start if there is one."""
    shape = windows.WindowShape(params.window.lookback, params.window.horizon)
    network.set_determinism(params.seed, shape, params.train)
    model = network.build_model(shape, data.scaling, params.train)
    if warm_start_model:
        model.set_weights(
            keras_file.load(warm_start_model.folder / saved_model.NETWORK).get_weights()
        )
    return model


def package(
    model: Model,
    params: Params,
    data: TrainingData,
    *,
    features: list[str],
    trained_on: Sequence[saved_model.TrainingExtent],
    source: Mapping[str, Any],
    warm_start_model: SavedModel | None = None,
) -> TrainedModel:
    """Package a trained network with its ONNX graph, prediction intervals and record.

    Args:
        model: The trained network.
        params: The parameters.
        data: What it was trained on.
        features: The columns of the series.
        trained_on: What it saw of each meter.
        source: The record of the fetch stage.
        warm_start_model: The model of a warm start.
    """
    shape = network.window_shape(model)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    onnx_model = onnx_export.to_onnx(shape, data.scaling, params.train, weights=weights)
    session = inference.create_session(onnx_export.serialize(onnx_model))
    bands = intervals.fit(
        data.train, data.validation, shape, forecast=partial(inference.predict, session)
    )
    record = saved_model.build_metadata(
        params,
        features,
        data.scaling,
        source=source,
        trained_on=trained_on,
        levels=LEVELS if bands else (),
        lineage=warm_start_model.lineage if warm_start_model else (),
    )
    return TrainedModel(model, onnx_model, bands, record)
