"""Build the LSTM."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from household.core.params import TrainParams
from household.core.schema import Float64
from household.dataset import batches, inputs, shuffle_buffer
from household.dataset.inputs import InputColumns
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.model import head
from household.model.calibration import Calibration
from household.model.layers import TO_DEPLOY, TO_TRAIN, TO_TRAIN_ON_GPU, Layers
from household.model.member import MemberInputs, build_member, crop
from household.model.tensorflow import keras, tf

Model: TypeAlias = keras.Model


def window_shape(model: keras.Model) -> WindowShape:
    """Return the shape of the windows for which `model` was built."""
    (readings,) = (each for each in model.inputs if each.name == inputs.READINGS)
    return WindowShape(readings.shape[1], model.outputs[0].shape[1])


def chunk_length(settings: TrainParams) -> int:
    """Return the length of a chunk in steps; 1 for a loss at the end of each window."""
    return settings.chunk_length if settings.loss_at == "every_step" else 1


def build_model(
    shape: WindowShape,
    scaling: Scaler,
    columns: InputColumns,
    settings: TrainParams,
    calibration: Calibration | None = None,
) -> keras.Model:
    """Build the network, from readings in their own units to kW. It is not compiled.

    It maps the inputs of `household.dataset.inputs` to the distribution of the target in each of
    the following minutes: `mean` (windows, horizon) and `quantiles` (windows, horizon, levels).
    With another loss than `quantile` it has one output, the target: (windows, horizon). If it reads
    nothing but the readings, it takes their array instead of a dictionary.

    `settings.ensemble_size` networks that differ in their initial weights are averaged, quantile by
    quantile. Each has an LSTM layer for each of `settings.units`, followed by dropout, and a linear
    unit for each output. Hansen and Salamon (1990), Neural network ensembles, IEEE Transactions on
    Pattern Analysis and Machine Intelligence 12(10).

    Args:
        shape: The shape of the windows.
        scaling: The scaling of the features.
        columns: What the network reads besides the features.
        settings: The parameters of the train stage.
        calibration: The calibration of the quantiles, by default none.
    """
    given, forecast = _network(shape, scaling, columns, settings, minutes=1, layers=TO_DEPLOY)
    if count := len(settings.levels):
        calibration = calibration or Calibration.none(count, shape.horizon)
        forecast = head.mean_and_quantiles(forecast, calibration)
    model = keras.Model(given, forecast, name="forecaster")
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
    shape: WindowShape,
    scaling: Scaler,
    columns: InputColumns,
    settings: TrainParams,
    *,
    minutes: int,
) -> keras.Model:
    """Build the training model: the same weights in the same order, with an output for each member.

    It forecasts from each of the `minutes` of a chunk after the burn-in what comes after: readings
    (chunks, minutes, columns) to (chunks, forecasts, members * outputs), the outputs of a member
    side by side. If `minutes` is 1 it takes windows: (windows, lookback, columns) to (windows,
    members * outputs). The outputs are the steps of the horizon for each quantile and then for the
    mean.

    Args:
        shape: The shape of the windows.
        scaling: The scaling of the features.
        columns: What the network reads besides the features.
        settings: The parameters of the train stage.
        minutes: The length of a chunk.
    """
    layers = TO_TRAIN_ON_GPU if tf.config.get_visible_devices("GPU") else TO_TRAIN
    given, forecast = _network(
        shape,
        scaling,
        columns,
        settings,
        minutes=minutes,
        burn_in=settings.burn_in,
        layers=layers,
    )
    return keras.Model(given, forecast, name="forecaster")


def _network(
    shape: WindowShape,
    scaling: Scaler,
    columns: InputColumns,
    settings: TrainParams,
    *,
    minutes: int,
    burn_in: int = 0,
    layers: Layers,
) -> tuple[Any, keras.KerasTensor]:
    """Return the inputs, by name if there are several, and the linear outputs in kW."""
    forecasts = minutes - burn_in
    features, axes = len(scaling.center), (forecasts,) if minutes > 1 else ()
    scaler = columns.scale_readings(scaling)
    length, width = shuffle_buffer.input_length(shape, minutes), len(scaler.center)
    given = _inputs((length, width), (*axes, shape.horizon), columns)
    readings = given[inputs.READINGS]
    # Keras accepts a single column where several are expected and would broadcast the center over
    # it, which gives a silently wrong number. The reshaping refuses it.
    exact = keras.layers.Reshape((length, width), name="exact")(readings)
    scaled = _rescale(exact, scaler, name="scaled")
    known = given.get(inputs.KNOWN)
    if known is not None:
        known = _rescale(known, columns.scale_known(scaling), name="scaled_known")
    if settings.difference_inputs:
        scaled = _with_changes(scaled, features)
    count = len(settings.levels) + 1
    scaled_inputs = MemberInputs(scaled, known, forecasts, shape.horizon)
    members = [
        build_member(scaled_inputs, count, settings, layers=layers, number=number)
        for number in range(1, settings.ensemble_size + 1)
    ]
    linear = layers.joined(name="members")(members) if len(members) > 1 else members[0]
    offset = 0.0 if columns.is_anchored else float(scaling.center[0])
    kilowatts = keras.layers.Rescaling(float(scaling.scale[0]), offset, name="kilowatts")(linear)
    if columns.is_anchored:
        power = crop(exact, "power", steps=forecasts, columns=(0, 1))
        anchor = _anchor(power, given[inputs.PROFILE], scaling.shares)
        kilowatts = _add_to_each(anchor, kilowatts, axes)
    return given if len(given) > 1 else readings, kilowatts


def _inputs(
    readings: tuple[int, ...], targets: tuple[int, ...], columns: InputColumns
) -> dict[str, keras.KerasTensor]:
    """Return the inputs of the network by name."""
    shapes = {inputs.READINGS: readings}
    if columns.is_anchored:
        shapes[inputs.PROFILE] = targets
    if columns.known_width:
        shapes[inputs.KNOWN] = (*targets, columns.known_width)
    return {name: keras.Input(shape, name=name) for name, shape in shapes.items()}


def _rescale(tensor: keras.KerasTensor, scaler: Scaler, name: str) -> keras.KerasTensor:
    """Subtract the center of each column and divide by its scale."""
    layer = keras.layers.Rescaling(
        (1 / scaler.scale).tolist(), (-scaler.center / scaler.scale).tolist(), name=name
    )
    return layer(tensor)


def _with_changes(scaled: keras.KerasTensor, features: int) -> keras.KerasTensor:
    """Append the change of each feature from the minute before, 0 in the first minute."""
    _, length, width = scaled.shape
    changing = scaled
    if width > features:
        changing = crop(scaled, "features", steps=length, columns=(0, features))
    changes = keras.layers.Subtract(name="differences")(
        [
            keras.layers.Cropping1D((1, 0), name="now")(changing),
            keras.layers.Cropping1D((0, 1), name="before")(changing),
        ]
    )
    padded = keras.layers.ZeroPadding1D((1, 0), name="changes")(changes)
    return keras.layers.Concatenate(name="with_changes")([scaled, padded])


def _anchor(
    power: keras.KerasTensor, profile: keras.KerasTensor, shares: Sequence[float]
) -> keras.KerasTensor:
    """Return the mean of the last power (..., 1) and the profile (..., horizon) by `shares`."""
    distance = keras.layers.Subtract(name="from_profile")([power, profile])
    part = keras.layers.Rescaling(list(shares), name="share")(distance)
    return keras.layers.Add(name="anchor")([profile, part])


def _add_to_each(
    anchor: keras.KerasTensor, kilowatts: keras.KerasTensor, axes: tuple[int, ...]
) -> keras.KerasTensor:
    """Add the anchor (..., horizon) to each of the outputs (..., outputs * horizon)."""
    horizon, size = anchor.shape[-1], kilowatts.shape[-1]
    by_output = keras.layers.Reshape((*axes, size // horizon, horizon), name="outputs")(kilowatts)
    once = keras.layers.Reshape((*axes, 1, horizon), name="anchor_of_output")(anchor)
    forecast = keras.layers.Add(name="forecast")([once, by_output])
    return keras.layers.Reshape((*axes, size), name="anchored")(forecast)


def epoch_shuffle(seed: int, epoch: int) -> batches.Shuffle:
    """Return a shuffle that depends only on the seed and the epoch, on every machine."""

    def shuffle(array: Starts, buffer_index: int, max_shift: int) -> Starts:
        key = tf.constant([seed, epoch + buffer_index * 2**32], tf.int64)
        shift = tf.random.stateless_uniform([], key, maxval=max_shift, dtype=tf.int32)
        order = tf.random.experimental.stateless_shuffle(array + shift, key)
        return order.numpy()

    return shuffle
