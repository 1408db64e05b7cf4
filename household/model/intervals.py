"""Compute conformal prediction intervals, calibrated for each state of the household.

Power is quiet for hours and then jumps, so an interval has to be as wide as the state requires
(Mondrian conformal prediction):

1. Describe each window by three features: the mean absolute change of the power in the last
   minutes, the last value, and the distance of the forecast from it.
2. Sort the windows into 4 x 4 x 4 bins by the quartiles of these features.
3. In each bin, take quantiles of the errors of the training windows, for each step of the horizon.
4. Stretch them by the factor that gives the asked coverage on the validation windows, which the
   network was not trained on.

Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world. Romano, Patterson and
Candès (2019), Conformalized quantile regression, NeurIPS 32, here with quantiles of the bins and a
factor instead of a sum, as Sesia and Candès (2020), A comparison of some conformal quantile
regression methods, Stat 9(1).
"""

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from household.core import files
from household.core.schema import LEVELS, Float32, Power, Values
from household.dataset import windows
from household.dataset.windows import Starts, WindowShape

# Minutes of the mean absolute change.
RECENT = 15
QUARTILES = (0.25, 0.5, 0.75)
N_BINS = (len(QUARTILES) + 1) ** 3
# Fewest windows in a bin for quantiles of its own.
MIN_BIN_SIZE = 100
# More training windows than this do not change the quantiles.
MAX_TRAIN_WINDOWS = 20_000
# More validation windows than this take memory without improving the calibration.
MAX_CALIBRATION_WINDOWS = 1_000_000
# Smallest half width in kW. Meters resolve 0.001 kW, and a width of 0 cannot be stretched.
MIN_HALF_WIDTH_KW = 0.002


class WindowSource(Protocol):
    """Describe what is needed of a split: `household.dataset.batches.WindowDataset` has it."""

    @property
    def size(self) -> int:
        """Return the number of windows."""

    def read(self) -> Iterator[tuple[Values, Starts]]:
        """Yield a series (minutes, features) and the starts of windows in it."""


class CalibrationSample(NamedTuple):
    """Hold windows with their forecasts and what happened.

    Attributes:
        state: The features of each window: (windows, 3).
        forecast: The forecast power in kW: (windows, horizon).
        actual: The actual power in kW: (windows, horizon).
    """

    state: Float32
    forecast: Power
    actual: Power


class ConformalIntervals(NamedTuple):
    """Hold how far the power may be from a forecast, in kW.

    Attributes:
        cuts: The quartiles of each feature of the state: (3, 3).
        below: The lower bounds minus the forecast: (levels, bins, horizon), negative.
        above: The upper bounds minus the forecast: (levels, bins, horizon), positive.
        lower_limit: The smallest possible power: 0, or -inf if the meter also counts export.
    """

    cuts: Float32
    below: Float32
    above: Float32
    lower_limit: float

    def bounds(
        self, values: Values, starts: Starts, lookback: int, *, forecast: Power
    ) -> tuple[Float32, Float32]:
        """Return the lower and upper bounds in kW: (levels, windows, horizon) each.

        Args:
            values: The series: (minutes, features).
            starts: The starts of the windows.
            lookback: Their number of input minutes.
            forecast: Their forecasts in kW: (windows, horizon).
        """
        bins = _bin_index(state(values, starts, lookback, forecast=forecast), self.cuts)
        lower, upper = forecast + self.below[:, bins], forecast + self.above[:, bins]
        return np.maximum(lower, np.float32(self.lower_limit)), upper


def sample(
    values: Values, starts: Starts, shape: WindowShape, *, forecast: Power
) -> CalibrationSample:
    """Return the windows at `starts` with their forecasts and actual power."""
    return CalibrationSample(
        state(values, starts, shape.lookback, forecast=forecast),
        forecast,
        windows.targets(values, starts, shape),
    )


def state(values: Values, starts: Starts, lookback: int, *, forecast: Power) -> Float32:
    """Return the three features of the state of each window, in kW: (windows, 3).

    They are the mean absolute change in the last minutes, the last value and the mean absolute
    distance of the forecast from it.
    """
    length = min(RECENT + 1, lookback)
    power = values[windows.input_rows(starts + (lookback - length), length), 0]
    last = power[:, -1]
    # A lookback of one minute has no change.
    changes = np.abs(np.diff(power, axis=1)) if length > 1 else np.zeros((len(power), 1))
    distance = np.abs(forecast - last[:, np.newaxis])
    return np.column_stack([changes.mean(axis=1), last, distance.mean(axis=1)]).astype(np.float32)


def fit(
    train: WindowSource,
    validation: WindowSource,
    shape: WindowShape,
    *,
    forecast: Callable[[Values, Starts], Power],
) -> ConformalIntervals | None:
    """Fit prediction intervals to the forecasts of `forecast`; see `calibrate`.

    Args:
        train: The training windows.
        validation: The validation windows.
        shape: The shape of the windows.
        forecast: Returns the forecasts (windows, horizon) of windows of a series.

    Returns:
        The intervals; None if there are too few validation windows.
    """
    if not validation.size:
        return None
    return calibrate(
        _subsample(train, shape, forecast, size=MAX_TRAIN_WINDOWS),
        _subsample(validation, shape, forecast, size=MAX_CALIBRATION_WINDOWS),
    )


def _subsample(
    part: WindowSource,
    shape: WindowShape,
    forecast: Callable[[Values, Starts], Power],
    *,
    size: int,
) -> CalibrationSample:
    """Forecast about `size` windows, evenly spaced over `part`."""
    stride = max(1, part.size // size)
    samples = []
    for values, starts in part.read():
        selected = np.sort(starts)[::stride]
        samples.append(sample(values, selected, shape, forecast=forecast(values, selected)))
    return CalibrationSample(*map(np.concatenate, zip(*samples, strict=True)))


def calibrate(train: CalibrationSample, validation: CalibrationSample) -> ConformalIntervals | None:
    """Return intervals with a coverage of each of `LEVELS`; None for too few validation windows."""
    n = len(validation.actual)
    if math.ceil((n + 1) * max(LEVELS)) > n:
        return None
    cuts = np.quantile(train.state, QUARTILES, axis=0).T.astype(np.float32)
    errors = train.actual - train.forecast
    bins = _bin_index(train.state, cuts)
    sizes = np.bincount(bins, minlength=N_BINS)
    bounds = np.empty((2, len(LEVELS), N_BINS, errors.shape[1]))
    tails = np.array([[(1 - level) / 2, (1 + level) / 2] for level in LEVELS])
    for i, size in enumerate(sizes):
        bin_errors = errors[bins == i] if size >= MIN_BIN_SIZE else errors
        bounds[:, :, i] = np.moveaxis(np.quantile(bin_errors, tails, axis=0), 1, 0)
    below, above = (
        np.minimum(bounds[0], -MIN_HALF_WIDTH_KW),
        np.maximum(bounds[1], MIN_HALF_WIDTH_KW),
    )
    validation_bins = _bin_index(validation.state, cuts)
    validation_errors = validation.actual - validation.forecast
    for level_index, level in enumerate(LEVELS):
        stretch = np.maximum(
            validation_errors / above[level_index, validation_bins],
            validation_errors / below[level_index, validation_bins],
        )
        factor = np.sort(stretch, axis=0)[math.ceil((n + 1) * level) - 1]
        below[level_index] *= factor
        above[level_index] *= factor
    least = 0.0 if min(train.actual.min(), validation.actual.min()) >= 0 else -math.inf
    return ConformalIntervals(cuts, below.astype(np.float32), above.astype(np.float32), least)


def named_bounds(lower: Float32, upper: Float32, unit: str = "") -> dict[str, Float32]:
    """Return the bounds of each level by names such as low_80 and high_80."""
    return {
        f"{name}_{level:.0%}".removesuffix("%") + unit: bounds[i]
        for i, level in enumerate(LEVELS)
        for name, bounds in (("low", lower), ("high", upper))
    }


def _bin_index(state: Float32, cuts: Float32) -> npt.NDArray[np.int64]:
    """Return the bin of each state: (windows,)."""
    quarters = [
        np.searchsorted(cut, figure, side="right")
        for cut, figure in zip(cuts, state.T, strict=True)
    ]
    return np.ravel_multi_index(tuple(quarters), (len(QUARTILES) + 1,) * len(quarters))


def write(path: Path, intervals: ConformalIntervals | None) -> None:
    """Write the arrays of `intervals` by name; an empty archive if there are none."""
    # Not by numpy.savez, whose bytes differ between builds of Python.
    with files.atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, value in (intervals._asdict() if intervals else {}).items():
            array = io.BytesIO()
            np.save(array, value, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array.getvalue())


def read(path: Path) -> ConformalIntervals | None:
    """Return the intervals at `path`; None if the archive is empty."""
    with np.load(path, allow_pickle=False) as archive:
        if not archive.files:
            return None
        return ConformalIntervals(
            archive["cuts"], archive["below"], archive["above"], archive["lower_limit"].item()
        )
