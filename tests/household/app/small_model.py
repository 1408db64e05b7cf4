"""A small model and readings for it, made by hand for the tests of their use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from household.core import files, schema
from household.dataset import series, windows
from household.dataset.inputs import InputColumns, InputReader
from household.dataset.scaling import Scaler
from household.dataset.windows import WindowShape
from household.model import calibration, inference, metadata, onnx_export
from household.model.calibration import Calibration
from tests.household.report.example_results import SAMPLE
from tests.project import changed

FEATURES = ["global_active_power", "voltage"]
LOOKBACK = 5
BEGIN = np.datetime64("2007-03-31T21:58", "ms")
MINUTE = np.timedelta64(1, "m")


def readings(minutes: int, seed: int = 0) -> pa.Table:
    draw = np.random.default_rng(seed)
    power = draw.integers(200, 5_000, minutes) / 1000
    voltage = draw.integers(23_000, 25_000, minutes) / 100
    stamps = BEGIN + np.arange(minutes) * MINUTE
    columns = [stamps, power.astype(np.float32), voltage.astype(np.float32)]
    return pa.table(columns, schema=schema.schema(FEATURES))


def model(
    folder: Path, horizon: int = 1, params: Mapping[str, Any] | None = None, layout: Any = None
) -> Path:
    """Write a model with random weights to `folder`, as the train stage does."""
    settings: dict[str, Any] = {"window.lookback": LOOKBACK, "window.horizon": horizon}
    settings |= {"window.features": FEATURES, "train.units": [4, 3], "train.ensemble_size": 2}
    given = changed({**settings, **(params or {})})
    draw = np.random.default_rng(1)
    shapes: dict[str, list[tuple[int, ...]]] = {}
    columns = InputColumns.of(given.window.model_dump(), given.train.target)
    for member in (1, 2):
        for layer, (inputs, units) in enumerate([(4 + columns.derived_width, 4), (4, 3)], 1):
            of_gates = [(inputs, 4 * units), (units, 4 * units), (4 * units,)]
            shapes[f"lstm_{member}_{layer}"] = [*of_gates]
        outputs = horizon * (len(given.train.levels) + 1)
        shapes[f"linear_{member}"] = [(3, outputs), (outputs,)]
    weights = {
        name: [draw.normal(size=each).astype(np.float32) for each in of]
        for name, of in shapes.items()
    }
    table = readings(420)
    values, stamps = series.to_array(table), table["timestamp"].to_numpy()
    shape = WindowShape(LOOKBACK, horizon)
    scaling = Scaler(
        values.mean(axis=0).astype(np.float64),
        values.std(axis=0).astype(np.float64),
        (0.75,) * horizon,
    )
    built = (shape, scaling, columns, given.train)
    graph = onnx_export.to_onnx(*built, weights=weights)
    if given.train.levels:
        session = inference.create_session(onnx_export.serialize(graph))
        starts = np.arange(200, 400, dtype=np.int32)
        known = InputReader(shape, columns, given.step).of_table(table)
        quantiles = inference.predict(session, known, starts).quantiles
        actual = windows.targets(values, starts, shape)
        assert quantiles is not None
        stretch = calibration.cross_validated_stretch(actual, quantiles, given.train.levels)
        calibrated = Calibration(stretch, 0.0)
        graph = onnx_export.to_onnx(*built, weights=weights, calibration=calibrated)
    onnx_export.write(folder / "model.onnx", graph)
    train = np.arange(80, dtype=np.int32)
    record = metadata.build(
        given,
        FEATURES,
        scaling,
        source=SAMPLE,
        trained_on=[metadata.training_extent(stamps, values, train, shape=shape)],
        text={"layout": layout, "interval_seconds": 60} if layout else None,
    )
    files.write_json(folder / "metadata.json", record)
    seal(folder)
    return folder


def seal(folder: Path) -> None:
    """Has metadata.json say that the other files are the right ones."""
    record = files.read_json(folder / "metadata.json")
    hashes = {"model.onnx": files.sha256(folder / "model.onnx")}
    files.write_json(folder / "metadata.json", record | {"sha256": hashes})
