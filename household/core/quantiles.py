"""Find and score quantiles in an array of them: (windows, horizon, levels)."""

from collections.abc import Sequence

import numpy as np

from household.core.schema import LEVELS, Float32, Power


def quantile(quantiles: Float32, levels: Sequence[float], level: float) -> Float32:
    """Return the quantile of one of `levels`: (windows, horizon)."""
    return quantiles[..., list(levels).index(level)]


def column_name(level: float) -> str:
    """Return the name of the column of a quantile, such as q0.025."""
    return f"q{level}"


def interval_levels(coverage: float) -> tuple[float, float]:
    """Return the levels of the bounds of the central interval with `coverage`."""
    low = round((1 - coverage) / 2, 6)
    return low, round(1 - low, 6)


def interval(quantiles: Float32, levels: Sequence[float], coverage: float) -> tuple[Power, Power]:
    """Return the lower and upper bound of the central interval with `coverage`."""
    low, high = interval_levels(coverage)
    return quantile(quantiles, levels, low), quantile(quantiles, levels, high)


def named_intervals(
    quantiles: Float32, levels: Sequence[float], unit: str = ""
) -> dict[str, Power]:
    """Return the bounds of the reported intervals by names such as low_80 and high_80."""
    return {
        f"{name}_{round(100 * coverage)}{unit}": bound
        for coverage in LEVELS
        for name, bound in zip(("low", "high"), interval(quantiles, levels, coverage), strict=True)
    }


def pinball_loss(actual: Power, quantile: Power, level: float) -> Float32:
    """Return the loss of a quantile for each target, in kW.

    Koenker and Bassett (1978), Regression quantiles, Econometrica 46(1).
    """
    error = actual - quantile
    return np.maximum(np.float32(level) * error, np.float32(level - 1) * error)


def interpolate_levels(
    quantiles: Float32, levels: Sequence[float], wanted: Sequence[float]
) -> Float32:
    """Return the quantiles at the levels `wanted`, linear between those of `levels`."""
    weights = np.array([np.interp(wanted, levels, unit) for unit in np.eye(len(levels))])
    return quantiles @ weights.astype(np.float32)
