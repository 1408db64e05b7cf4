"""Build the last layers of the network: from linear outputs to a mean and quantiles."""

import numpy as np

from household.model.calibration import MEAN, QUANTILES, Calibration
from household.model.tensorflow import keras


def mean_and_quantiles(
    kilowatts: keras.KerasTensor, calibration: Calibration
) -> dict[str, keras.KerasTensor]:
    """Return the outputs `mean` (windows, horizon) and `quantiles` (windows, horizon, levels).

    The quantiles increase from level to level. Where those of the network cross, sorting them
    brings them closer to the true ones. Chernozhukov, Fernández-Val and Galichon (2010), Quantile
    and probability curves without crossing, Econometrica 78(3).

    Args:
        kilowatts: The quantiles of each step, then the means: (windows, (levels + 1) * horizon).
        calibration: The calibration of the quantiles.
    """
    count, horizon = calibration.stretch.shape
    layers = keras.layers
    by_output = layers.Reshape((count + 1, horizon), name="by_output")(kilowatts)
    mean = layers.Cropping1D((count, 0), name="last_output")(by_output)
    by_level = layers.Cropping1D((0, 1), name="other_outputs")(by_output)
    sorted_levels = _sort(by_level, axis=1, name="sorted")
    median = layers.Cropping1D(count // 2, name="median")(sorted_levels)
    distance = layers.Subtract(name="distance")([sorted_levels, median])
    stretched = layers.Rescaling(calibration.stretch.tolist(), name="stretched")(distance)
    calibrated = layers.Add(name="calibrated")([median, stretched])
    by_step = layers.Permute((2, 1), name="by_step")(calibrated)
    increasing = _sort(by_step, axis=2, name="increasing")
    limit = "linear" if np.isinf(calibration.lower_limit) else "relu"
    return {
        MEAN: layers.Reshape((horizon,), name=MEAN)(mean),
        QUANTILES: layers.Activation(limit, name=QUANTILES)(increasing),
    }


def _sort(values: keras.KerasTensor, axis: int, name: str) -> keras.KerasTensor:
    """Sort `values` by an operation of a given name."""
    result = keras.ops.sort(values, axis=axis)
    # Keras numbers operations, so the name would depend on the models built before.
    result._keras_history.operation.name = name
    return result
