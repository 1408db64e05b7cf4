"""Between which values the power will be: conformal intervals around a forecast.

Power is quiet for hours and then jumps, so an interval has to be as wide as the state of the house
asks for. The state has three figures: how much the power has moved of late, its last value, and how
far from that the forecast goes. Each is cut into quarters, which gives 64 cells. In each cell the
errors in training say how far below and above the forecast the power may lie, at each step of the
horizon; the errors in the validation part, which the network has not learnt from, then say by what
factor these have to be stretched, so that as large a share of them lies within as was asked for.
Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world; Romano, Patterson and
Candès (2019), Conformalized quantile regression, NeurIPS 32, here with quantiles of the cells and
a factor in place of a sum, as Sesia and Candès (2020), A comparison of some conformal quantile
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

from household.forecast import windows
from household.forecast.scores import Power
from household.forecast.windows import Shape, Starts
from household.meter.series import Values
from household.pipeline import files

LEVELS = (0.8, 0.95)
# Minutes of late.
RECENT = 15
CUTS = (0.25, 0.5, 0.75)
CELLS = (len(CUTS) + 1) ** 3
# Windows in a cell, of which fewer say too little of their quantiles.
FEWEST = 100
# Training windows, of which more do not change quantiles.
LEARNT = 20_000
# Validation windows, of which more would take more memory than they say.
CALIBRATED = 1_000_000
# kW; the meter tells power to 0.001 kW, and a width of 0 could not be stretched.
NARROWEST = 0.002

Float = npt.NDArray[np.float32]


class Part(Protocol):
    """What is needed of windows to learn from: `household.forecast.pieces.Part` has it."""

    @property
    def size(self) -> int: ...

    def read(self) -> Iterator[tuple[Values, Starts]]: ...


class Sample(NamedTuple):
    """Windows with a forecast and what came of it."""

    state: Float  # (windows, 3)
    forecast: Power  # (windows, horizon), in kW
    actual: Power  # (windows, horizon), in kW


class Intervals(NamedTuple):
    """How far from a forecast the power may lie, in kW."""

    cuts: Float  # (3, 3): between the quarters of each figure of the state
    below: Float  # (levels, cells, horizon), 0 or less
    above: Float  # (levels, cells, horizon), 0 or more
    least: float  # the power is never below: 0, or -inf where the meter counts both ways

    def around(
        self, values: Values, starts: Starts, lookback: int, forecast: Power
    ) -> tuple[Float, Float]:
        """The lower and the upper ends for each level: (levels, windows, horizon) each.

        Of the windows at `starts` of a series, with the forecast of each, in kW.
        """
        cell = _cells(state(values, starts, lookback, forecast), self.cuts)
        lower, upper = forecast + self.below[:, cell], forecast + self.above[:, cell]
        return np.maximum(lower, np.float32(self.least)), upper


def sample(values: Values, starts: Starts, shape: Shape, forecast: Power) -> Sample:
    """The windows at `starts` of a series whose targets are known, with a forecast of each."""
    return Sample(
        state(values, starts, shape.lookback, forecast),
        forecast,
        windows.targets(values, starts, shape),
    )


def state(values: Values, starts: Starts, lookback: int, forecast: Power) -> Float:
    """The three figures of the state of each window, in kW: (windows, 3)."""
    recent = min(RECENT + 1, lookback)
    power = values[windows.input_minutes(starts + (lookback - recent), recent), 0]
    last = power[:, -1]
    # Of a single minute nothing has moved.
    changes = np.abs(np.diff(power, axis=1)) if recent > 1 else np.zeros((len(power), 1))
    ahead = np.abs(forecast - last[:, np.newaxis])
    return np.column_stack([changes.mean(axis=1), last, ahead.mean(axis=1)]).astype(np.float32)


def learn(
    train: Part,
    validation: Part,
    shape: Shape,
    forecast: Callable[[Values, Starts], Power],
) -> Intervals | None:
    """The intervals around what `forecast` gives for windows of a series: see `calibrate`."""
    if not validation.size:
        return None
    return calibrate(
        _some(train, shape, forecast, LEARNT), _some(validation, shape, forecast, CALIBRATED)
    )


def _some(
    part: Part, shape: Shape, forecast: Callable[[Values, Starts], Power], most: int
) -> Sample:
    """About `most` of the windows of `part`, spread over all of it."""
    every = max(1, part.size // most)
    samples = []
    for values, starts in part.read():
        chosen = np.sort(starts)[::every]
        samples.append(sample(values, chosen, shape, forecast(values, chosen)))
    return Sample(*map(np.concatenate, zip(*samples, strict=True)))


def calibrate(train: Sample, validation: Sample) -> Intervals | None:
    """Intervals that hold a share of each of `LEVELS`; None for too small a validation part."""
    n = len(validation.actual)
    if math.ceil((n + 1) * max(LEVELS)) > n:
        return None
    cuts = np.quantile(train.state, CUTS, axis=0).T.astype(np.float32)
    errors = train.actual - train.forecast
    cells = _cells(train.state, cuts)
    sizes = np.bincount(cells, minlength=CELLS)
    ends = np.empty((2, len(LEVELS), CELLS, errors.shape[1]))
    tails = np.array([[(1 - level) / 2, (1 + level) / 2] for level in LEVELS])
    for cell, size in enumerate(sizes):
        of = errors[cells == cell] if size >= FEWEST else errors
        ends[:, :, cell] = np.moveaxis(np.quantile(of, tails, axis=0), 1, 0)
    below, above = np.minimum(ends[0], -NARROWEST), np.maximum(ends[1], NARROWEST)
    held = _cells(validation.state, cuts)
    missed = validation.actual - validation.forecast
    for place, level in enumerate(LEVELS):
        stretch = np.maximum(missed / above[place, held], missed / below[place, held])
        factor = np.sort(stretch, axis=0)[math.ceil((n + 1) * level) - 1]
        below[place] *= factor
        above[place] *= factor
    least = 0.0 if min(train.actual.min(), validation.actual.min()) >= 0 else -math.inf
    return Intervals(cuts, below.astype(np.float32), above.astype(np.float32), least)


def named(lower: Float, upper: Float, unit: str = "") -> dict[str, Float]:
    """Both ends of each level, by names such as low_80 and high_80."""
    return {
        f"{end}_{level:.0%}".removesuffix("%") + unit: of[place]
        for place, level in enumerate(LEVELS)
        for end, of in (("low", lower), ("high", upper))
    }


def _cells(state: Float, cuts: Float) -> npt.NDArray[np.int64]:
    """The cell of each state: (windows,)."""
    quarters = [
        np.searchsorted(cut, figure, side="right")
        for cut, figure in zip(cuts, state.T, strict=True)
    ]
    return np.ravel_multi_index(tuple(quarters), (len(CUTS) + 1,) * len(quarters))


def coverage(actual: Power, lower: Float, upper: Float) -> float:
    """The share of the minutes whose power lies within."""
    return float(np.mean((actual >= lower) & (actual <= upper)))


def width(lower: Float, upper: Float) -> float:
    """The mean width, in kW."""
    return float(np.mean(np.subtract(upper, lower, dtype=np.float64)))


def winkler(actual: Power, lower: Float, upper: Float, level: float) -> float:
    """The mean score of Winkler, in kW: the width, and a penalty where the power lies outside.

    That is 2 / (1 - level) times how far outside. The smallest is had by the true quantiles.
    Winkler (1972), A decision-theoretic approach to interval estimation, Journal of the American
    Statistical Association 67; Gneiting and Raftery (2007), Strictly proper scoring rules,
    prediction, and estimation, the same 102, equation 43.
    """
    outside = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    return width(lower, upper) + 2 / (1 - level) * float(np.mean(outside, dtype=np.float64))


def write(path: Path, intervals: Intervals | None) -> None:
    """Writes arrays by their names, none where there are no intervals."""
    # Not by numpy.savez, of which builds of Python make other bytes.
    with files.atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, value in (intervals._asdict() if intervals else {}).items():
            array = io.BytesIO()
            np.save(array, value, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array.getvalue())


def read(path: Path) -> Intervals | None:
    with np.load(path, allow_pickle=False) as held:
        if not held.files:
            return None
        return Intervals(held["cuts"], held["below"], held["above"], held["least"].item())
