"""Describe a forecast: its mean, its median and its quantiles."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from household.core.schema import Float32, Power


class Forecast(NamedTuple):
    """Hold the forecast of a forecaster, in kW.

    A forecaster without quantiles has one forecast, which is both mean and median.

    Attributes:
        mean: The forecast with the smallest squared error: (windows, horizon).
        median: The forecast with the smallest absolute error: (windows, horizon).
        quantiles: The quantiles, increasing: (windows, horizon, levels).
    """

    mean: Power
    median: Power
    quantiles: Float32 | None = None

    @classmethod
    def of_distribution(cls, mean: Power, quantiles: Float32) -> Self:
        """Return the forecast of a distribution, whose quantiles are symmetric around 0.5."""
        return cls(mean, quantiles[..., quantiles.shape[-1] // 2], quantiles)

    def select(self, windows: slice) -> "Forecast":
        """Return the forecast of some of the windows."""
        if self.quantiles is None:
            return Forecast(self.mean[windows], self.median[windows])
        return Forecast(self.mean[windows], self.median[windows], self.quantiles[windows])

    @classmethod
    def concat(cls, parts: "Sequence[Forecast]") -> Self:
        """Return the forecast of the windows of all `parts`, with quantiles if all have some."""
        quantiles = [part.quantiles for part in parts if part.quantiles is not None]
        return cls(
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.median for part in parts]),
            np.concatenate(quantiles) if len(quantiles) == len(parts) else None,
        )
