"""What the network is fed and what it is, against windows built as lists."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from household.forecast import network
from household.pipeline.params import Train
from tests.conftest import changed

LOOKBACK = 4
CENTER = np.array([1.5, -2.0])
VALUES = (np.arange(60).reshape(30, 2) / 7).astype(np.float32)
STARTS = np.array([3, 0, 24, 7, 11], np.int32)
TUTORIAL = changed({}).train
TINY = changed({"train.units": [3, 4], "train.batch_size": 2, "train.learning_rate": 0.01}).train


def inputs_at(starts: list[int]) -> list[list[list[float]]]:
    return [VALUES[start : start + LOOKBACK].tolist() for start in starts]


def test_a_batch_holds_the_windows_in_their_order() -> None:
    given = list(network.labelled_batches(VALUES, STARTS, LOOKBACK, 2))
    assert [len(inputs) for inputs, _ in given] == [2, 2, 1]
    inputs = np.concatenate([batch.numpy() for batch, _ in given])
    targets = np.concatenate([batch.numpy() for _, batch in given])
    assert inputs.tolist() == inputs_at(STARTS.tolist())
    assert targets.tolist() == [[VALUES[start + LOOKBACK, 0]] for start in STARTS]


def test_inputs_alone_need_no_target_minute() -> None:
    last = len(VALUES) - LOOKBACK
    given = list(network.batches(VALUES, np.array([0, last], np.int32), LOOKBACK, 8))
    assert np.concatenate([batch.numpy() for batch in given]).tolist() == inputs_at([0, last])


def epochs(seed: int, count: int = 3) -> list[list[int]]:
    """The starts in the order in which each epoch gives them."""
    values = np.arange(100, dtype=np.float32).reshape(-1, 1)
    starts = np.arange(90, dtype=np.int32)
    given = list(network.shuffled_batches(values, starts, LOOKBACK, 16, count, seed))
    order = [int(window[0, 0]) for inputs, _ in given for window in inputs.numpy()]
    assert [len(inputs) for inputs, _ in given] == [16, 16, 16, 16, 16, 10] * count
    return [order[epoch * 90 : (epoch + 1) * 90] for epoch in range(count)]


def test_each_epoch_gives_every_window_once_in_another_order() -> None:
    orders = epochs(seed=0)
    assert all(sorted(order) == list(range(90)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    assert epochs(seed=1, count=1)[0] == epochs(seed=1, count=3)[0]
    assert epochs(seed=1) != epochs(seed=2)
    assert epochs(seed=2**32 - 1) == epochs(seed=2**32 - 1)


def layers(model: network.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_the_default_is_the_tutorials_network_between_readings_and_kilowatts() -> None:
    model = network.build(49, np.array([1.1]), TUTORIAL)
    assert model.input_shape == (None, 49, 1)
    tutorial = ["LSTM", "Dropout", "LSTM", "Dropout", "Dense"]
    assert layers(model) == ["InputLayer", "Reshape", "Rescaling", *tutorial, "Rescaling"]
    # An LSTM of u units on f features has 4u(f + u + 1) weights, the last layer one a unit and 1.
    assert model.count_params() == 4 * 50 * (1 + 50 + 1) + 4 * 100 * (50 + 100 + 1) + 101
    assert model.loss == "mse"
    assert type(model.optimizer).__name__ == "RMSprop"


def test_every_setting_reaches_the_network() -> None:
    settings = TINY.model_copy(update={"loss": "huber", "optimizer": "adam", "dropout": 0.5})
    model = network.build(LOOKBACK, CENTER, settings)
    assert model.input_shape == (None, LOOKBACK, 2)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [3, 4, 1]
    assert {layer.rate for layer in model.layers if hasattr(layer, "rate")} == {0.5}
    assert model.loss == "huber"
    assert type(model.optimizer).__name__ == "Adam"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_the_center_is_taken_off_the_readings_and_put_back_on_the_forecast() -> None:
    model = network.build(LOOKBACK, CENTER, TINY)
    plain = network.build(LOOKBACK, np.zeros(2), TINY)
    plain.set_weights(model.get_weights())
    centered = (VALUES - CENTER).astype(np.float32)
    expected = network.forecast(plain, centered, STARTS) + np.float32(CENTER[0])
    found = network.forecast(model, VALUES, STARTS)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_minute_that_is_not_known_yet_is_forecast() -> None:
    model = network.build(LOOKBACK, CENTER, TINY)
    last = np.array([len(VALUES) - LOOKBACK], np.int32)
    longer = np.concatenate([VALUES, [[9, 9]]]).astype(np.float32)
    assert network.forecast(model, VALUES, last) == network.forecast(model, longer, last)


@pytest.mark.parametrize("features", [1, 2, 7])
@pytest.mark.parametrize("minutes", [LOOKBACK - 1, LOOKBACK, LOOKBACK + 1])
@pytest.mark.parametrize("columns", [1, 2, 7])
def test_readings_of_another_shape_are_an_error(features: int, minutes: int, columns: int) -> None:
    model = network.build(LOOKBACK, np.ones(features), TINY)
    readings = np.ones((1, minutes, columns), np.float32)
    if (minutes, columns) == (LOOKBACK, features):
        assert model(readings).shape == (1, 1)
        return
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        model(readings)


def train(settings: Train, seed: int = 0) -> tuple[network.Model, list[dict[str, Any]]]:
    network.make_repeatable(seed)
    model = network.build(LOOKBACK, CENTER, settings)
    losses = network.fit(model, VALUES, STARTS[:3], STARTS[3:], settings, seed)
    return model, losses.to_pylist()


def test_the_losses_of_an_epochs_steps_average_to_that_of_the_epoch() -> None:
    settings = TINY.model_copy(update={"epochs": 2})
    model, losses = train(settings)
    assert [(row["epoch"], row["part"]) for row in losses] == [
        (0.5, "train"), (1.0, "train"), (1.0, "validation"),
        (1.5, "train"), (2.0, "train"), (2.0, "validation"),
    ]  # fmt: skip
    first, second = (row["loss"] for row in losses if row["part"] == "train" and row["epoch"] > 1)
    # Batches of two windows and of one.
    assert (2 * first + second) / 3 == pytest.approx(model.history.history["loss"][1], rel=1e-5)
    assert losses[-1]["loss"] == model.history.history["val_loss"][1]


def test_the_history_of_a_long_training_is_no_longer_than_a_page_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "HISTORY_ROWS", 5)
    _, losses = train(TINY.model_copy(update={"batch_size": 1, "epochs": 3}))
    assert [row["epoch"] for row in losses if row["part"] == "train"] == pytest.approx(
        [2 / 3, 1, 5 / 3, 2, 8 / 3, 3]
    )


def test_a_training_repeated_is_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = tmp_path / "a.keras", tmp_path / "b.keras", tmp_path / "c.keras"
    network.save(train(TINY)[0], first)
    network.save(train(TINY)[0], second)
    network.save(train(TINY, seed=1)[0], other)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "sgd"])
def test_a_saved_model_forecasts_the_same_and_trains_on(tmp_path: Path, optimizer: str) -> None:
    model, _ = train(TINY.model_copy(update={"optimizer": optimizer, "dropout": 0.0}))
    network.save(model, tmp_path / "network.keras")
    again = network.load(tmp_path / "network.keras")
    for _ in range(2):
        assert np.array_equal(
            network.forecast(model, VALUES, STARTS), network.forecast(again, VALUES, STARTS)
        )
        for each in (model, again):
            network.make_repeatable(0)
            batch = network.labelled_batches(VALUES, STARTS, LOOKBACK, 5)
            each.fit(batch, shuffle=False, verbose=0)
