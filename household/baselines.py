"""Forecasts that cost nothing, which a model has to beat.

Each takes a series (minutes, features), the starts of the windows and their length, and returns
one forecast a window in kW.
"""

import numpy as np
import numpy.typing as npt

from household.series import Values
from household.windows import Starts


def persistence(values: Values, starts: Starts, length: int) -> npt.NDArray[np.float32]:
    """The target's value in the last input minute: "the same as a minute ago"."""
    return values[starts + (length - 2), 0]
