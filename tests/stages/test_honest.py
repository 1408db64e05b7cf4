"""No value of the test part reaches the training: with the defaults, not with the tutorial's."""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from household.core import files, paths, schema, store
from household.dataset import windows
from tests.project import changed, tutorial

MINUTES = 700
SMALL = {
    "window.lookback": 9,
    "train.ensemble_size": 1,
    "train.units": [3],
    "train.epochs": 2,
    "train.batch_size": 8,
}


def train(folder: Path, values: npt.NDArray[np.float32], parameters: dict[str, Any]) -> None:
    """Run window, split and train on `values` (minutes, columns) in `folder`."""
    folder.mkdir()
    os.chdir(folder)
    steps = np.arange(MINUTES) + (np.arange(MINUTES) > 300)  # a gap
    stamps = np.datetime64("2007-01-01", "ms") + steps * np.timedelta64(1, "m")
    columns = [pa.array(stamps), *(pa.array(column) for column in values.T)]
    table = pa.table(columns, schema=schema.SCHEMA)
    list(store.write_months(paths.PARSED / "power", iter([table])))
    files.write_json(paths.SOURCE, {"simulated": False})
    files.write_json(paths.QUALITY, {})
    for stage in ("window", "split", "train"):
        importlib.import_module(f"stages.{stage}").main(changed(SMALL | parameters))


def trained_on_other_test_values(tmp_path: Path, parameters: dict[str, Any]) -> set[str]:
    """Return the training files that change with the values of the test split."""
    draw = np.random.default_rng(0)
    values = draw.random((MINUTES, len(schema.NAMES)), np.float32)
    train(tmp_path / "one", values, parameters)
    test = windows.read_starts(paths.TEST / "power.parquet")
    assert len(test) > 50
    values[test.min() :] += 1 + draw.random(values[test.min() :].shape, np.float32)
    train(tmp_path / "other", values, parameters)
    names = [
        paths.TRAIN / "power.parquet",
        paths.VALIDATION / "power.parquet",
        paths.SCALING,
        paths.NETWORK,
        paths.HISTORY,
    ]
    return {
        name.name
        for name in names
        if (tmp_path / "one" / name).read_bytes() != (tmp_path / "other" / name).read_bytes()
    }


@pytest.fixture(autouse=True)
def return_to_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return to the initial folder after each test."""
    monkeypatch.chdir(Path.cwd())


def test_with_the_defaults_test_data_changes_no_byte_of_the_model(tmp_path: Path) -> None:
    assert trained_on_other_test_values(tmp_path, {}) == set()


def test_the_settings_of_the_tutorial_leak_test_data(tmp_path: Path) -> None:
    settings = {key: value for key, value in tutorial().items() if key not in SMALL}
    differ = trained_on_other_test_values(tmp_path, settings)
    assert differ == {"scaling.json", "model.keras", "history.csv"}


@pytest.mark.parametrize(
    ("parameters", "differ"),
    [
        ({"scaling.center": "all"}, {"scaling.json", "model.keras", "history.csv"}),
        # The validation loss, by which the best epoch is chosen.
        ({"split.purge": False}, {"history.csv"}),
    ],
)
def test_each_shortcut_of_the_tutorial_alone_leaks_test_data(
    tmp_path: Path, parameters: dict[str, Any], differ: set[str]
) -> None:
    assert trained_on_other_test_values(tmp_path, parameters) == differ
