"""Build the LSTM."""

from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from household.core import arithmetic
from household.core.params import TrainParams
from household.core.schema import Float64
from household.dataset import batches
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.model import distributed, head, tensorflow
from household.model.calibration import Calibration
from household.model.tensorflow import keras, tf

Model: TypeAlias = keras.Model
# Limits of `is_portable` for a matrix product: terms of a sum, and rows. Both were found by
# emulating other processors.
MAX_PORTABLE_TERMS, MAX_PORTABLE_ROWS = 400, 64


def is_portable(shape: WindowShape, settings: TrainParams) -> bool:
    """Return whether a training gives the same bytes on every x86-64 processor with AVX2.

    TensorFlow splits a large matrix product by the size of the first-level cache and by the number
    of cores, and each way to split it rounds differently. A training with small batches and small
    layers has no such product. The longest sums are over the four gates of each LSTM unit, over the
    steps of a chunk and over the horizon.
    """
    longest_sum = max(4 * max(settings.units), chunk_length(settings), shape.horizon)
    return longest_sum <= MAX_PORTABLE_TERMS and settings.batch_size <= MAX_PORTABLE_ROWS


def name_difference(shape: WindowShape, settings: TrainParams) -> str:
    """Return why a training on another machine may round differently, "" if it may not."""
    if tensorflow.device_name() != "the CPU":
        return f"{tensorflow.device_name()} is not a CPU"
    if not arithmetic.has_avx2():
        return "this processor has no AVX2"
    if len(distributed.workers_from_env().addresses) > 1:
        return "several workers train"
    if not is_portable(shape, settings):
        return (
            f"more than {MAX_PORTABLE_ROWS} chunks a batch, {MAX_PORTABLE_TERMS // 4} units a "
            f"layer, or {MAX_PORTABLE_TERMS} steps a chunk or ahead depend on the cache and the "
            "cores"
        )
    return ""


def set_determinism(seed: int, shape: WindowShape, settings: TrainParams) -> None:
    """Seed the random numbers and use deterministic operations and threads."""
    if is_portable(shape, settings):
        # RuntimeError means that TensorFlow has started: in an earlier training of this process, or
        # for several processes or GPUs.
        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def window_shape(model: keras.Model) -> WindowShape:
    """Return the shape of the windows for which `model` was built."""
    return WindowShape(model.input_shape[1], model.outputs[0].shape[1])


def chunk_length(settings: TrainParams) -> int:
    """Return the length of a chunk in steps; 1 for a loss at the end of each window."""
    return settings.chunk_length if settings.loss_at == "every_step" else 1


def build_model(
    shape: WindowShape,
    scaling: Scaler,
    settings: TrainParams,
    calibration: Calibration | None = None,
) -> keras.Model:
    """Build the network, from readings in their own units to kW. It is not compiled.

    It maps (windows, lookback, features) to the distribution of the target in each of the following
    minutes: `mean` (windows, horizon) and `quantiles` (windows, horizon, levels). With another loss
    than `quantile` it has one output, the target: (windows, horizon).

    `settings.ensemble_size` networks that differ in their initial weights are averaged, quantile by
    quantile. Each has an LSTM layer for each of `settings.units`, followed by dropout, and a linear
    unit for each output. Hansen and Salamon (1990), Neural network ensembles, IEEE Transactions on
    Pattern Analysis and Machine Intelligence 12(10).

    Args:
        shape: The shape of the windows.
        scaling: The scaling of the features.
        settings: The parameters of the train stage.
        calibration: The calibration of the quantiles, by default none.
    """
    layers = _Layers(keras.layers.LSTM, keras.layers.Dense, keras.layers.Average)
    readings, forecast = _network(shape, scaling, settings, minutes=1, layers=layers)
    if count := len(settings.levels):
        calibration = calibration or Calibration.none(count, shape.horizon)
        forecast = head.mean_and_quantiles(forecast, calibration)
    model = keras.Model(readings, forecast, name="forecaster")
    for layer in model.layers:
        if isinstance(layer, keras.layers.LSTM):
            kernel, recurrent, bias = layer.get_weights()
            layer.set_weights([kernel, _orthogonal(*recurrent.shape), bias])
    return model


def _orthogonal(rows: int, columns: int) -> Float64:
    """Draw a matrix with orthogonal rows, no more than `columns`, as Keras does for an LSTM.

    Keras lets TensorFlow decompose the matrix, whose result depends on the cache of the processor.
    Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks, ICLR.
    """
    gauss = keras.random.normal((columns, rows)).numpy().astype(np.float64)
    orthogonal, triangle = np.linalg.qr(gauss)
    return (orthogonal * np.sign(np.diag(triangle))).T


def build_training_model(
    shape: WindowShape, scaling: Scaler, settings: TrainParams, *, minutes: int
) -> keras.Model:
    """Build the training model: the same weights in the same order, with an output for each member.

    It forecasts from each of the `minutes` of a chunk what comes after: (chunks, minutes, features)
    to (chunks, minutes, members * outputs), the outputs of a member side by side. If `minutes` is 1
    it takes windows: (windows, lookback, features) to (windows, members * outputs). The outputs are
    the steps of the horizon for each quantile and then for the mean.

    Args:
        shape: The shape of the windows.
        scaling: The scaling of the features.
        settings: The parameters of the train stage.
        minutes: The length of a chunk.
    """
    layers = _Layers(FusedLSTM, BatchedDense, keras.layers.Concatenate)
    if tf.config.get_visible_devices("GPU"):  # on which Keras uses the LSTM of cuDNN
        layers = layers._replace(lstm=keras.layers.LSTM, dense=keras.layers.Dense)
    readings, forecast = _network(shape, scaling, settings, minutes=minutes, layers=layers)
    return keras.Model(readings, forecast, name="forecaster")


class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """Run Keras's LSTM layer as one TensorFlow operation for a whole sequence.

    Weights, outputs and gradients are the same except for rounding. Keras instead runs a loop of
    many small operations a minute. On a CPU, with layers and batches as small as the defaults, that
    costs more than the arithmetic.
    """

    def call(self, sequences: tf.Tensor, initial_state: Any = None, **_: Any) -> tf.Tensor:
        """Return the outputs of the layer: (batch, units) or (batch, minutes, units)."""
        kernel = tf.concat([self.cell.kernel, self.cell.recurrent_kernel], axis=0)
        zeros = tf.zeros((tf.shape(sequences)[0], self.units))
        hidden, cell = initial_state or (zeros, zeros)
        no_peephole = tf.zeros(self.units)
        # BlockLSTMV2 takes the gates in the order of Keras, but TensorFlow computes its gradient as
        # if they were in the order of BlockLSTM.
        *_, outputs = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(sequences.shape[1], tf.int64),
            x=tf.transpose(sequences, (1, 0, 2)),
            w=_to_block_lstm_order(kernel),
            b=_to_block_lstm_order(self.cell.bias),
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
    """Run Keras's dense layer as a separate matrix product for each chunk and block of outputs.

    Keras joins all chunks into one matrix, whose sums are too long for `is_portable`.
    """

    def call(self, hidden: tf.Tensor, **_: Any) -> tf.Tensor:
        """Return the outputs of the layer: (batch, minutes, units)."""
        blocks = [
            tf.matmul(hidden, self.kernel[:, first : first + MAX_PORTABLE_TERMS])
            for first in range(0, self.units, MAX_PORTABLE_TERMS)
        ]
        return tf.concat(blocks, axis=-1) + self.bias


class _Layers(NamedTuple):
    """Hold the layer types of a network; `joined` joins the outputs of the members."""

    lstm: type[keras.layers.LSTM]
    dense: type[keras.layers.Dense]
    joined: type[keras.layers.Layer]


def _to_block_lstm_order(weights: tf.Tensor) -> tf.Tensor:
    """Reorder the gates of an LSTM from Keras to BlockLSTM: input, cell, forget, output."""
    input_gate, forget_gate, cell, output_gate = tf.split(weights, 4, axis=-1)
    return tf.concat([input_gate, cell, forget_gate, output_gate], axis=-1)


def _network(
    shape: WindowShape,
    scaling: Scaler,
    settings: TrainParams,
    *,
    minutes: int,
    layers: _Layers,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the input and the linear outputs in kW."""
    features = len(scaling.center)
    length = batches.input_length(shape, minutes)
    readings = keras.Input((length, features), name="readings")
    # Keras accepts a single column where several are expected and would broadcast the center over
    # it, which gives a silently wrong number. The reshaping refuses it.
    exact = keras.layers.Reshape((length, features), name="exact")(readings)
    scaled = keras.layers.Rescaling(
        (1 / scaling.scale).tolist(), (-scaling.center / scaling.scale).tolist(), name="scaled"
    )(exact)
    if settings.difference_inputs:
        scaled = _with_changes(scaled)
    outputs = (len(settings.levels) + 1) * shape.horizon
    members = [
        _member(scaled, outputs, settings, minutes=minutes, layers=layers, number=member)
        for member in range(1, settings.ensemble_size + 1)
    ]
    linear = layers.joined(name="members")(members) if len(members) > 1 else members[0]
    offset = 0.0 if settings.target == "difference" else float(scaling.center[0])
    kilowatts = keras.layers.Rescaling(float(scaling.scale[0]), offset, name="kilowatts")(linear)
    if settings.target == "difference":
        kilowatts = keras.layers.Add(name="forecast")([_last(exact, minutes), kilowatts])
    return readings, kilowatts


def _member(
    inputs: keras.KerasTensor,
    outputs: int,
    settings: TrainParams,
    *,
    minutes: int,
    layers: _Layers,
    number: int,
) -> keras.KerasTensor:
    """Build the layers of an ensemble member, up to its linear units."""
    hidden = inputs
    for depth, units in enumerate(settings.units, 1):
        last = depth == len(settings.units)
        layer = layers.lstm(
            units, return_sequences=minutes > 1 or not last, name=f"lstm_{number}_{depth}"
        )
        hidden = layer(hidden)
        hidden = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}_{depth}")(hidden)
    # With zeros the forecast starts as persistence, so the network only learns the difference.
    initializer = "zeros" if settings.target == "difference" else "glorot_uniform"
    return layers.dense(outputs, kernel_initializer=initializer, name=f"linear_{number}")(hidden)


def _with_changes(scaled: keras.KerasTensor) -> keras.KerasTensor:
    """Append to each feature its change from the minute before, 0 in the first minute."""
    changes = keras.layers.Subtract(name="differences")(
        [
            keras.layers.Cropping1D((1, 0), name="now")(scaled),
            keras.layers.Cropping1D((0, 1), name="before")(scaled),
        ]
    )
    padded = keras.layers.ZeroPadding1D((1, 0), name="changes")(changes)
    return keras.layers.Concatenate(name="with_changes")([scaled, padded])


def _last(readings: keras.KerasTensor, minutes: int) -> keras.KerasTensor:
    """Return the target's value in the last input minute of each forecast."""
    # Layers instead of a slice, whose name in the file would depend on the slices made before.
    _, length, features = readings.shape
    grid = keras.layers.Reshape((length, features, 1), name="grid")(readings)
    last = keras.layers.Cropping2D(((length - minutes, 0), (0, features - 1)), name="last")(grid)
    return keras.layers.Reshape((minutes, 1) if minutes > 1 else (1,), name="power")(last)


def epoch_shuffle(seed: int, epoch: int) -> batches.Shuffle:
    """Return a shuffle that depends only on the seed and the epoch, on every machine."""

    def shuffle(array: Starts, buffer_index: int, max_shift: int) -> Starts:
        key = tf.constant([seed, epoch + buffer_index * 2**32], tf.int64)
        shift = tf.random.stateless_uniform([], key, maxval=max_shift, dtype=tf.int32)
        order = tf.random.experimental.stateless_shuffle(array + shift, key)
        return order.numpy()

    return shuffle
