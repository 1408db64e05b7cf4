"""A model that was trained before: read again, refused where it does not fit, forecasting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from household.core import files, paths
from household.core.errors import UserError
from household.core.params import Params
from household.core.step import MINUTE
from household.dataset import series, windows
from household.dataset.inputs import InputReader
from household.dataset.windows import WindowShape
from household.model import inference, saved_model
from tests.household.app.small_model import FEATURES, LOOKBACK, model, readings
from tests.project import changed


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """Of a model, beside which a file stands for the network of Keras."""
    made = model(tmp_path / "earlier")
    (made / saved_model.NETWORK).write_bytes(b"network")
    record = files.read_json(made / saved_model.METADATA)
    record["sha256"][saved_model.NETWORK] = files.sha256(made / saved_model.NETWORK)
    files.write_json(made / saved_model.METADATA, record)
    return made


def asked(model_folder: Path, **values: Any) -> Params:
    """Parameters that go with the model in `model_folder`, but for `values`."""
    same: dict[str, Any] = {
        "window.lookback": LOOKBACK,
        "train.units": [4, 3],
        "train.ensemble_size": 2,
        "train.warm_start": str(model_folder),
    }
    return changed(same | {name.replace("__", "."): value for name, value in values.items()})


def test_a_warm_start_needs_the_same_shape_and_keeps_the_scaling(
    model_folder: Path,
) -> None:
    found = saved_model.warm_start(
        asked(model_folder, train__epochs=3, train__dropout=0.5), FEATURES
    )
    assert found is not None
    values = series.to_array(readings(420)).astype(np.float64)
    assert found.scaling.center == pytest.approx(values.mean(axis=0), rel=1e-6)
    assert found.scaling.scale == pytest.approx(values.std(axis=0), rel=1e-6)
    record = files.read_json(model_folder / "metadata.json")
    (own,) = found.lineage
    assert own == {
        "sha256": files.sha256(model_folder / "model.keras"),
        "trained_on": record["trained_on"],
    }
    files.write_json(model_folder / "metadata.json", record | {"lineage": [own]})
    assert saved_model.load(model_folder).lineage == [own, own]
    assert saved_model.warm_start(asked(model_folder, train__warm_start=None), FEATURES) is None


@pytest.mark.parametrize(
    ("key", "value", "theirs"),
    [
        ("window.lookback", 6, "5"),
        ("window.horizon", 2, "1"),
        ("train.difference_inputs", False, "True"),
        ("train.target", "level", "difference"),
        ("train.ensemble_size", 3, "2"),
        ("train.units", [4], r"\[4, 3\]"),
        ("train.loss", "huber", "quantile"),
        ("train.quantiles", [0.025, 0.1, 0.5, 0.9, 0.975], r"\[0\.01, 0\.025, .*\]"),
    ],
)
def test_another_shape_is_refused(model_folder: Path, key: str, value: Any, theirs: str) -> None:
    with pytest.raises(UserError, match=f"has {key} {theirs}, but params.yaml has "):
        saved_model.warm_start(asked(model_folder, **{key: value}), FEATURES)


@pytest.mark.parametrize(
    "features", [FEATURES[:1], [*FEATURES, "global_intensity"], FEATURES[::-1]]
)
def test_other_features_are_refused(model_folder: Path, features: list[str]) -> None:
    with pytest.raises(UserError, match=r"has window\.features \["):
        saved_model.warm_start(asked(model_folder), features)


def no_record(model_folder: Path) -> None:
    (model_folder / "metadata.json").unlink()


def earlier_version(model_folder: Path) -> None:
    (model_folder / "metadata.json").rename(model_folder / "forecaster.json")


def no_json(model_folder: Path) -> None:
    (model_folder / "metadata.json").write_text("{")


def another_kind(model_folder: Path) -> None:
    (model_folder / "metadata.json").write_text("[]")


def no_network(model_folder: Path) -> None:
    (model_folder / "model.keras").unlink()


def another_network(model_folder: Path) -> None:
    (model_folder / "model.keras").write_bytes(b"another")


def no_lineage(model_folder: Path) -> None:
    """As a version before left it."""
    record = files.read_json(model_folder / "metadata.json")
    del record["lineage"]
    files.write_json(model_folder / "metadata.json", record)


def no_scale(model_folder: Path) -> None:
    record = files.read_json(model_folder / "metadata.json")
    del record["input"]["features"][1]["scale"]
    files.write_json(model_folder / "metadata.json", record)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_record, "no metadata.json in this folder; use the output folder"),
        (earlier_version, "a model of an earlier version, which has to be trained again;"),
        (no_json, "not a model of this version"),
        (another_kind, "not a model of this version"),
        (no_network, "not a model of this version"),
        (no_lineage, "not a model of this version"),
        (no_scale, "not a model of this version"),
        (another_network, "copy the whole folder again"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(
    model_folder: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(model_folder)
    with pytest.raises(UserError, match=said):
        saved_model.warm_start(asked(model_folder), FEATURES)


def test_a_missing_folder_is_named(model_folder: Path) -> None:
    with pytest.raises(UserError, match=r"/nomodel: no such folder; use the output folder"):
        saved_model.warm_start(asked(model_folder.with_name("nomodel")), FEATURES)


def test_a_warm_start_from_the_output_folder_is_refused() -> None:
    model_folder = paths.NETWORK.parent
    with pytest.raises(UserError, match="copy the model to another folder"):
        saved_model.warm_start(asked(model_folder), FEATURES)


def test_a_previous_model_may_read_fewer_minutes_and_columns(
    model_folder: Path,
) -> None:
    earlier = saved_model.load(model_folder, saved_model.GRAPH)
    table = readings(60)
    more = table.add_column(2, "global_intensity", [np.full(60, 7, np.float32)])
    shape = WindowShape(LOOKBACK + 3, 1)
    starts = np.arange(20, dtype=np.int32)
    found = earlier.forecast(more, starts, shape=shape, step=MINUTE)
    session = inference.load_session(model_folder / "model.onnx")
    reader = InputReader(WindowShape(LOOKBACK, 1), earlier.columns, MINUTE)
    expected = inference.predict(session, reader.of_table(table), starts + np.int32(3))
    assert found.mean.tolist() == expected.mean.tolist()
    # Both are of the same minutes.
    own = windows.target_rows(starts + np.int32(3), WindowShape(LOOKBACK, 1))
    assert own.tolist() == windows.target_rows(starts, shape).tolist()


@pytest.mark.parametrize(
    ("features", "shape"),
    [
        (FEATURES[:1], WindowShape(LOOKBACK, 1)),
        (FEATURES, WindowShape(LOOKBACK - 1, 1)),
        (FEATURES, WindowShape(LOOKBACK, 2)),
    ],
)
def test_windows_that_do_not_fit_the_previous_model_are_refused(
    model_folder: Path, features: list[str], shape: WindowShape
) -> None:
    table = readings(60).select(["timestamp", *features])
    with pytest.raises(UserError, match="reads 5 steps of global_active_power, voltage and"):
        saved_model.load(model_folder).forecast(
            table, np.array([0], np.int32), shape=shape, step=MINUTE
        )


def test_minutes_of_the_training_are_counted(model_folder: Path) -> None:
    last = np.datetime64(files.read_json(model_folder / "metadata.json")["trained_on"]["last"])
    minutes = np.arange(-2, 4) * np.timedelta64(1, "m")
    assert (
        saved_model.load(model_folder).count_training_overlap((last + minutes)[:, np.newaxis]) == 3
    )
    record = files.read_json(model_folder / "metadata.json")
    del record["trained_on"]["last"]
    files.write_json(model_folder / "metadata.json", record)
    with pytest.raises(UserError, match=r"not a model of this version \(KeyError"):
        saved_model.load(model_folder).count_training_overlap(minutes)
