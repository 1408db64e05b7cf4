"""Build the network to train, and save a trained one. Imports TensorFlow."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from household.core import arrow, files, meters, paths
from household.core.params import Params
from household.core.schema import Power
from household.core.step import Step
from household.dataset import batches, scaling, series, windows
from household.dataset.inputs import InputReader, Inputs
from household.dataset.windows import Starts, WindowShape
from household.model import (
    anchor,
    calibration,
    distributed,
    inference,
    keras_file,
    metadata,
    network,
    onnx_export,
    portability,
    saved_model,
    tensorflow,
)
from household.model.calibration import Calibration
from household.model.forecast import Forecast
from household.model.loop import TrainingData
from household.model.metadata import TrainingExtent
from household.model.network import Model
from household.model.saved_model import SavedModel


class Training(NamedTuple):
    """Hold what the train stage works on.

    Attributes:
        features: The columns of the series.
        data: What the network learns from.
        model: The network.
        earlier: The model of a warm start.
    """

    features: list[str]
    data: TrainingData
    model: Model
    earlier: SavedModel | None


def prepare(params: Params, root: Path, warm_start: Path | None = None) -> Training:
    """Return the data of the split stage, and the network to train on it.

    Args:
        params: The parameters.
        root: The folder of the pipeline.
        warm_start: The model to start from, by default that of `train.warm_start`.

    Raises:
        UserError: The model of a warm start does not fit.
    """
    features, data = load_data(params, root)
    earlier = saved_model.warm_start(params, features, root, folder=warm_start)
    if earlier:
        data = data._replace(scaling=earlier.scaling)
    return Training(features, data, build_or_warm_start(params, data, earlier), earlier)


def load_data(params: Params, root: Path = Path()) -> tuple[list[str], TrainingData]:
    """Return the features and what a training learns from, as the split stage wrote it."""
    first = next(iter(meters.by_name(root / paths.SERIES).values()))
    features = pq.read_schema(first).names[1:]
    reader = InputReader.of(params)
    splits = batches.load_datasets(
        root / paths.SERIES,
        [root / paths.TRAIN, root / paths.VALIDATION],
        reader,
        before=network.chunk_length(params.train),
    )
    scaler = scaling.read(root / paths.SCALING, features)
    if reader.columns.is_anchored:
        scaler = scaler._replace(shares=anchor.fit_shares(splits[0], reader.shape))
    return features, TrainingData(scaler, reader.columns, *splits)


def build_or_warm_start(
    params: Params, data: TrainingData, warm_start_model: SavedModel | None = None
) -> Model:
    """Return the network to train on `data`, with the weights of a warm start if there is one."""
    shape = windows.WindowShape.of(params.window)
    portability.set_determinism(params.seed, shape, params.train)
    model = network.build_model(shape, data.scaling, data.columns, params.train)
    if warm_start_model:
        model.set_weights(
            keras_file.load(warm_start_model.folder / saved_model.NETWORK).get_weights()
        )
    return model


def describe(training: Training, params: Params) -> Iterator[str]:
    """Yield what is trained, where, and from which weights, a line each."""
    workers = distributed.workers_from_env()
    count = len(workers.addresses)
    yield (
        f"{training.data.train.size:,} windows, {training.model.count_params():,} weights, "
        f"on {tensorflow.device_name()}"
        + (f", worker {workers.index} of {count}" if count > 1 else "")
    )
    difference = portability.name_difference(network.window_shape(training.model), params.train)
    if difference and not workers.index:
        yield f"{difference}; another machine may give other bytes, scores within 1 %"
    if params.train.warm_start and training.earlier:
        yield f"warm start from {training.earlier.folder}"


def save(training: Training, params: Params, root: Path) -> None:
    """Write the trained network with calibrated quantiles, its ONNX graph and its record."""
    features, data, model, earlier = training
    shape = network.window_shape(model)
    extents = _training_extents(root, shape)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    design = (shape, data.scaling, data.columns, params.train)
    to_onnx = partial(onnx_export.to_onnx, *design, weights=weights)
    calibrated = None
    if params.train.levels:
        session = inference.create_session(onnx_export.serialize(to_onnx()))
        lowest = np.array([extent.lowest[0] for extent in extents])
        calibrated = calibrate(
            partial(inference.predict, session),
            data,
            shape,
            levels=params.train.levels,
            step=params.step,
            lowest=lowest,
        )
        trained = model.get_weights()
        model = network.build_model(*design, calibrated)
        model.set_weights(trained)
    keras_file.save(model, root / paths.NETWORK)
    onnx_export.write(root / paths.GRAPH, to_onnx(calibration=calibrated))
    record = metadata.build(
        params,
        features,
        data.scaling,
        source=files.read_json(root / paths.SOURCE),
        trained_on=extents,
        text=files.read_json(root / paths.QUALITY).get("text"),
        lineage=earlier.lineage if earlier else (),
    )
    written = (root / paths.NETWORK, root / paths.GRAPH)
    hashes = {path.name: files.sha256(path) for path in written}
    files.write_json(root / paths.FORECASTER, record | {"sha256": hashes})


def calibrate(
    forecast: Callable[[Inputs, Starts], Forecast],
    data: TrainingData,
    shape: WindowShape,
    *,
    levels: Sequence[float],
    step: Step,
    lowest: Power,
) -> Calibration:
    """Return the calibration of quantiles by the validation split.

    It changes nothing if the validation split has less than four weeks of each meter.

    Args:
        forecast: Returns the forecast for windows of a series.
        data: The data of the training.
        shape: The shape of the windows.
        levels: The levels of the quantiles.
        step: The length of a step.
        lowest: The smallest power of each meter in the training.
    """
    is_long = data.validation.size >= calibration.MIN_DAYS * step.per_day * len(lowest)
    stride = calibration.stride(data.validation.size, shape.horizon)
    targets: list[Power] = []
    quantiles: list[Any] = []
    for inputs, starts in data.validation.read():
        selected = np.sort(starts)[::stride]
        targets.append(windows.targets(inputs.values, selected, shape))
        if is_long:
            quantiles.append(forecast(inputs, selected).quantiles)
    limit = calibration.lower_limit(lowest, *targets)
    if not is_long:
        return Calibration.none(len(levels), shape.horizon)._replace(lower_limit=limit)
    stretch = calibration.cross_validated_stretch(
        np.concatenate(targets), np.concatenate(quantiles), levels
    )
    return Calibration(stretch, limit)


def _training_extents(root: Path, shape: WindowShape) -> list[TrainingExtent]:
    """Return the extent of the training data of each meter."""
    extents = []
    for meter, starts in meters.by_name(root / paths.TRAIN).items():
        table = files.read_table(root / paths.SERIES / meters.file_name(meter))
        stamps = arrow.to_local(arrow.to_numpy(table["timestamp"]), table["timestamp"].type.tz)
        values = series.to_array(table)
        train = windows.read_starts(starts)
        extents.append(metadata.training_extent(stamps, values, train, shape=shape))
    return extents
