"""What the network is fed and what it is, against windows built as lists."""

from pathlib import Path

import numpy as np
import pytest

from household import network, params

LENGTH = 5
VALUES = (np.arange(60).reshape(30, 2) / 7).astype(np.float32)
STARTS = np.array([3, 0, 24, 7, 11], np.int32)
TINY = params.Train(
    hidden=[3, 4],
    dropout=0.2,
    loss="mse",
    optimizer="rmsprop",
    learning_rate=0.01,
    batch_size=2,
    epochs=1,
)


def test_a_batch_holds_the_windows_in_their_order() -> None:
    given = list(network.batches(VALUES, STARTS, LENGTH, 2))
    assert [len(inputs) for inputs, _ in given] == [2, 2, 1]
    inputs = np.concatenate([batch.numpy() for batch, _ in given])
    targets = np.concatenate([batch.numpy() for _, batch in given])
    for start, window, target in zip(STARTS, inputs, targets, strict=True):
        assert window.tolist() == VALUES[start : start + LENGTH - 1].tolist()
        assert target.tolist() == [VALUES[start + LENGTH - 1, 0]]


def epochs(seed: int, count: int = 3) -> list[list[int]]:
    """The starts in the order in which each epoch gives them."""
    values = np.arange(100, dtype=np.float32).reshape(-1, 1)
    starts = np.arange(90, dtype=np.int32)
    given = list(network.shuffled_batches(values, starts, LENGTH, 16, count, seed))
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


def test_the_default_is_the_tutorials_network() -> None:
    model = network.build(50, 1, params.load(Path("params.yaml")).train)
    assert model.input_shape == (None, 49, 1)
    assert [type(layer).__name__ for layer in model.layers] == [
        "LSTM",
        "Dropout",
        "LSTM",
        "Dropout",
        "Dense",
    ]
    # An LSTM of u units on f features has 4u(f + u + 1) weights, the last layer one a unit and 1.
    assert model.count_params() == 4 * 50 * (1 + 50 + 1) + 4 * 100 * (50 + 100 + 1) + 101
    assert model.loss == "mse"
    assert type(model.optimizer).__name__ == "RMSprop"


def test_every_setting_reaches_the_network() -> None:
    settings = TINY.model_copy(update={"loss": "huber", "optimizer": "adam", "dropout": 0.5})
    model = network.build(LENGTH, 2, settings)
    assert model.input_shape == (None, LENGTH - 1, 2)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [3, 4, 1]
    assert {layer.rate for layer in model.layers if hasattr(layer, "rate")} == {0.5}
    assert model.loss == "huber"
    assert type(model.optimizer).__name__ == "Adam"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_a_forecast_is_the_prediction_with_the_centre_put_back() -> None:
    model = network.build(LENGTH, 2, TINY)
    centre = np.array([1.5, -2.0])
    inputs = np.stack([VALUES[start : start + LENGTH - 1] - centre for start in STARTS])
    expected = model.predict(inputs.astype(np.float32), verbose=0)[:, 0] + centre[0]
    found = network.forecast(model, VALUES, STARTS, LENGTH, centre)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_saved_model_forecasts_the_same(tmp_path: Path) -> None:
    model = network.build(LENGTH, 2, TINY)
    model.fit(network.batches(VALUES, STARTS, LENGTH, 2), shuffle=False, verbose=0)
    model.save(tmp_path / "lstm.keras")
    again = network.load(tmp_path / "lstm.keras")
    centre = np.zeros(2)
    assert np.array_equal(
        network.forecast(model, VALUES, STARTS, LENGTH, centre),
        network.forecast(again, VALUES, STARTS, LENGTH, centre),
    )
