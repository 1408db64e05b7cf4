"""How readings are centered and scaled before a network sees them."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.forecast import windows
from household.forecast.windows import Shape, Starts
from household.pipeline import arrays, files

if TYPE_CHECKING:  # whoever uses a model has no pydantic
    from household.pipeline.params import Window


MOST = 2**29


class Scaling(NamedTuple):
    """What is subtracted from each feature, and what the rest is divided by: (features,) each."""

    center: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]


class Counted(NamedTuple):
    """The windows of a meter that count, some of its series."""

    column: Callable[[str], pa.ChunkedArray]  # a feature of the series, by its name
    centered: Starts
    scaled: Starts


def measure(features: Sequence[str], meters: Iterable[Counted], shape: Shape) -> Scaling:
    """The mean of all windows `centered` and the standard deviation of those `scaled`.

    Where there are none the readings are left as they are in that respect. So are those of a
    feature that never changes, which has no scale.
    """
    found = {name: [NOTHING, NOTHING] for name in features}
    for meter in meters:
        times = [windows.times_held(meter.centered, shape)] * 2
        if meter.scaled is not meter.centered:
            times[1] = windows.times_held(meter.scaled, shape)
        # A column at a time: the minutes of decades are more than a laptop's memory.
        for name, before in found.items():
            column = meter.column(name)
            own = [Distinct.of(column, times[0])] * 2
            if times[1] is not times[0]:
                own[1] = Distinct.of(column, times[1])
            found[name] = [one.and_(other) for one, other in zip(before, own, strict=True)]
    center = np.array([centered.mean() for centered, _ in found.values()])
    scale = np.array([scaled.deviation() for _, scaled in found.values()])
    return Scaling(center, np.where(scale > 0, scale, 1.0))


def counted(window: "Window", starts: Starts, train: Starts) -> tuple[Starts, Starts]:
    """Of all windows at `starts`, some of which `train`, those for the center and for the scale."""
    of = {"all": starts, "train": train, "none": starts[:0]}
    return of[window.center], of[window.scale]


class Distinct(NamedTuple):
    """The values of a feature and how often each counts: a meter gives few in many minutes.

    The sums are exact (Shewchuk's, by `math.fsum`), so that the mean is within 1 ulp of the true
    one: float32 holds 24 bits, and a count up to MOST fits in the other 29 of a float64.
    """

    values: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]

    @classmethod
    def of(cls, column: pa.ChunkedArray, times: npt.NDArray[np.int32]) -> Self:
        """Those of each block of `column`, each minute as often as windows hold it: `times`."""
        values: list[npt.NDArray[np.float64]] = [np.empty(0)]
        counts: list[npt.NDArray[np.float64]] = [np.empty(0)]
        row = 0
        known = pa.table([column.slice(0, len(times))], ["value"])
        for batch in known.to_batches(windows.BLOCK):
            distinct = batch["value"].dictionary_encode()
            held = times[row : row + len(batch)]
            values.append(arrays.of(distinct.dictionary).astype(np.float64))
            counts.append(_counts(arrays.of(distinct.indices), held))
            row += len(batch)
        return cls(np.concatenate(values), np.concatenate(counts))

    def and_(self, other: "Distinct") -> "Distinct":
        """The values of both."""
        if not len(self.values):
            return other
        values, place = np.unique(np.append(self.values, other.values), return_inverse=True)
        return Distinct(values, _counts(place, np.append(self.counts, other.counts)))

    def mean(self) -> float:
        """That is `mean(windows)` without the windows; 0 where there are none."""
        if not len(self.values):
            return 0.0
        # Of a value in more windows than that, the product would be rounded.
        few = self.counts % MOST
        products = np.append(self.values * few, self.values * (self.counts - few))
        return math.fsum(products) / math.fsum(self.counts)

    def deviation(self) -> float:
        """The standard deviation, `std(windows, ddof=0)`; 0 where there are no windows."""
        if not len(self.values):
            return 0.0
        off = self.values - self.mean()
        return math.sqrt(math.fsum(np.square(off) * self.counts) / math.fsum(self.counts))


def _counts(places: npt.NDArray[np.int64], weights: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.bincount(places, weights=weights).astype(np.float64, copy=False)


NOTHING = Distinct(np.empty(0), np.empty(0))


def write(path: Path, features: list[str], scaling: Scaling) -> None:
    pairs = zip(features, scaling.center.tolist(), scaling.scale.tolist(), strict=True)
    files.write_json(path, {name: {"center": c, "scale": s} for name, c, s in pairs})


def read(path: Path, features: list[str]) -> Scaling:
    record = files.read_json(path)
    return Scaling(
        np.array([record[name]["center"] for name in features]),
        np.array([record[name]["scale"] for name in features]),
    )
