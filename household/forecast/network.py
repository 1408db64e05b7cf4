"""The LSTM, and how a series is fed to it. Imports TensorFlow: for train and evaluate alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


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


# TensorFlow and Keras read these at import. Keras would else take whatever backend and precision
# the user has set for other work, in the environment or in ~/.keras.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.devnull
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# TensorFlow would else take all the memory of a GPU, which another training may want too.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# A member's layers follow each other in one thread: on two cores with a thread each, the third of
# three members would begin when another is through, and one core have nothing to do till the end.
if (os.cpu_count() or 1) < 3:
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "3")
# TensorFlow greets everyone who has no GPU with a page of warnings; train says what it runs on.
with _without_stderr():
    import keras
    import tensorflow as tf
# Nor is a process that trains several networks, as a search does, to be warned of each graph.
tf.get_logger().setLevel("ERROR")

from household.forecast import artifact, pieces, windows
from household.forecast.scaling import Scaling
from household.forecast.windows import Shape, Starts
from household.meter.series import Values
from household.pipeline import files, ranks
from household.pipeline.failure import Failure
from household.pipeline.params import Train

Model = keras.Model
FORECAST_BATCH = 4096


def make_repeatable(seed: int) -> None:
    """Seeds all that draws at random, and keeps to operations that give the same bits again."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def strategy() -> tf.distribute.Strategy:
    """How the training is spread: over several processes, as TF_CONFIG says, or GPUs of this one.

    Before anything else is asked of TensorFlow. Raises Failure where another process is not there.
    """
    processes = ranks.read()
    if len(processes.addresses) > 1:
        ranks.meet(processes)
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.get_visible_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def device() -> str:
    """What the network runs on, in words."""
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "a GPU")
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    return ", ".join(names) or "the CPU"


def shape(model: keras.Model) -> Shape:
    """The shape of the windows that `model` was built for."""
    return Shape(model.input_shape[1], model.output_shape[1])


def stretch(settings: Train) -> int:
    """The minutes with a loss that a training reads in a row; 1 where each is a window's target."""
    return settings.stretch if settings.supervision == "every_minute" else 1


def build(shape: Shape, scaling: Scaling, settings: Train) -> keras.Model:
    """The network, from readings in their own units to kW, not compiled.

    Takes (windows, lookback, features) and gives (windows, horizon), the target in each of the
    minutes after. Between stand `settings.members` alike, which differ in the weights that they
    start with, and the mean of what they give: Hansen and Salamon (1990), Neural network
    ensembles, IEEE Transactions on Pattern Analysis and Machine Intelligence 12(10). Each has one
    LSTM for each of `settings.units`, each followed by dropout, and a linear unit for each minute
    of the horizon.
    """
    return _network(shape, scaling, settings, 1, keras.layers.LSTM, keras.layers.Average)


def learner(shape: Shape, scaling: Scaling, settings: Train, minutes: int) -> keras.Model:
    """The same weights in the same order, to be trained: each member with forecasts of its own.

    Forecasts what comes after each of the `minutes` of a stretch from those up to it:
    (stretches, minutes, features) to (stretches, minutes, members * horizon), all of a member's
    side by side. Where `minutes` is 1 it takes windows: (windows, lookback, features) to
    (windows, members * horizon).
    """
    # On a GPU Keras takes the LSTM of cuDNN.
    lstm = keras.layers.LSTM if tf.config.get_visible_devices("GPU") else FusedLSTM
    return _network(shape, scaling, settings, minutes, lstm, keras.layers.Concatenate)


class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """The layer of Keras with a whole sequence in one operation of TensorFlow.

    The weights are the same, and so are outputs and gradients but for rounding. Keras runs a loop
    of many small operations a minute, which on a CPU costs more than their arithmetic does where
    layers and batches are as small as those of the defaults.
    """

    def call(self, sequences: tf.Tensor, initial_state: Any = None, **_: Any) -> tf.Tensor:
        kernel = tf.concat([self.cell.kernel, self.cell.recurrent_kernel], axis=0)
        nothing = tf.zeros((tf.shape(sequences)[0], self.units))
        hidden, cell = initial_state or (nothing, nothing)
        no_peephole = tf.zeros(self.units)
        # Not BlockLSTMV2, which has the gates in the order of Keras: TensorFlow computes its
        # gradient as if they were in the order of the first version.
        *_, outputs = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(sequences.shape[1], tf.int64),
            x=tf.transpose(sequences, (1, 0, 2)),
            w=_first_version(kernel),
            b=_first_version(self.cell.bias),
            h_prev=hidden,
            cs_prev=cell,
            wci=no_peephole,
            wcf=no_peephole,
            wco=no_peephole,
            forget_bias=0.0,
            cell_clip=0.0,
        )
        return tf.transpose(outputs, (1, 0, 2)) if self.return_sequences else outputs[-1]


def _first_version(weights: tf.Tensor) -> tf.Tensor:
    """From the order of the gates in Keras to that of BlockLSTM: input, cell, forget, output."""
    entry, forget, cell, output = tf.split(weights, 4, axis=-1)
    return tf.concat([entry, cell, forget, output], axis=-1)


def _network(
    shape: Shape,
    scaling: Scaling,
    settings: Train,
    minutes: int,
    lstm: type[keras.layers.LSTM],
    joined: type[keras.layers.Layer],
) -> keras.Model:
    features = len(scaling.center)
    length = pieces.length(shape, minutes)
    readings = keras.Input((length, features), name="readings")
    # Keras lets a single column pass where several are expected, and the center would then be
    # broadcast over it: a number that is wrong without a word. The reshaping refuses it.
    exact = keras.layers.Reshape((length, features), name="exact")(readings)
    scaled = keras.layers.Rescaling(
        (1 / scaling.scale).tolist(), (-scaling.center / scaling.scale).tolist(), name="scaled"
    )(exact)
    if settings.changes:
        scaled = _with_changes(scaled)
    members = [
        _member(scaled, shape.horizon, settings, minutes, lstm, number)
        for number in range(1, settings.members + 1)
    ]
    linear = joined(name="members")(members) if len(members) > 1 else members[0]
    offset = 0.0 if settings.target == "change" else float(scaling.center[0])
    kilowatts = keras.layers.Rescaling(float(scaling.scale[0]), offset, name="kilowatts")(linear)
    if settings.target == "change":
        kilowatts = keras.layers.Add(name="forecast")([_last(exact, minutes), kilowatts])
    return keras.Model(readings, kilowatts, name="forecaster")


def _member(
    inputs: keras.KerasTensor,
    horizon: int,
    settings: Train,
    minutes: int,
    lstm: type[keras.layers.LSTM],
    number: int,
) -> keras.KerasTensor:
    """The LSTM layers, up to the linear units."""
    hidden = inputs
    for depth, units in enumerate(settings.units, 1):
        last = depth == len(settings.units)
        sequence = minutes > 1 or not last
        hidden = lstm(units, return_sequences=sequence, name=f"lstm_{number}_{depth}")(hidden)
        hidden = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}_{depth}")(hidden)
    # A forecast that starts as persistence has the least to learn.
    first = "zeros" if settings.target == "change" else "glorot_uniform"
    return keras.layers.Dense(horizon, kernel_initializer=first, name=f"linear_{number}")(hidden)


def _with_changes(scaled: keras.KerasTensor) -> keras.KerasTensor:
    """Each feature, and its change from the minute before, 0 in the first: twice the features."""
    changes = keras.layers.Subtract(name="differences")(
        [
            keras.layers.Cropping1D((1, 0), name="now")(scaled),
            keras.layers.Cropping1D((0, 1), name="before")(scaled),
        ]
    )
    padded = keras.layers.ZeroPadding1D((1, 0), name="changes")(changes)
    return keras.layers.Concatenate(name="with_changes")([scaled, padded])


def _last(readings: keras.KerasTensor, minutes: int) -> keras.KerasTensor:
    """The target's value in the last input minute of each forecast."""
    # Layers and not a slice, whose name in the file would depend on how many there were before.
    _, length, features = readings.shape
    grid = keras.layers.Reshape((length, features, 1), name="grid")(readings)
    last = keras.layers.Cropping2D(((length - minutes, 0), (0, features - 1)), name="last")(grid)
    return keras.layers.Reshape((minutes, 1) if minutes > 1 else (1,), name="power")(last)


def batches(values: Values, starts: Starts, lookback: int, batch_size: int) -> tf.data.Dataset:
    """The inputs of the windows at `starts`, in that order: batches (batch, lookback, features).

    Each is gathered from the series `values` (minutes, features) only when it is due.
    """
    minutes = tf.constant(values)
    order = tf.data.Dataset.from_tensor_slices(starts).batch(batch_size)
    return order.map(lambda starts: _inputs(minutes, starts, lookback)).prefetch(2)


def shuffled(seed: int, epoch: int) -> pieces.Shuffle:
    """The order that the seed and the epoch's number have set, the same on every machine."""

    def shuffle(array: Starts, number: int, below: int) -> Starts:
        key = tf.constant([seed, epoch + number * 2**32], tf.int64)
        shift = tf.random.stateless_uniform([], key, maxval=below, dtype=tf.int32)
        order = tf.random.experimental.stateless_shuffle(array + shift, key)
        return order.numpy()

    return shuffle


def _inputs(minutes: tf.Tensor, starts: tf.Tensor, lookback: int) -> tf.Tensor:
    return tf.gather(minutes, windows.input_minutes(starts, lookback))


def save(model: keras.Model, path: Path) -> None:
    """Writes `model` so that `keras.models.load_model` reads it; the same model, the same bytes."""
    with files.atomic_write(path) as partial:
        model.save(partial)
        artifact.make_canonical(partial)


def load(path: Path) -> keras.Model:
    """The model that `save` wrote; raises Failure for any other file, one that holds code too."""
    try:
        return keras.models.load_model(path, safe_mode=True)
    # Keras raises whatever what it reads leads it to.
    except Exception as error:
        raise Failure(f"{path}: no network of the train stage ({error!r})") from None


def forecast(
    model: keras.Model, values: Values, starts: Starts, progress: bool = False
) -> npt.NDArray[np.float32]:
    """The model's forecasts for each window of the series `values`, in kW: (windows, horizon).

    The target minutes need not be there yet: the last start is len(values) - lookback.
    """
    inputs = batches(values, starts, model.input_shape[1], FORECAST_BATCH)
    return model.predict(inputs, verbose=int(progress))
