"""Build the layers of a member of the ensemble."""

from typing import NamedTuple

from household.core.params import TrainParams
from household.model.layers import Layers
from household.model.tensorflow import keras


class MemberInputs(NamedTuple):
    """Hold what each member reads, scaled.

    Attributes:
        readings: The readings: (steps, columns).
        known: What is known of the targets, if that is read: (forecasts, horizon, columns), or
            (horizon, columns) of a window.
        forecasts: The number of the last steps from which a forecast is made, 1 for a window.
        horizon: The number of steps of the horizon.
    """

    readings: keras.KerasTensor
    known: keras.KerasTensor | None
    forecasts: int
    horizon: int


def build_member(
    given: MemberInputs, count: int, settings: TrainParams, *, layers: Layers, number: int
) -> keras.KerasTensor:
    """Build a member up to its linear units: (forecasts, count * horizon).

    Args:
        given: What it reads.
        count: The number of outputs for each step.
        settings: The parameters of the train stage.
        layers: The types of the layers.
        number: The number of the member.
    """
    hidden = given.readings
    for depth, units in enumerate(settings.units, 1):
        last = depth == len(settings.units)
        layer = layers.lstm(
            units, return_sequences=given.forecasts > 1 or not last, name=f"lstm_{number}_{depth}"
        )
        hidden = layer(hidden)
        hidden = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}_{depth}")(hidden)
    burn_in = given.readings.shape[1] - given.forecasts
    if given.forecasts > 1 and burn_in:
        hidden = keras.layers.Cropping1D((burn_in, 0), name=f"after_burn_in_{number}")(hidden)
    # With zeros the forecast starts as the anchor, so the network only learns the difference.
    start = "zeros" if settings.target == "difference" else "glorot_uniform"
    if given.known is not None:
        return _by_step(hidden, given, count, settings, layers=layers, number=number)
    layer = layers.dense(count * given.horizon, kernel_initializer=start, name=f"linear_{number}")
    return layer(hidden)


def _by_step(
    hidden: keras.KerasTensor,
    given: MemberInputs,
    count: int,
    settings: TrainParams,
    *,
    layers: Layers,
    number: int,
) -> keras.KerasTensor:
    """Combine the state with what is known of each target: (forecasts, count * horizon)."""
    axes = (given.forecasts,) if given.forecasts > 1 else ()
    first, *others = settings.head_units
    state = layers.dense(first, name=f"state_{number}")(hidden)
    state = keras.layers.Reshape((*axes, 1, first), name=f"state_by_step_{number}")(state)
    target = layers.step_dense(
        "abcd,de->abce" if axes else "acd,de->ace",
        output_shape=(*axes, given.horizon, first),
        bias_axes="ce",
        name=f"target_{number}",
    )(given.known)
    combined = keras.layers.Add(name=f"state_and_target_{number}")([state, target])
    combined = keras.layers.ReLU(name=f"head_{number}_1")(combined)
    for depth, units in enumerate(others, 2):
        name = f"head_{number}_{depth}"
        combined = layers.dense(units, activation="relu", name=name)(combined)
    start = "zeros" if settings.target == "difference" else "glorot_uniform"
    outputs = layers.dense(count, kernel_initializer=start, name=f"linear_{number}")(combined)
    order = (1, 3, 2) if axes else (2, 1)
    by_output = keras.layers.Permute(order, name=f"by_output_{number}")(outputs)
    return keras.layers.Reshape((*axes, count * given.horizon), name=f"steps_{number}")(by_output)


def crop(
    tensor: keras.KerasTensor, name: str, *, steps: int, columns: tuple[int, int]
) -> keras.KerasTensor:
    """Return the last `steps` and the `columns` from one to another: (steps, columns).

    Of one step only the columns are returned: (columns,).
    """
    # Layers instead of a slice, whose name in the file would depend on the slices made before.
    _, length, width = tensor.shape
    first, end = columns
    grid = keras.layers.Reshape((length, width, 1), name=f"{name}_grid")(tensor)
    cropping = ((length - steps, 0), (first, width - end))
    cropped = keras.layers.Cropping2D(cropping, name=f"{name}_cropped")(grid)
    axes = (steps,) if steps > 1 else ()
    return keras.layers.Reshape((*axes, end - first), name=name)(cropped)
