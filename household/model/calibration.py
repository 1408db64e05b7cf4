"""Calibrate quantiles, so that as many values lie below each as its level says.

Each quantile of the network is moved away from the median, or towards it, by the factor with which
the asked share of the validation windows lies below it. The network was not trained on these
windows, so the share also holds for later windows that are like them. Romano, Patterson and Candès
(2019), Conformalized quantile regression, NeurIPS 32, theorem 2, here with a factor instead of a
sum, as Sesia and Candès (2020), A comparison of some conformal quantile regression methods, Stat
9(1).

The validation windows may be of days or weeks that are unlike the others. Therefore quantiles are
only calibrated where that lowers the loss of periods that it was not computed from, and those of
the network only by four weeks or more.

A forecast without quantiles gets those of its validation errors.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from household.core.quantiles import pinball_loss
from household.core.schema import Float32, Float64, Power

# More targets than this take memory without improving the calibration.
MAX_TARGETS = 1_000_000
# Of each meter, so many days at least. In a holiday of two weeks all other quantiles are too wide.
MIN_DAYS = 28
# The periods into which the validation windows are divided, to see whether a calibration helps.
FOLDS = 5
# Meters resolve so many kW. A smaller distance from the median cannot be stretched.
RESOLUTION_KW = 0.001
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
        return cls(np.ones((count, horizon), np.float32), -math.inf)

    def apply(self, quantiles: Float32) -> Float32:
        """Return calibrated quantiles, increasing from level to level, as the network does.

        Args:
            quantiles: Increasing quantiles in kW: (windows, horizon, levels).
        """
        median = quantiles[..., [quantiles.shape[-1] // 2]]
        stretched = median + self.stretch.T * (quantiles - median)
        return np.maximum(np.sort(stretched, axis=-1), np.float32(self.lower_limit))


def stride(count: int, horizon: int) -> int:
    """Return the stride of the windows for a calibration, of which there are `count`."""
    return max(1, count * horizon // MAX_TARGETS)


def lower_limit(*powers: Power) -> float:
    """Return the smallest possible power of a meter in kW that has had these."""
    return 0.0 if min(power.min() for power in powers) >= 0 else -math.inf


def are_enough(windows: int, levels: Sequence[float]) -> bool:
    """Return whether so many validation windows are enough to find the highest level."""
    return math.ceil((windows + 1) * levels[-1]) <= windows


def cross_validated_stretch(actual: Power, quantiles: Float32, levels: Sequence[float]) -> Float32:
    """Return the factors that calibrate quantiles, 1 for a step where that does not help.

    Each of FOLDS periods is calibrated by the others. That helps a step if it lowers the mean
    pinball loss of all periods and levels.

    Args:
        actual: The actual power of validation windows in kW, in order of time: (windows, horizon).
        quantiles: Their quantiles in kW: (windows, horizon, levels).
        levels: The levels of the quantiles, symmetric around 0.5.

    Returns:
        The factors: (levels, horizon). They are 1 if there are too few windows.
    """
    folds = np.array_split(np.arange(len(actual)), FOLDS)
    if not are_enough(len(actual) - len(folds[0]), levels):
        return np.ones((len(levels), actual.shape[1]), np.float32)
    calibrated = np.empty_like(quantiles)
    for fold in folds:
        others = np.delete(actual, fold, axis=0), np.delete(quantiles, fold, axis=0)
        stretch = conformal_stretch(*others, levels)
        calibrated[fold] = Calibration(stretch, -math.inf).apply(quantiles[fold])
    helps = _mean_loss(actual, calibrated, levels) < _mean_loss(actual, quantiles, levels)
    return np.where(helps, conformal_stretch(actual, quantiles, levels), np.float32(1))


def conformal_stretch(actual: Power, quantiles: Float32, levels: Sequence[float]) -> Float32:
    """Return the factors that calibrate quantiles: (levels, horizon).

    Args:
        actual: The actual power of validation windows in kW: (windows, horizon).
        quantiles: Their quantiles in kW: (windows, horizon, levels).
        levels: The levels of the quantiles, symmetric around 0.5.
    """
    middle = len(levels) // 2
    errors = actual - quantiles[..., middle]
    stretch = np.ones((len(levels), actual.shape[1]), np.float32)
    for i, level in enumerate(levels):
        if i != middle:
            distance = np.abs(quantiles[..., i] - quantiles[..., middle])
            outwards = errors if i > middle else -errors
            ratios = outwards / np.maximum(distance, np.float32(RESOLUTION_KW))
            stretch[i] = _conformal_quantile(ratios, max(level, 1 - level))
    return stretch


def error_quantiles(actual: Power, forecast: Power, levels: Sequence[float]) -> Float32:
    """Return the quantiles of the errors of a forecast, in kW: (levels, horizon).

    Args:
        actual: The actual power of validation windows in kW: (windows, horizon).
        forecast: Their forecasts in kW: (windows, horizon).
        levels: The levels of the quantiles.
    """
    errors = actual - forecast
    return np.stack(
        [
            _conformal_quantile(errors, level)
            if level >= 0.5
            else -_conformal_quantile(-errors, 1 - level)
            for level in levels
        ]
    )


def _mean_loss(actual: Power, quantiles: Float32, levels: Sequence[float]) -> Float64:
    """Return the mean pinball loss of each step over windows and levels, in kW: (horizon,)."""
    losses = [pinball_loss(actual, quantiles[..., i], level) for i, level in enumerate(levels)]
    return np.mean(losses, axis=(0, 1), dtype=np.float64)


def _conformal_quantile(scores: Float32, level: float) -> Float32:
    """Return the value that a further score is below with a probability of at least `level`."""
    rank = math.ceil((len(scores) + 1) * level)
    return np.sort(scores, axis=0)[rank - 1]
