"""The LSTM, and how a series is fed to it. Imports TensorFlow: for train and evaluate alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt


@contextmanager
def _hushed() -> Iterator[None]:
    """Drops what C++ writes to standard error, below the reach of any setting."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# Both are read at import. Keras would else take whatever backend the user has set for other work.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# TensorFlow greets everyone who has no GPU with a page of warnings; train says what it runs on.
with _hushed():
    import keras
    import tensorflow as tf

from household import params
from household.series import Values
from household.windows import Starts

Model = keras.Model
FORECAST_BATCH = 4096


def make_repeatable(seed: int) -> None:
    """Seeds all that draws at random, and keeps to operations that give the same bits again."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def device() -> str:
    """What the network runs on, in words."""
    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else "the CPU"


def build(length: int, features: int, settings: params.Train) -> keras.Model:
    """The tutorial's network for inputs (batch, length - 1, features), compiled.

    One LSTM for each of `settings.hidden`, each followed by dropout, all but the last giving a
    sequence; then one linear unit: the target, less its centre, in kW.
    """
    model = keras.Sequential([keras.Input((length - 1, features))], name="lstm")
    for depth, units in enumerate(settings.hidden, 1):
        model.add(keras.layers.LSTM(units, return_sequences=depth < len(settings.hidden)))
        model.add(keras.layers.Dropout(settings.dropout))
    model.add(keras.layers.Dense(1))
    optimizer = keras.optimizers.get(settings.optimizer)
    optimizer.learning_rate = settings.learning_rate
    model.compile(loss=settings.loss, optimizer=optimizer)
    return model


def centred(values: Values, centre: npt.NDArray[np.float64]) -> Values:
    """The series (minutes, features) less its `centre` (features,), taken in float64."""
    return (values.astype(np.float64) - centre).astype(np.float32)


def batches(values: Values, starts: Starts, length: int, batch_size: int) -> tf.data.Dataset:
    """The windows at `starts`, in that order, as batches of inputs and targets.

    Inputs are (batch, length - 1, features), targets (batch, 1), gathered from the centred
    series `values` (minutes, features) only when their batch is due.
    """
    order = tf.data.Dataset.from_tensor_slices(starts).batch(batch_size)
    return order.map(_gather(values, length)).prefetch(2)


def shuffled_batches(
    values: Values,
    starts: Starts,
    length: int,
    batch_size: int,
    epochs: int,
    seed: int,
) -> tf.data.Dataset:
    """As `batches`, over and over for `epochs`, in another order each, set by `seed`.

    Single windows are shuffled, not batches, and the order of an epoch depends on `seed` and the
    epoch's number alone.
    """

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(
            starts, seed=tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size)

    return tf.data.Dataset.range(epochs).flat_map(order).map(_gather(values, length)).prefetch(2)


def _gather(values: Values, length: int):  # type: ignore[no-untyped-def]
    minutes = tf.constant(values)
    inputs = tf.range(length - 1)

    def gather(starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return (
            tf.gather(minutes, starts[:, tf.newaxis] + inputs),
            tf.gather(minutes[:, :1], starts + (length - 1)),
        )

    return gather


def load(path: Path) -> keras.Model:
    """A model that was saved by `keras.Model.save`."""
    return keras.models.load_model(path)


def forecast(
    model: keras.Model,
    values: Values,
    starts: Starts,
    length: int,
    centre: npt.NDArray[np.float64],
    progress: bool = False,
) -> npt.NDArray[np.float32]:
    """The model's forecast for each window, in kW: (windows,); `values` as measured."""
    given = batches(centred(values, centre), starts, length, FORECAST_BATCH)
    predicted = model.predict(given.map(lambda inputs, _: inputs), verbose=int(progress))
    return (predicted[:, 0].astype(np.float64) + centre[0]).astype(np.float32)
