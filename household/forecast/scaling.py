"""How readings are centered and scaled before a network sees them."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.forecast import windows
from household.forecast.windows import Shape, Starts
from household.pipeline import arrays, files

if TYPE_CHECKING:  # whoever uses a model has no pydantic
    from household.pipeline.params import Window


class Scaling(NamedTuple):
    """What is subtracted from each feature, and what the rest is divided by: (features,) each."""

    center: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]


def measure(
    columns: Iterable[pa.ChunkedArray], centered: Starts | None, scaled: Starts | None, shape: Shape
) -> Scaling:
    """The mean of the windows at `centered` and the standard deviation of those at `scaled`.

    `columns` are the features of the series, one after the other. None leaves the readings as they
    are in that respect. So does a feature that never changes, which has no scale.
    """
    counted = [centered] if scaled is centered else [centered, scaled]
    times = [None if starts is None else windows.times_held(starts, shape) for starts in counted]
    found = []
    for column in columns:
        of = [None if each is None else Distinct.of(column, each) for each in times]
        found.append((of[0].mean() if of[0] else 0.0, of[-1].deviation() if of[-1] else 0.0))
    center, scale = np.array(found).T
    return Scaling(center, np.where(scale > 0, scale, 1.0))


def counted(window: "Window", starts: Starts, train: Starts) -> tuple[Starts | None, Starts | None]:
    """Of all windows at `starts`, some of which `train`, those for the center and for the scale."""
    of = {"all": starts, "train": train, "none": None}
    return of[window.center], of[window.scale]


class Distinct(NamedTuple):
    """The values of a feature and how often each counts: a meter gives few in many minutes.

    The sums are exact (Shewchuk's, by `math.fsum`), so that the mean is within 1 ulp of the true
    one: float32 holds 24 bits, and a count fits in the other 29 of a float64.
    """

    values: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]

    @classmethod
    def of(cls, column: pa.ChunkedArray, times: npt.NDArray[np.int32]) -> Self:
        """Those of each block of `column`, each minute as often as windows hold it: `times`."""
        values, counts, row = [], [], 0
        known = pa.table([column.slice(0, len(times))], ["value"])
        for batch in known.to_batches(windows.BLOCK):
            distinct = batch["value"].dictionary_encode()
            held = times[row : row + len(batch)]
            values.append(arrays.of(distinct.dictionary).astype(np.float64))
            counts.append(np.bincount(arrays.of(distinct.indices), weights=held))
            row += len(batch)
        return cls(np.concatenate(values), np.concatenate(counts))

    def mean(self) -> float:
        """That is `mean(windows)` without the windows."""
        return math.fsum(self.values * self.counts) / math.fsum(self.counts)

    def deviation(self) -> float:
        """The standard deviation, `std(windows, ddof=0)`."""
        off = self.values - self.mean()
        return math.sqrt(math.fsum(np.square(off) * self.counts) / math.fsum(self.counts))


def write(path: Path, features: list[str], scaling: Scaling) -> None:
    pairs = zip(features, scaling.center.tolist(), scaling.scale.tolist(), strict=True)
    files.write_json(path, {name: {"center": c, "scale": s} for name, c, s in pairs})


def read(path: Path, features: list[str]) -> Scaling:
    record = files.read_json(path)
    return Scaling(
        np.array([record[name]["center"] for name in features]),
        np.array([record[name]["scale"] for name in features]),
    )
