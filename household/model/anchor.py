"""Fit the anchor, to which the network adds its forecast.

It is a mean of the last power and the profile of the target, weighted by a share of the last power
for each step of the horizon. A minute ahead that is nearly persistence, a day ahead the profile.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from household.core.schema import Float32, Float64, Power
from household.dataset import windows
from household.dataset.batches import WindowDataset
from household.dataset.inputs import Inputs
from household.dataset.windows import WindowShape

# More targets than this take memory without improving the shares.
MAX_TARGETS = 2_000_000


def fit_shares(train: WindowDataset, shape: WindowShape) -> tuple[float, ...]:
    """Return the share of the last power in each step, which has the smallest absolute error.

    It is from 0 to 1. Koenker and Bassett (1978), Regression quantiles, Econometrica 46(1), for one
    regressor and no constant.

    Args:
        train: The training windows.
        shape: The shape of the windows.
    """
    stride = max(1, train.size * shape.horizon // MAX_TARGETS)
    distances: list[Float32] = []
    targets: list[Float32] = []
    for inputs, starts in train.read():
        selected = np.sort(starts)[::stride]
        rows = windows.last_input_row(selected, shape.lookback)
        profile = inputs.history.profile(rows, shape.horizon)
        distances.append(inputs.values[rows, :1] - profile)
        targets.append(windows.targets(inputs.values, selected, shape) - profile)
    distance, target = np.concatenate(distances), np.concatenate(targets)
    return tuple(_median_ratio(target[:, i], distance[:, i]) for i in range(shape.horizon))


def anchors(inputs: Inputs, rows: Any, shares: Sequence[float]) -> Power:
    """Return the anchor of each target in kW: (rows, horizon).

    Args:
        inputs: What forecasts of the series read.
        rows: The rows of the last inputs: (rows,).
        shares: The share of the last power in each step.
    """
    profile = inputs.history.profile(rows, len(shares))
    share = np.array(shares, np.float32)
    return profile + share * (inputs.values[rows, :1] - profile)


def _median_ratio(targets: Float32, distances: Float32) -> float:
    """Return the median of targets / distances, weighted by the size of the distance."""
    is_used = distances != 0
    if not is_used.any():
        return 0.0
    ratios = targets[is_used].astype(np.float64) / distances[is_used]
    order = np.argsort(ratios, kind="stable")
    weights: Float64 = np.cumsum(np.abs(distances[is_used][order]), dtype=np.float64)
    median = ratios[order][np.searchsorted(weights, weights[-1] / 2)]
    return float(np.clip(median, 0, 1))
