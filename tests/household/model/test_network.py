"""What the network is fed and what it is, against windows built as lists."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as at_most
from hypothesis import strategies as st

from household.core import arithmetic, schema
from household.core.params import TrainParams
from household.dataset import batches, windows
from household.dataset.inputs import READINGS, InputColumns
from household.dataset.scaling import Scaler
from household.dataset.shuffle_buffer import Batch
from household.dataset.windows import WindowShape
from household.model import keras_file, layers, network, portability, tensorflow, train_step
from tests.household.model import keras_model
from tests.household.model.keras_model import PLAIN, design, series
from tests.project import changed, tutorial

LOOKBACK = 4
SHAPE = WindowShape(LOOKBACK, 1)
SCALING = Scaler(np.array([1.5, -2.0]), np.array([2.0, 0.25]))
VALUES = (np.arange(60).reshape(30, 2) / 7).astype(np.float32)
STARTS = np.array([3, 0, 24, 7, 11], np.int32)
TUTORIAL = changed(tutorial()).train
TINY = TUTORIAL.model_copy(update={"units": [3, 4], "batch_size": 2, "learning_rate": 0.01})
KNOWN = InputColumns(2, (1,), ("hour", "weekday", "season"))
DENSE = TINY.model_copy(
    update={
        "loss_at": "every_step", "chunk_length": 5, "target": "difference",
        "difference_inputs": True, "ensemble_size": 2,
    }
)  # fmt: skip


def inputs_at(starts: list[int]) -> list[list[list[float]]]:
    return [VALUES[start : start + LOOKBACK].tolist() for start in starts]


def test_a_batch_holds_the_windows_in_their_order() -> None:
    given = list(
        batches.iter_batches(
            batches.in_memory(series(VALUES, PLAIN), STARTS), SHAPE, 1, batch_size=2
        )
    )
    assert [len(targets) for _, targets, _ in given] == [2, 2, 1]
    inputs = np.concatenate([batch.inputs["readings"] for batch in given])
    targets, weights = (
        np.concatenate(parts) for parts in zip(*(batch[1:] for batch in given), strict=True)
    )
    assert inputs.tolist() == inputs_at(STARTS.tolist())
    assert targets.tolist() == [[VALUES[start + LOOKBACK, 0]] for start in STARTS]
    assert weights.tolist() == [1] * len(STARTS)


def test_inputs_need_no_target_minute() -> None:
    last = len(VALUES) - LOOKBACK
    inputs = windows.inputs(VALUES, np.array([0, last], np.int32), LOOKBACK)
    assert inputs.tolist() == inputs_at([0, last])


def counted(made: Iterable[Batch], minutes: int, horizon: int = 1) -> list[int]:
    """Return the windows with a weight, by their starts, in the order of `made`.

    Assert that the last minute of the lookback is in the chunk, or all of it where a chunk is a
    window, with its targets.
    """
    found = []
    for given_inputs, targets, weights in made:
        inputs = given_inputs["readings"]
        before = LOOKBACK - 1 if minutes == 1 else 0
        assert inputs.shape[1] == before + minutes
        for stretch, target, weight in zip(inputs, targets, weights, strict=True):
            for place in np.flatnonzero(weight):
                last = int(stretch[place + before, 0])
                read = stretch[place : place + before + 1, 0].astype(int)
                assert read.tolist() == list(range(last - before, last + 1))
                due = target[place] if minutes > 1 else target
                assert due.tolist() == list(range(last + 1, last + 1 + horizon))
                found.append(last + 1 - LOOKBACK)
    return found


def numbered(n: int, horizon: int = 1) -> tuple[schema.Values, windows.Starts]:
    """Minutes that hold their own number, and all windows in them."""
    starts = np.arange(n - LOOKBACK - horizon + 1, dtype=np.int32)
    return np.arange(n, dtype=np.float32)[:, np.newaxis], starts


@at_most(max_examples=25, deadline=None)
@given(st.data())
def test_chunks_weigh_each_window_once_and_no_other(data: st.DataObject) -> None:
    """So a window that crosses a gap or belongs to another part has no loss."""
    horizon = data.draw(st.integers(1, 9))
    values, every = numbered(data.draw(st.integers(LOOKBACK + horizon, 50)), horizon)
    starts = data.draw(st.lists(st.sampled_from(every.tolist()), min_size=1, unique=True))
    minutes = data.draw(st.integers(1, 60))
    chosen = np.array(starts, np.int32)
    # What follows the last target belongs to another part.
    values[max(starts) + LOOKBACK + horizon :] = np.nan
    part = batches.in_memory(series(values, PLAIN, 9), chosen)
    made = list(batches.iter_batches(part, WindowShape(LOOKBACK, horizon), minutes, batch_size=3))
    assert sorted(counted(made, minutes, horizon)) == sorted(starts)
    assert not any(
        np.isnan(array).any() for batch in made for array in [*batch.inputs.values(), *batch[1:]]
    )


def epochs(seed: int, minutes: int, numbers: Iterable[int] = range(3)) -> list[list[int]]:
    """Return the windows in the order in which each epoch counts them."""
    values, starts = numbered(100)
    part = batches.in_memory(series(values, PLAIN, 9), starts)
    return [
        counted(
            batches.iter_batches(
                part, SHAPE, minutes, batch_size=16, shuffle=network.epoch_shuffle(seed, number)
            ),
            minutes,
        )
        for number in numbers
    ]


@pytest.mark.parametrize("minutes", [1, 7])
def test_each_epoch_gives_every_window_once_in_another_order(minutes: int) -> None:
    orders = epochs(0, minutes)
    assert all(sorted(order) == list(range(96)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("minutes", [1, 7])
def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(minutes: int) -> None:
    assert epochs(1, minutes, [2, 0]) == epochs(1, minutes)[::-2]
    assert epochs(1, minutes) != epochs(2, minutes)
    assert epochs(2**32 - 1, minutes) == epochs(2**32 - 1, minutes)


def test_each_epoch_cuts_chunks_at_other_minutes() -> None:
    values, starts = numbered(100)
    part = batches.in_memory(series(values, PLAIN, 9), starts)
    cuts = set()
    for number in range(9):
        shuffle = network.epoch_shuffle(0, number)
        ((given_inputs, _, _),) = batches.iter_batches(
            part, SHAPE, 7, batch_size=100, shuffle=shuffle
        )
        cuts.add(tuple(sorted(given_inputs["readings"][:, -1, 0])))
    assert len(cuts) > 3


def kinds(model: network.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_the_tutorials_network_maps_readings_to_kilowatts() -> None:
    model = network.build_model(
        *design(WindowShape(49, 1), Scaler(np.array([1.1]), np.ones(1)), TUTORIAL)
    )
    assert model.input_shape == (None, 49, 1)
    tutorial = ["LSTM", "Dropout", "LSTM", "Dropout", "Dense"]
    assert kinds(model) == ["InputLayer", "Reshape", "Rescaling", *tutorial, "Rescaling"]
    # An LSTM of u units on f features has 4u(f + u + 1) weights, the last layer one a unit and 1.
    assert model.count_params() == 4 * 50 * (1 + 50 + 1) + 4 * 100 * (50 + 100 + 1) + 101
    targets, outputs = tf.constant([[1.0], [2.0]]), tf.constant([[3.0], [5.0]])
    assert train_step.loss_function(TUTORIAL)(targets, outputs).numpy().tolist() == [4, 9]
    optimizer = train_step.make_optimizer(TUTORIAL, 10)
    assert type(optimizer).__name__ == "RMSprop"
    assert float(optimizer.learning_rate) == pytest.approx(0.001)
    assert (
        train_step.clip_gradients([tf.constant([30.0, 40.0])], TUTORIAL.global_clip_norm)[0][0]
        == 30
    )


def test_every_setting_reaches_the_network() -> None:
    settings = DENSE.model_copy(
        update={
            "loss": "huber", "optimizer": "adam", "dropout": 0.5, "lr_schedule": "cosine",
            "global_clip_norm": 2.0, "huber_delta": 0.7,
        }
    )  # fmt: skip
    model = network.build_model(*design(SHAPE, SCALING, settings))
    assert model.input["readings"].shape == (None, LOOKBACK, 3)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [3, 3, 4, 4, 1, 1]
    assert {layer.rate for layer in model.layers if hasattr(layer, "rate")} == {0.5}
    assert model.get_layer("lstm_1_1").cell.kernel.shape == (
        5,
        12,
    )  # features, their changes, anomaly
    # Huber (1964): quadratic up to delta, linear beyond.
    errors = np.array([[0.5], [2.0]], np.float32)
    outputs = np.zeros((2, settings.ensemble_size), np.float32)
    mean = float(np.mean(train_step.loss_function(settings)(errors, outputs)))
    assert mean == pytest.approx((0.5**2 / 2 + 0.7 * (2 - 0.7 / 2)) / 2)
    optimizer = train_step.make_optimizer(settings, 10)
    assert type(optimizer).__name__ == "Adam"
    gradients = train_step.clip_gradients(
        [tf.constant([3.0]), tf.constant([4.0])], settings.global_clip_norm
    )
    assert [float(each[0]) for each in gradients] == pytest.approx([1.2, 1.6])
    rates = [float(optimizer._learning_rate(step)) for step in (0, 5, 10)]
    assert rates == pytest.approx([0.01, 0.005, 0])


def test_readings_are_scaled_and_the_forecast_is_scaled_back() -> None:
    model = network.build_model(*design(SHAPE, SCALING, TINY))
    plain = network.build_model(*design(SHAPE, Scaler(np.zeros(2), np.ones(2)), TINY))
    plain.set_weights(model.get_weights())
    scaled = ((VALUES - SCALING.center) / SCALING.scale).astype(np.float32)
    expected = keras_model.forecast(plain, scaled, STARTS) * SCALING.scale[0] + SCALING.center[0]
    found = keras_model.forecast(model, VALUES, STARTS)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=1e-5)


def test_difference_inputs_follow_the_scaled_features() -> None:
    model = network.build_model(*design(SHAPE, SCALING, DENSE))
    inner = keras.Model(model.input, model.get_layer("with_changes").output)
    known = series(VALUES)
    scaled = (VALUES[:LOOKBACK] - SCALING.center) / SCALING.scale
    anomaly = known.values[:LOOKBACK, 2:] / SCALING.scale[0]
    changes = np.diff(scaled, axis=0, prepend=scaled[:1])
    (found,) = inner(known.windows(np.array([0], np.int32), SHAPE)).numpy()
    assert found == pytest.approx(np.hstack([scaled, anomaly, changes]), rel=1e-5)


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_forecast_of_the_difference_starts_as_its_anchor(horizon: int) -> None:
    model = network.build_model(*design(WindowShape(LOOKBACK, horizon), SCALING, DENSE))
    last = VALUES[STARTS + LOOKBACK - 1, :1]
    profile = series(VALUES, horizon=horizon).history.profile(STARTS + LOOKBACK - 1, horizon)
    shares = keras_model.SHARE ** np.arange(1, horizon + 1)
    found = keras_model.forecast(model, VALUES, STARTS)
    assert found == pytest.approx(shares * last + (1 - shares) * profile, rel=1e-5)


@pytest.mark.parametrize("target", ["difference", "level"])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("read", [PLAIN, KNOWN], ids=["", "known"])
@pytest.mark.parametrize("burn_in", [0, 2])
def test_a_chunk_forecasts_each_of_its_minutes_from_those_before(
    target: str, horizon: int, read: InputColumns, burn_in: int
) -> None:
    changes = {"target": target, "head_units": [4, 3], "burn_in": burn_in}
    settings = DENSE.model_copy(update=changes)
    read = read._replace(is_anchored=target == "difference")

    def built(shape: WindowShape) -> Any:
        given = design(shape, SCALING, settings)
        return *given[:2], read, settings

    learner = network.build_training_model(*built(WindowShape(LOOKBACK, horizon)), minutes=5)
    draw = np.random.default_rng(0)
    learner.set_weights([draw.normal(size=weight.shape) for weight in learner.get_weights()])
    first = np.array([0], np.int32)
    stretch = keras_model.chunks(VALUES, first, 5, read, horizon)
    of_targets = {name: each[:, burn_in:] for name, each in stretch.items() if name != READINGS}
    members = keras_model.call(learner, stretch | of_targets)
    members = members.numpy().reshape(1, 5 - burn_in, 2, horizon)
    assert not np.any(members[..., 0, :] == members[..., 1, :])
    found = members.mean(axis=2)
    # Each reads all before, from the first of the stretch on, and nothing after.
    for last in range(max(burn_in, 1), 5):
        shape = WindowShape(last + 1, horizon)
        window = network.build_model(*built(shape))
        assert [each.path for each in window.weights] == [each.path for each in learner.weights]
        window.set_weights(learner.get_weights())
        given = series(VALUES, read, horizon).windows(first, shape)
        expected = keras_model.call(window, given).numpy()[0]
        assert found[0, last - burn_in] == pytest.approx(expected, rel=1e-4)


def outputs_and_gradients(
    layer: keras.layers.Layer, inputs: tf.Tensor, weights: list[Any]
) -> list[Any]:
    """Of the sum of the squared outputs, by the inputs and each of the weights."""
    layer.build(inputs.shape)
    layer.set_weights(weights)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        loss = tf.reduce_sum(outputs**2)
    return [outputs, *tape.gradient(loss, [inputs, *layer.trainable_variables])]


@pytest.mark.parametrize("sequences", [True, False])
def test_fused_lstm_equals_the_lstm_layer_of_keras(sequences: bool) -> None:
    draw = np.random.default_rng(0)
    inputs = tf.constant(draw.normal(size=(3, LOOKBACK, 2)), tf.float32)
    weights = [draw.normal(size=shape) for shape in ((2, 20), (5, 20), (20,))]
    found = [
        outputs_and_gradients(kind(5, return_sequences=sequences), inputs, weights)
        for kind in (keras.layers.LSTM, layers.FusedLSTM)
    ]
    for expected, got in zip(*found, strict=True):
        assert got.numpy() == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (3, 48, 5)])
@pytest.mark.parametrize("units", [4, 2 * layers.MAX_PORTABLE_TERMS + 1])
def test_batched_dense_equals_the_dense_layer_of_keras(shape: tuple[int, ...], units: int) -> None:
    draw = np.random.default_rng(0)
    inputs = tf.constant(draw.normal(size=shape), tf.float32)
    weights = [draw.normal(size=(5, units)), draw.normal(size=units)]
    found = [
        outputs_and_gradients(kind(units), inputs, weights)
        for kind in (keras.layers.Dense, layers.BatchedDense)
    ]
    for expected, got in zip(*found, strict=True):
        assert got.numpy() == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-4)


def test_an_lstm_starts_with_orthogonal_weights_other_ones_in_each_layer() -> None:
    settings = TINY.model_copy(update={"ensemble_size": 2, "units": [6, 6]})
    model = network.build_model(*design(SHAPE, SCALING, settings))
    lstms = [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
    recurrent = [layer.get_weights()[1] for layer in lstms]
    assert len(recurrent) == 4
    for weights in recurrent:
        assert weights.shape == (6, 24)
        assert weights @ weights.T == pytest.approx(np.eye(6), abs=1e-6)
    assert len({weights.tobytes() for weights in recurrent}) == 4


@pytest.mark.parametrize(
    ("others", "portable"),
    [
        ({}, True),
        ({"batch_size": 64, "units": [100], "chunk_length": 400}, True),
        ({"batch_size": 65}, False),
        ({"units": [8, 101]}, False),
        ({"chunk_length": 401}, False),
        ({"chunk_length": 401, "loss_at": "last_step"}, True),
        ({"horizon": 400}, True),
        ({"horizon": 401}, False),
    ],
)
def test_a_training_that_is_not_portable_says_so(
    others: dict[str, Any], portable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = WindowShape(LOOKBACK, others.pop("horizon", 1))
    settings = changed({f"train.{key}": value for key, value in others.items()}).train
    monkeypatch.setattr(arithmetic, "has_avx2", lambda: True)
    assert portability.is_portable(shape, settings) == portable
    assert ("cache and the cores" in portability.name_difference(shape, settings)) != portable
    monkeypatch.setattr(arithmetic, "has_avx2", lambda: False)
    assert "has no AVX2" in portability.name_difference(shape, settings)
    monkeypatch.setattr(tensorflow, "device_name", lambda: "A card")
    assert portability.name_difference(shape, settings) == "A card is not a CPU"


def test_the_minute_after_the_last_reading_is_forecast() -> None:
    model = network.build_model(*design(SHAPE, SCALING, TINY))
    last = np.array([len(VALUES) - LOOKBACK], np.int32)
    longer = np.concatenate([VALUES, [[9, 9]]]).astype(np.float32)
    assert keras_model.forecast(model, VALUES, last) == keras_model.forecast(model, longer, last)


@pytest.mark.parametrize("settings", [TINY, DENSE], ids=["level", "difference"])
@pytest.mark.parametrize("features", [1, 2, 7])
@pytest.mark.parametrize("minutes", [LOOKBACK - 1, LOOKBACK, LOOKBACK + 1])
@pytest.mark.parametrize("columns", [1, 2, 7])
def test_readings_of_another_shape_are_an_error(
    features: int, minutes: int, columns: int, settings: TrainParams
) -> None:
    model = network.build_model(
        *design(SHAPE, Scaler(np.ones(features), np.ones(features)), settings)
    )
    anomaly = settings.target == "difference"
    given = {"readings": np.ones((1, minutes, columns + anomaly), np.float32)}
    if anomaly:
        given["profile"] = np.ones((1, 1), np.float32)
    if (minutes, columns) == (LOOKBACK, features):
        assert keras_model.call(model, given).shape == (1, 1)
        return
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        keras_model.call(model, given)


@pytest.mark.parametrize("settings", [TINY, DENSE], ids=["level", "difference"])
def test_a_saved_model_forecasts_the_same(tmp_path: Path, settings: TrainParams) -> None:
    model = network.build_model(*design(SHAPE, SCALING, settings))
    keras_file.save(model, tmp_path / "model.keras")
    again = keras_file.load(tmp_path / "model.keras")
    assert np.array_equal(
        keras_model.forecast(model, VALUES, STARTS), keras_model.forecast(again, VALUES, STARTS)
    )
