"""The data that every benchmark of training gets, and the training of the network on it."""

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from household.app import recipes
from household.core import files, params, paths, schema
from household.core.params import Params
from household.core.schema import TARGET, Values
from household.dataset import batches, scaling, series, windows
from household.dataset.batches import WindowDataset
from household.dataset.inputs import InputReader, Inputs
from household.dataset.scaling import MeterWindows, Scaler
from household.dataset.split import Splits
from household.dataset.windows import Starts, WindowShape
from household.evaluation.baselines import ForecastContext
from household.model import anchor

if TYPE_CHECKING:
    import onnxruntime

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Given(NamedTuple):
    """Hold what every method gets.

    Attributes:
        settings: The parameters.
        shape: The shape of the windows.
        values: The series: (steps, features), the target first.
        context: What a baseline may read.
        scaled: The scaling of the features.
        train: The starts of the training windows.
        validation: The starts of the validation windows.
        test: The starts of the test windows.
        seconds: No epoch is begun after so many seconds.
    """

    settings: Params
    shape: WindowShape
    values: Values
    context: ForecastContext
    scaled: Scaler
    train: Starts
    validation: Starts
    test: Starts
    seconds: float

    @property
    def inputs(self) -> Inputs:
        """Return what the network reads of the series."""
        return self.context.inputs

    def standard(self) -> Floats:
        """Return the series, standardised by the mean and deviation of the training split."""
        return ((self.values - self.scaled.center) / self.scaled.scale).astype(np.float32)

    def standard_inputs(self) -> Floats:
        """Return the standardised readings that the network reads, and last its anchor."""
        scaler = self.inputs.columns.scale_readings(self.scaled)
        readings = (self.inputs.values - scaler.center) / scaler.scale  # noqa: PD011 (no pandas)
        anchors = anchor.anchors(self.inputs, np.arange(len(self.values)), self.scaled.shares)
        standard = (anchors - self.scaled.center[0]) / self.scaled.scale[0]
        return np.column_stack([readings, standard]).astype(np.float32)

    def kilowatts(self, standard: Floats) -> Floats:
        """Return standardised power in kW."""
        return standard * np.float32(self.scaled.scale[0]) + np.float32(self.scaled.center[0])


def read_given(seconds: float) -> Given:
    """Return the output of the split stage in the current folder."""
    settings, table = params.load(), files.read_table(paths.SERIES / "power.parquet")
    splits = Splits(
        *(
            windows.read_starts(split / "power.parquet")
            for split in (paths.TRAIN, paths.VALIDATION, paths.TEST)
        )
    )
    scaler = scaling.read(paths.SCALING, table.column_names[1:])
    return _given(settings, table, splits, scaler)._replace(seconds=seconds)


def of_series(settings: Params, table: pa.Table, splits: Splits) -> Given:
    """Return a series in memory with its scaling, as the split stage would have fitted it."""
    shape, features = WindowShape.of(settings.window), table.column_names[1:]
    starts = np.sort(np.concatenate(splits))
    counted = MeterWindows(
        table.column, *scaling.windows_to_use(settings.scaling, starts, splits.train)
    )
    return _given(settings, table, splits, scaling.fit_scaler(features, [counted], shape))


def _given(settings: Params, table: pa.Table, splits: Splits, scaler: Scaler) -> Given:
    reader = InputReader.of(settings)
    inputs = reader.of_table(table)
    if reader.columns.is_anchored:
        shares = anchor.fit_shares(batches.in_memory(inputs, splits.train), reader.shape)
        scaler = scaler._replace(shares=shares)
    context = ForecastContext(table, inputs, splits.train, reader.shape, settings.step)
    return Given(settings, reader.shape, series.to_array(table), context, scaler, *splits, 0)


def of_power(
    recipe: str | None, changes: Mapping[str, Any], power: pd.Series, rows: Rows, seed: int
) -> Given:
    """Return a series of power, to be forecast from some rows on.

    Args:
        recipe: The name of the settings; None for those of params.yaml.
        changes: What to set otherwise, by dotted names.
        power: The power of each step in kW, without gaps.
        rows: The first target of each test window. Training ends before the first of them.
        seed: The seed.
    """
    read: dict[str, Any] = {"window.features": [TARGET]}
    if recipe:
        read |= recipes.read(recipe)
    settings = with_settings(read | dict(changes), seed)
    times = power.index.to_numpy().astype("datetime64[ms]")
    table = pa.table([times, power.to_numpy(np.float32)], schema=schema.schema([TARGET]))
    shape = WindowShape.of(settings.window)
    train = np.arange(rows[0] - shape.length + 1, dtype=np.int32)
    test = (rows - shape.lookback).astype(np.int32)
    return of_series(settings, table, Splits(train, train[:0], test))


def with_settings(settings: Mapping[str, Any], seed: int | None = None) -> Params:
    """Return the parameters of params.yaml with others, by their dotted names, and a seed."""
    given = settings if seed is None else {**settings, "seed": seed}
    return params.with_overrides(params.load(), recipes.nest(given))


class Trained(NamedTuple):
    """Hold a trained network.

    Attributes:
        session: Runs it.
        weights: Its weights, for a warm start.
        scaler: The scaling of the features.
    """

    session: "onnxruntime.InferenceSession"
    weights: list[Floats]
    scaler: Scaler


def train_network(data: Given) -> "onnxruntime.InferenceSession":
    """Train the network as the train stage does, without calibration."""
    learnt = batches.in_memory(data.inputs, data.train)
    validation = batches.in_memory(data.inputs, data.validation)
    return train(data.settings, data.scaled, learnt, validation).session


def train(
    settings: Params,
    scaler: Scaler,
    learnt: WindowDataset,
    validation: WindowDataset,
    weights: list[Floats] | None = None,
) -> Trained:
    """Train the network, from random weights or from those of another one."""
    # Imports TensorFlow, which a process that prints a table does without.
    from household.model import (  # noqa: PLC0415
        inference,
        loop,
        network,
        onnx_export,
        portability,
    )

    reader = InputReader.of(settings)
    design = (reader.shape, scaler, reader.columns, settings.train)
    portability.set_determinism(settings.seed, reader.shape, settings.train)
    model = network.build_model(*design)
    if weights:
        model.set_weights(weights)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        loop.fit(
            model,
            loop.TrainingData(scaler, reader.columns, learnt, validation),
            settings.train,
            seed=settings.seed,
            checkpoint_path=Path(folder) / "checkpoint.npz",
            on_epoch_end=lambda _: None,
        )
    by_layer = {layer.name: layer.get_weights() for layer in model.layers}
    graph = onnx_export.to_onnx(*design, weights=by_layer)
    session = inference.create_session(onnx_export.serialize(graph))
    return Trained(session, model.get_weights(), scaler)
