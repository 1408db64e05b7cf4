"""The network in ONNX Runtime against the same network in Keras."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from household.core.params import TrainParams
from household.dataset.scaling import Scaler
from household.dataset.windows import WindowShape
from household.model import inference, network, onnx_export
from household.model.calibration import Calibration
from tests.household.model import keras_model, test_head
from tests.household.model.keras_model import columns, design, series
from tests.household.model.test_network import DENSE, KNOWN, LOOKBACK, SCALING, STARTS, TINY, VALUES

SETTINGS = {
    "the tutorial's": TINY,
    "one layer": TINY.model_copy(update={"units": [5]}),
    "difference": DENSE,
    "difference without those of the inputs": DENSE.model_copy(update={"difference_inputs": False}),
    "level, three members": DENSE.model_copy(update={"target": "level", "ensemble_size": 3}),
}


def written(
    path: Path, shape: WindowShape, scaling: Scaler, settings: TrainParams
) -> network.Model:
    """Write the graph of a network with random weights to `path`; return the Keras model."""
    model = network.build_model(*design(shape, scaling, settings))
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(0, 0.5, each.shape) for each in model.get_weights()])
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    onnx_export.write(path, onnx_export.to_onnx(*design(shape, scaling, settings), weights=weights))
    return model


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("limit", [0.0, -np.inf])
@pytest.mark.parametrize("target", ["difference", "level"])
def test_onnx_quantiles_equal_those_of_keras(horizon: int, limit: float, target: str) -> None:
    shape = WindowShape(LOOKBACK, horizon)
    settings = test_head.SETTINGS.model_copy(update={"target": target})
    stretch = np.random.default_rng(1).uniform(0.5, 2, (len(settings.levels), horizon))
    calibration = Calibration(stretch.astype(np.float32), limit)
    model = network.build_model(*design(shape, SCALING, settings), calibration)
    test_head.random_weights(model)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    graph = onnx_export.to_onnx(
        *design(shape, SCALING, settings), weights=weights, calibration=calibration
    )
    onnx.checker.check_model(graph, full_check=True)
    session = inference.create_session(onnx_export.serialize(graph))
    assert inference.window_shape(session) == shape
    assert inference.has_quantiles(session)
    inputs = series(VALUES, columns(settings), horizon)
    given = inputs.windows(STARTS, shape)
    found = session.run(["mean", "quantiles"], given)
    expected = keras_model.call(model, given)
    for name, output in zip(("mean", "quantiles"), found, strict=True):
        assert output == pytest.approx(expected[name].numpy(), abs=1e-5)
    forecast = inference.predict(session, inputs, STARTS)
    for ours, output in zip((forecast.mean, forecast.quantiles), found, strict=True):
        assert ours == pytest.approx(output, abs=1e-6)
    middle = settings.levels.index(0.5)
    assert forecast.median == pytest.approx(found[1][..., middle], abs=1e-6)


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("is_anchored", [True, False])
def test_what_is_known_of_a_target_reaches_the_forecast(horizon: int, is_anchored: bool) -> None:
    shape, read = WindowShape(LOOKBACK, horizon), KNOWN._replace(is_anchored=is_anchored)
    target = "difference" if is_anchored else "level"
    heads = {"target": target, "head_units": [5, 4, 3]}
    settings = test_head.SETTINGS.model_copy(update=heads)
    _, scaling, *_ = design(shape, SCALING, settings)
    model = network.build_model(shape, scaling, read, settings)
    test_head.random_weights(model)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    graph = onnx_export.to_onnx(shape, scaling, read, settings, weights=weights)
    onnx.checker.check_model(graph, full_check=True)
    session = inference.create_session(onnx_export.serialize(graph))
    given = series(VALUES, read, horizon).windows(STARTS, shape)
    assert sorted(given) == sorted(each.name for each in session.get_inputs())
    expected = model(given)
    found = session.run(["mean", "quantiles"], given)
    for name, output in zip(("mean", "quantiles"), found, strict=True):
        assert output == pytest.approx(expected[name].numpy(), abs=1e-5)
    for column in range(given["known"].shape[-1]):
        other = given["known"].copy()
        other[..., column] += 1
        assert not np.allclose(session.run(["mean"], given | {"known": other})[0], found[0])


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("horizon", [1, 3])
def test_onnx_forecasts_equal_those_of_keras(
    tmp_path: Path, settings: TrainParams, horizon: int
) -> None:
    shape = WindowShape(LOOKBACK, horizon)
    model = written(tmp_path / "model.onnx", shape, SCALING, settings)
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    session = inference.load_session(tmp_path / "model.onnx")
    assert inference.window_shape(session) == shape
    assert not inference.has_quantiles(session)
    inputs = series(VALUES, columns(settings), horizon)
    found, median, quantiles = inference.predict(session, inputs, STARTS)
    assert median is found
    assert quantiles is None
    assert found.dtype == np.float32
    assert found == pytest.approx(keras_model.forecast(model, VALUES, STARTS), abs=1e-5)


def test_a_single_column_is_enough(tmp_path: Path) -> None:
    scaling = Scaler(np.array([1.0]), np.array([2.0]))
    model = written(tmp_path / "model.onnx", WindowShape(LOOKBACK, 1), scaling, DENSE)
    power = VALUES[:, :1]
    session = inference.load_session(tmp_path / "model.onnx")
    found = inference.predict(session, series(power), STARTS)
    assert found.mean == pytest.approx(keras_model.forecast(model, power, STARTS), abs=1e-5)


def test_many_windows_are_forecast_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "model.onnx", WindowShape(LOOKBACK, 1), SCALING, DENSE)
    session = inference.load_session(tmp_path / "model.onnx")
    inputs = series(VALUES)
    whole = inference.predict(session, inputs, STARTS).mean
    monkeypatch.setattr(inference, "BATCH", 2)
    assert inference.predict(session, inputs, STARTS).mean == pytest.approx(whole, abs=1e-6)


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        written(tmp_path / name, WindowShape(LOOKBACK, 1), SCALING, DENSE)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
