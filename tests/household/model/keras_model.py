"""Forecasts of a Keras model, with which those of other runtimes are compared."""

from typing import Any

import numpy as np
import numpy.typing as npt

from household.core.schema import Values
from household.dataset import windows
from household.dataset.windows import Starts


def forecast(model: Any, values: Values, starts: Starts) -> npt.NDArray[np.float32]:
    """Return the forecasts for windows of a series in kW: (windows, horizon)."""
    inputs = windows.inputs(values, starts, model.input_shape[1])
    forecasts: npt.NDArray[np.float32] = model.predict(inputs, verbose=0)
    return forecasts
