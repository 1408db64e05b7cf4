"""The LSTM, and how a series is fed to it. Imports TensorFlow: for train and evaluate alone."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drops what C++ writes to standard error, below the reach of any setting."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# TensorFlow and Keras read these at import. Keras would else take whatever backend the user has
# set for other work.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# TensorFlow greets everyone who has no GPU with a page of warnings; train says what it runs on.
with _without_stderr():
    import keras
    import tensorflow as tf

from household.forecast import artifact, windows
from household.forecast.windows import Starts
from household.meter.series import Values
from household.pipeline import files
from household.pipeline.failure import Failure
from household.pipeline.params import Train

Model = keras.Model
NAME = "LSTM"
FORECAST_BATCH = 4096
# Enough for a curve, and few enough for a page of plots.
HISTORY_ROWS = 100


def make_repeatable(seed: int) -> None:
    """Seeds all that draws at random, and keeps to operations that give the same bits again."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def device() -> str:
    """What the network runs on, in words."""
    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else "the CPU"


def build(lookback: int, center: npt.NDArray[np.float64], settings: Train) -> keras.Model:
    """The tutorial's network, compiled; from readings in their own units to kW.

    Takes (windows, lookback, features), the features in the order of `center` (features,), which
    is subtracted from them, and gives (windows, 1), the target of the minute after. Between stand
    one LSTM for each of `settings.units`, each followed by dropout, all but the last giving a
    sequence; then one linear unit, to which the target's center is added back.
    """
    readings = keras.Input((lookback, len(center)), name="readings")
    # Keras lets a single column pass where several are expected, and the center would then be
    # broadcast over it: a number that is wrong without a word. The reshaping refuses it.
    exact = keras.layers.Reshape((lookback, len(center)), name="exact")(readings)
    hidden = keras.layers.Rescaling(1.0, (-center).tolist(), name="center")(exact)
    for depth, units in enumerate(settings.units, 1):
        sequence = depth < len(settings.units)
        hidden = keras.layers.LSTM(units, return_sequences=sequence, name=f"lstm_{depth}")(hidden)
        hidden = keras.layers.Dropout(settings.dropout, name=f"dropout_{depth}")(hidden)
    centered = keras.layers.Dense(1, name="linear")(hidden)
    kilowatts = keras.layers.Rescaling(1.0, float(center[0]), name="kilowatts")(centered)
    model = keras.Model(readings, kilowatts, name="forecaster")
    # Keras would name the optimizer after how many there were in the process, and store the name.
    named = {"name": settings.optimizer, "learning_rate": settings.learning_rate}
    optimizer = keras.optimizers.get({"class_name": settings.optimizer, "config": named})
    model.compile(loss=settings.loss, optimizer=optimizer)
    return model


def batches(values: Values, starts: Starts, lookback: int, batch_size: int) -> tf.data.Dataset:
    """The inputs of the windows at `starts`, in that order: batches (batch, lookback, features).

    Each is gathered from the series `values` (minutes, features) only when it is due.
    """
    minutes = tf.constant(values)
    order = tf.data.Dataset.from_tensor_slices(starts).batch(batch_size)
    return order.map(lambda starts: _inputs(minutes, starts, lookback)).prefetch(2)


def labelled_batches(
    values: Values, starts: Starts, lookback: int, batch_size: int
) -> tf.data.Dataset:
    """As `batches`, each with its targets (batch, 1)."""
    order = tf.data.Dataset.from_tensor_slices(starts).batch(batch_size)
    return order.map(_labelled(values, lookback)).prefetch(2)


def shuffled_batches(
    values: Values,
    starts: Starts,
    lookback: int,
    batch_size: int,
    epochs: int,
    seed: int,
) -> tf.data.Dataset:
    """As `labelled_batches`, over and over for `epochs`, in another order each, set by `seed`.

    Single windows are shuffled, not batches, and the order of an epoch depends on `seed` and the
    epoch's number alone.
    """

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(
            starts, seed=tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size)

    each_epoch = tf.data.Dataset.range(epochs).flat_map(order)
    return each_epoch.map(_labelled(values, lookback)).prefetch(2)


def _labelled(values: Values, lookback: int) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    minutes = tf.constant(values)
    return lambda starts: (
        _inputs(minutes, starts, lookback),
        tf.gather(minutes[:, :1], windows.target_minutes(starts, lookback)),
    )


def _inputs(minutes: tf.Tensor, starts: tf.Tensor, lookback: int) -> tf.Tensor:
    return tf.gather(minutes, windows.input_minutes(starts, lookback))


class _LossBySteps(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the training loss over each stretch of steps, and the validation loss by epoch.

    `rows` holds (epoch, part, loss); the epoch is a count from 0 that grows within each as well.
    """

    def __init__(self, train_windows: int, batch_size: int) -> None:
        super().__init__()
        self.rows: list[tuple[float, str, float]] = []
        self._windows, self._batch_size = train_windows, batch_size

    def on_train_begin(self, _: Any = None) -> None:
        self._steps = self.params["steps"]
        self._stretch = -(-self._steps * self.params["epochs"] // HISTORY_ROWS)

    def on_epoch_begin(self, epoch: int, _: Any = None) -> None:
        self._epoch, self._seen, self._sum = epoch, 0, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = batch + 1
        if step % self._stretch and step < self._steps:
            return
        # Keras gives the mean over the epoch so far; what this stretch adds to the sum is its own.
        seen = min(step * self._batch_size, self._windows)
        total = float(logs["loss"]) * seen
        loss = (total - self._sum) / (seen - self._seen)
        self.rows.append((self._epoch + step / self._steps, "train", loss))
        self._seen, self._sum = seen, total

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if "val_loss" in logs:
            self.rows.append((epoch + 1.0, "validation", float(logs["val_loss"])))


def fit(
    model: keras.Model,
    values: Values,
    train: Starts,
    validation: Starts,
    settings: Train,
    seed: int,
) -> pa.Table:
    """Trains `model` in place on the series `values`; returns the losses (epoch, part, loss).

    Raises Failure where the loss ends up as no number.
    """
    lookback = model.input_shape[1]
    losses = _LossBySteps(len(train), settings.batch_size)
    model.fit(
        shuffled_batches(values, train, lookback, settings.batch_size, settings.epochs, seed),
        steps_per_epoch=-(-len(train) // settings.batch_size),
        epochs=settings.epochs,
        validation_data=(
            labelled_batches(values, validation, lookback, FORECAST_BATCH)
            if len(validation)
            else None
        ),
        callbacks=[losses],
        # The batches come shuffled; Keras would warn that it can't shuffle them.
        shuffle=False,
        # A bar where somebody looks on, a line an epoch where a file does.
        verbose=1 if sys.stdout.isatty() else 2,
    )
    if not all(math.isfinite(loss) for _, _, loss in losses.rows):
        raise Failure(
            "the loss is no longer a number: the training went astray; lower train.learning_rate"
        )
    epoch, part, loss = zip(*losses.rows, strict=True)
    return pa.table({"epoch": epoch, "part": part, "loss": loss})


def save(model: keras.Model, path: Path) -> None:
    """Writes `model` so that `keras.models.load_model` reads it; the same model, the same bytes."""
    with files.atomic_write(path) as partial:
        model.save(partial)
        artifact.make_canonical(partial)


def load(path: Path) -> keras.Model:
    return keras.models.load_model(path)


def forecast(
    model: keras.Model, values: Values, starts: Starts, progress: bool = False
) -> npt.NDArray[np.float32]:
    """The model's forecast for each window of the series `values`, in kW: (windows,).

    The target minute need not be there yet: the last start is len(values) - lookback.
    """
    inputs = batches(values, starts, model.input_shape[1], FORECAST_BATCH)
    return model.predict(inputs, verbose=int(progress))[:, 0]
