"""The distribution that the network forecasts, against its definition."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis import strategies as st

from household.dataset.inputs import Arrays
from household.dataset.scaling import Scaler
from household.dataset.windows import WindowShape
from household.model import keras_file, network, train_step
from household.model.calibration import Calibration
from tests.household.model import keras_model
from tests.household.model.keras_model import ANCHORED, SHARE, design, series
from tests.household.model.test_network import DENSE, LOOKBACK, SCALING, STARTS, VALUES

QUANTILES = [0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975]
SETTINGS = DENSE.model_copy(update={"loss": "quantile", "quantiles": QUANTILES, "mean_weight": 0.4})


def inputs(horizon: int = 1) -> Arrays:
    return series(VALUES, ANCHORED, horizon).windows(STARTS, WindowShape(LOOKBACK, horizon))


def random_weights(model: network.Model, seed: int = 0) -> None:
    draw = np.random.default_rng(seed)
    model.set_weights([draw.normal(0, 0.5, each.shape) for each in model.get_weights()])


def naive_loss(target: float, quantiles: list[float], mean: float, unit: float) -> float:
    """Return the loss of one forecast of one minute."""
    pinball = 0.0
    for level, quantile in zip(QUANTILES, quantiles, strict=True):
        error = target - quantile
        pinball += level * error if error > 0 else (level - 1) * error
    error = abs(target - mean) / unit
    huber = error**2 / 2 if error <= 2 else 2 * (error - 1)
    return 2 * pinball / len(QUANTILES) + 0.4 * unit * huber


@at_most(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.sampled_from([0.2, 1.0, 3.0]), st.integers(0, 99))
def test_the_loss_equals_its_definition(members: int, horizon: int, unit: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    targets = draw.normal(size=(2, 4, horizon)).astype(np.float32)
    by_output = draw.normal(size=(2, 4, members, len(QUANTILES) + 1, horizon)).astype(np.float32)
    settings = SETTINGS.model_copy(update={"ensemble_size": members})
    loss = train_step.loss_function(settings, unit)
    found = loss(targets, by_output.reshape(2, 4, -1)).numpy()
    for place in np.ndindex(2, 4):
        expected = [
            naive_loss(targets[*place, step], of[:-1, step].tolist(), of[-1, step], unit)
            for of in by_output[place]
            for step in range(horizon)
        ]
        assert found[place] == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_network_starts_as_its_anchor_in_mean_and_quantiles(horizon: int) -> None:
    model = network.build_model(*design(WindowShape(LOOKBACK, horizon), SCALING, SETTINGS))
    assert network.window_shape(model) == WindowShape(LOOKBACK, horizon)
    last, profile = VALUES[STARTS + LOOKBACK - 1, 0], inputs(horizon)["profile"]
    outputs = model(inputs(horizon))
    shares = SHARE ** np.arange(1, horizon + 1)
    anchor = shares * last[:, np.newaxis] + (1 - shares) * profile
    assert outputs["mean"].numpy() == pytest.approx(anchor, rel=1e-5)
    assert outputs["quantiles"].shape == (len(STARTS), horizon, len(QUANTILES))
    assert np.ptp(outputs["quantiles"].numpy(), axis=2).max() == 0


@pytest.mark.parametrize("horizon", [1, 3])
def test_members_are_averaged_quantile_by_quantile_and_never_cross(horizon: int) -> None:
    shape = WindowShape(LOOKBACK, horizon)
    learner = network.build_training_model(*design(shape, SCALING, SETTINGS), minutes=LOOKBACK)
    random_weights(learner)
    chunks = keras_model.chunks(VALUES, STARTS, LOOKBACK, ANCHORED, horizon)
    members = learner(chunks).numpy()[:, -1].reshape(-1, 2, len(QUANTILES) + 1, horizon)
    average = members.mean(axis=1)
    model = network.build_model(*design(shape, SCALING, SETTINGS))
    model.set_weights(learner.get_weights())
    outputs = model(inputs(horizon))
    assert outputs["mean"].numpy() == pytest.approx(average[:, -1], rel=1e-4)
    expected = np.sort(np.moveaxis(average[:, :-1], 1, 2))
    assert outputs["quantiles"].numpy() == pytest.approx(expected, rel=1e-4)
    assert not np.array_equal(average[:, :-1], np.sort(average[:, :-1], axis=1))


@pytest.mark.parametrize("limit", [0.0, -np.inf])
def test_the_network_applies_the_calibration_to_its_quantiles(limit: float) -> None:
    shape = WindowShape(LOOKBACK, 2)
    scaling = Scaler(SCALING.center, SCALING.scale * 20)
    plain = network.build_model(*design(shape, scaling, SETTINGS))
    random_weights(plain)
    found = plain(inputs(2))["quantiles"].numpy()
    stretch = np.abs(np.array(QUANTILES) - 0.5)[:, np.newaxis] * [2.0, 5.0] + 1
    calibration = Calibration(stretch.astype(np.float32), limit)
    calibrated = network.build_model(*design(shape, scaling, SETTINGS), calibration)
    calibrated.set_weights(plain.get_weights())
    again = calibrated(inputs(2))
    assert np.array_equal(again["mean"], plain(inputs(2))["mean"])
    assert np.all(np.diff(again["quantiles"], axis=-1) >= 0)
    assert np.min(found) < 0
    assert (np.min(again["quantiles"]) == 0) == (limit == 0)
    expected = calibration.apply(found)
    assert again["quantiles"].numpy() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_distribution_is_saved_with_the_same_bytes_and_loaded(tmp_path: Path) -> None:
    calibration = Calibration(np.full((len(QUANTILES), 1), 1.5, np.float32), 0.0)
    for name in ("first.keras", "second.keras"):
        model = network.build_model(
            *design(WindowShape(LOOKBACK, 1), SCALING, SETTINGS), calibration
        )
        random_weights(model)
        keras_file.save(model, tmp_path / name)
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "second.keras").read_bytes()
    again = keras_file.load(tmp_path / "first.keras")(inputs())
    for name, expected in model(inputs()).items():
        assert np.array_equal(again[name], expected)
