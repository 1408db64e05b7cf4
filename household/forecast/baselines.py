"""Forecasts that cost nothing, which a model has to beat.

Each takes a series (minutes, features), the starts of the windows and their lookback, and
returns one forecast a window, in kW: (windows,).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from household.forecast import scores, windows
from household.forecast.windows import Starts
from household.meter.series import Values

Forecaster = Callable[[Values, Starts, int], npt.NDArray[np.float32]]


def persistence(values: Values, starts: Starts, lookback: int) -> npt.NDArray[np.float32]:
    """The target's value in the last input minute: "the same as a minute ago"."""
    return values[windows.last_input_minutes(starts, lookback), 0]


# By the name that each has in scores, tables and pictures.
BASELINES: dict[str, Forecaster] = {scores.REFERENCE: persistence}
