"""How readings are centered and scaled before a network sees them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.forecast import windows
from household.forecast.windows import Shape, Starts
from household.pipeline import files


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
    times = None if centered is None else windows.times_held(centered, shape)
    spread = times
    if scaled is not centered:
        spread = None if scaled is None else windows.times_held(scaled, shape)
    found = [
        (
            0.0 if times is None else windows.mean(column, times),
            0.0 if spread is None else windows.deviation(column, spread),
        )
        for column in columns
    ]
    center, scale = np.array(found).T
    return Scaling(center, np.where(scale > 0, scale, 1.0))


def write(path: Path, features: list[str], scaling: Scaling) -> None:
    pairs = zip(features, scaling.center.tolist(), scaling.scale.tolist(), strict=True)
    files.write_json(path, {name: {"center": c, "scale": s} for name, c, s in pairs})


def read(path: Path, features: list[str]) -> Scaling:
    record = files.read_json(path)
    return Scaling(
        np.array([record[name]["center"] for name in features]),
        np.array([record[name]["scale"] for name in features]),
    )
