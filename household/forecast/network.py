"""The LSTM, and how a series is fed to it. Imports TensorFlow: for train and evaluate alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

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
from household.pipeline import arithmetic, files, ranks
from household.pipeline.failure import Failure
from household.pipeline.params import Train

Model: TypeAlias = keras.Model
FORECAST_BATCH = 4096
# The largest product of matrices that no cache and no number of cores changes, see `is_portable`:
# the terms of a sum, and the rows. Both were found by emulating other processors.
MOST_TERMS, MOST_ROWS = 400, 64


def is_portable(shape: Shape, settings: Train) -> bool:
    """Return whether a training gives the same bytes on every x86-64 processor with AVX2.

    TensorFlow cuts a large product of matrices to the first-level cache and shares it out among the
    cores, and each way to cut it rounds differently. A training that reads few rows a step, into
    layers of few units, has no such product. The longest sums are over the four gates of each unit
    of an LSTM, and over the minutes of a stretch and of the horizon.
    """
    terms = max(4 * max(settings.units), stretch(settings), shape.horizon)
    return terms <= MOST_TERMS and settings.batch_size <= MOST_ROWS


def name_difference(shape: Shape, settings: Train) -> str:
    """Return why a training on another machine may round otherwise, "" where it may not."""
    if device() != "the CPU":
        return f"{device()} is no CPU"
    if not arithmetic.has_avx2():
        return "this processor has no AVX2"
    if len(ranks.read().addresses) > 1:
        return "several processes train"
    if not is_portable(shape, settings):
        return (
            f"more than {MOST_ROWS} stretches a batch, {MOST_TERMS // 4} units a layer, or "
            f"{MOST_TERMS} minutes a stretch or ahead depend on the cache and the cores"
        )
    return ""


def make_repeatable(seed: int, shape: Shape, settings: Train) -> None:
    """Seed the random numbers, and take operations and threads that give the same bits again."""
    if is_portable(shape, settings):
        # Raised where TensorFlow is at work already: by an earlier training of this process, or
        # over several processes or GPUs.
        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)
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
    layers = _Layers(keras.layers.LSTM, keras.layers.Dense, keras.layers.Average)
    model = _network(shape, scaling, settings, 1, layers)
    for layer in model.layers:
        if isinstance(layer, keras.layers.LSTM):
            kernel, recurrent, bias = layer.get_weights()
            layer.set_weights([kernel, _orthogonal(*recurrent.shape), bias])
    return model


def _orthogonal(rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Draw orthogonal rows, no more than `columns`, as Keras does for an LSTM.

    Keras lets TensorFlow decompose the matrix, which cuts it to the cache of the processor.
    Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks, ICLR.
    """
    gauss = keras.random.normal((columns, rows)).numpy().astype(np.float64)
    orthogonal, triangle = np.linalg.qr(gauss)
    return (orthogonal * np.sign(np.diag(triangle))).T


def learner(shape: Shape, scaling: Scaling, settings: Train, minutes: int) -> keras.Model:
    """The same weights in the same order, to be trained: each member with forecasts of its own.

    Forecasts what comes after each of the `minutes` of a stretch from those up to it:
    (stretches, minutes, features) to (stretches, minutes, members * horizon), all of a member's
    side by side. Where `minutes` is 1 it takes windows: (windows, lookback, features) to
    (windows, members * horizon).
    """
    layers = _Layers(FusedLSTM, BatchedDense, keras.layers.Concatenate)
    if tf.config.get_visible_devices("GPU"):  # where Keras takes the LSTM of cuDNN
        layers = layers._replace(lstm=keras.layers.LSTM, dense=keras.layers.Dense)
    return _network(shape, scaling, settings, minutes, layers)


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


class BatchedDense(keras.layers.Dense):  # type: ignore[misc]
    """The layer of Keras with a product of matrices for each stretch of a batch.

    Keras makes one matrix of all stretches, which is too long a sum for `is_portable`.
    """

    def call(self, hidden: tf.Tensor, **_: Any) -> tf.Tensor:
        return tf.matmul(hidden, self.kernel) + self.bias


class _Layers(NamedTuple):
    """The layers of a network, the last of which joins what the members give."""

    lstm: type[keras.layers.LSTM]
    dense: type[keras.layers.Dense]
    joined: type[keras.layers.Layer]


def _first_version(weights: tf.Tensor) -> tf.Tensor:
    """From the order of the gates in Keras to that of BlockLSTM: input, cell, forget, output."""
    entry, forget, cell, output = tf.split(weights, 4, axis=-1)
    return tf.concat([entry, cell, forget, output], axis=-1)


def _network(
    shape: Shape,
    scaling: Scaling,
    settings: Train,
    minutes: int,
    layers: _Layers,
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
        _member(scaled, shape.horizon, settings, minutes, layers, number)
        for number in range(1, settings.members + 1)
    ]
    linear = layers.joined(name="members")(members) if len(members) > 1 else members[0]
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
    layers: _Layers,
    number: int,
) -> keras.KerasTensor:
    """The LSTM layers, up to the linear units."""
    hidden = inputs
    for depth, units in enumerate(settings.units, 1):
        last = depth == len(settings.units)
        layer = layers.lstm(
            units, return_sequences=minutes > 1 or not last, name=f"lstm_{number}_{depth}"
        )
        hidden = layer(hidden)
        hidden = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}_{depth}")(hidden)
    # A forecast that starts as persistence has the least to learn.
    first = "zeros" if settings.target == "change" else "glorot_uniform"
    return layers.dense(horizon, kernel_initializer=first, name=f"linear_{number}")(hidden)


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
