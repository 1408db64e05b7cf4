"""Calibrate the quantiles of the network."""

from typing import NamedTuple, Self

import numpy as np

from household.core.schema import Float32

# The outputs of the network.
MEAN, QUANTILES = "mean", "quantiles"


class Calibration(NamedTuple):
    """Hold what turns the quantiles of the network into calibrated ones.

    Attributes:
        stretch: The factor of the distance of each quantile from the median: (levels, horizon).
        lower_limit: The smallest possible power in kW: 0, or -inf if the meter also counts export.
    """

    stretch: Float32
    lower_limit: float

    @classmethod
    def none(cls, count: int, horizon: int) -> Self:
        """Return the calibration that leaves `count` quantiles for each step as they are."""
        return cls(np.ones((count, horizon), np.float32), -np.inf)
