"""Compute the center and the scale of each feature."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from household.core import arrow, files, meters, paths
from household.core.schema import Float64
from household.dataset import windows
from household.dataset.windows import Starts, WindowShape

if TYPE_CHECKING:  # pydantic is not installed where a model is only used
    from household.core.params import Params, ScalingParams


MAX_EXACT_COUNT = 2**29


class Scaler(NamedTuple):
    """Hold the scaling of the features, and the anchor of the forecast.

    Attributes:
        center: What to subtract from each feature: (features,).
        scale: What to divide by: (features,).
        shares: The share of the last power in the anchor, for each step of the horizon; see
            `household.model.anchor`.
    """

    center: Float64
    scale: Float64
    shares: tuple[float, ...] = ()


class MeterWindows(NamedTuple):
    """Hold the windows of a meter that count for the scaling.

    Attributes:
        column: Returns a feature of the series by name.
        centered: The starts of the windows for the center.
        scaled: The starts of the windows for the scale.
    """

    column: Callable[[str], pa.ChunkedArray]
    centered: Starts
    scaled: Starts


def fit_to_meters(names: Sequence[str], params: "Params", root: Path) -> tuple[list[str], Scaler]:
    """Return the features, and their scaling by the windows of the split stage.

    Args:
        names: The names of the meters.
        params: The parameters.
        root: The folder of the pipeline.
    """
    series = {name: root / paths.SERIES / meters.file_name(name) for name in names}
    train = meters.by_name(root / paths.TRAIN)

    def windows_of_meters() -> Iterator[MeterWindows]:
        for name, path in series.items():
            starts = windows.read_starts(root / paths.WINDOWS / meters.file_name(name))
            of_training = windows.read_starts(train[name]) if name in train else starts[:0]
            yield MeterWindows(
                partial(files.read_column, path),
                *windows_to_use(params.scaling, starts, of_training),
            )

    features = pq.read_schema(series[names[0]]).names[1:]
    shape = WindowShape.of(params.window)
    return features, fit_scaler(features, windows_of_meters(), shape)


def fit_scaler(
    features: Sequence[str], windows_of_meters: Iterable[MeterWindows], shape: WindowShape
) -> Scaler:
    """Return the mean of the windows in `centered` and the standard deviation of those in `scaled`.

    Without windows the center is 0 and the scale 1. A feature that never changes has the scale 1.

    Args:
        features: The columns of the series.
        windows_of_meters: The windows of each meter.
        shape: The shape of the windows.
    """
    values_by_feature = {name: [NO_VALUES, NO_VALUES] for name in features}
    for meter in windows_of_meters:
        counts = [windows.window_counts(meter.centered, shape)] * 2
        if meter.scaled is not meter.centered:
            counts[1] = windows.window_counts(meter.scaled, shape)
        # One column at a time, since decades of minutes do not fit into a laptop's memory.
        for name, so_far in values_by_feature.items():
            column = meter.column(name)
            values = [WeightedValues.of(column, counts[0])] * 2
            if counts[1] is not counts[0]:
                values[1] = WeightedValues.of(column, counts[1])
            values_by_feature[name] = [
                first.merge(second) for first, second in zip(so_far, values, strict=True)
            ]
    center = np.array([centered.mean() for centered, _ in values_by_feature.values()])
    scale = np.array([scaled.std() for _, scaled in values_by_feature.values()])
    return Scaler(center, np.where(scale > 0, scale, 1.0))


def windows_to_use(
    settings: "ScalingParams", starts: Starts, train: Starts
) -> tuple[Starts, Starts]:
    """Return the starts for the center and for the scale, of all windows and the training ones."""
    choices = {"all": starts, "train": train, "none": starts[:0]}
    return choices[settings.center], choices[settings.scale]


class WeightedValues(NamedTuple):
    """Hold the distinct values of a feature and how often each occurs in windows.

    A meter writes few distinct values in many minutes. The sums are exact (Shewchuk's algorithm, by
    `math.fsum`), so the mean is within 1 ulp of the true one: a float32 has 24 bits, and a count up
    to MAX_EXACT_COUNT fits into the other 29 bits of a float64.
    """

    values: Float64
    counts: Float64

    @classmethod
    def of(cls, column: pa.ChunkedArray, times: npt.NDArray[np.int32]) -> Self:
        """Return the values of `column`, each minute counted as often as `times` says."""
        values: list[Float64] = [np.empty(0)]
        counts: list[Float64] = [np.empty(0)]
        row = 0
        table = pa.table([column.slice(0, len(times))], ["value"])
        for batch in table.to_batches(windows.BLOCK_ROWS):
            distinct = batch["value"].dictionary_encode()
            weights = times[row : row + len(batch)]
            values.append(arrow.to_numpy(distinct.dictionary).astype(np.float64))
            counts.append(_counts(arrow.to_numpy(distinct.indices), weights))
            row += len(batch)
        return cls(np.concatenate(values), np.concatenate(counts))

    def merge(self, other: "WeightedValues") -> "WeightedValues":
        """Return the values of both."""
        if not len(self.values):
            return other
        values, indices = np.unique(np.append(self.values, other.values), return_inverse=True)
        return WeightedValues(values, _counts(indices, np.append(self.counts, other.counts)))

    def mean(self) -> float:
        """Return `mean(windows)` without building the windows; 0 if there are none."""
        if not len(self.values):
            return 0.0
        # The product with a larger count would be rounded.
        remainder = self.counts % MAX_EXACT_COUNT
        products = np.append(self.values * remainder, self.values * (self.counts - remainder))
        return math.fsum(products) / math.fsum(self.counts)

    def std(self) -> float:
        """Return the standard deviation `std(windows, ddof=0)`; 0 if there are no windows."""
        if not len(self.values):
            return 0.0
        deviations = self.values - self.mean()
        return math.sqrt(math.fsum(np.square(deviations) * self.counts) / math.fsum(self.counts))


def _counts(indices: npt.NDArray[np.int64], weights: npt.NDArray[Any]) -> Float64:
    return np.bincount(indices, weights=weights).astype(np.float64, copy=False)


NO_VALUES = WeightedValues(np.empty(0), np.empty(0))


def write(path: Path, features: list[str], scaling: Scaler) -> None:
    """Write `scaling` as JSON, by feature."""
    pairs = zip(features, scaling.center.tolist(), scaling.scale.tolist(), strict=True)
    files.write_json(path, {name: {"center": c, "scale": s} for name, c, s in pairs})


def read(path: Path, features: list[str]) -> Scaler:
    """Return the scaling of `features` that `write` wrote."""
    record = files.read_json(path)
    return Scaler(
        np.array([record[name]["center"] for name in features]),
        np.array([record[name]["scale"] for name in features]),
    )
