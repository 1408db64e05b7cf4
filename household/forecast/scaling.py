"""How readings are centered and scaled before a network sees them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from household.forecast import windows
from household.forecast.windows import Shape, Starts
from household.meter.series import Values
from household.pipeline import files


class Scaling(NamedTuple):
    """What is subtracted from each feature, and what the rest is divided by: (features,) each."""

    center: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]


def measure(
    values: Values, centered: Starts | None, scaled: Starts | None, shape: Shape
) -> Scaling:
    """The mean of the windows at `centered` and the standard deviation of those at `scaled`.

    None leaves the readings as they are in that respect. So does a feature that never changes,
    which has no scale.
    """
    none = np.zeros(values.shape[1])
    center = none if centered is None else windows.mean(values, centered, shape)
    spread = none if scaled is None else windows.deviation(values, scaled, shape)
    return Scaling(center, np.where(spread > 0, spread, 1.0))


def write(path: Path, features: list[str], scaling: Scaling) -> None:
    pairs = zip(features, scaling.center.tolist(), scaling.scale.tolist(), strict=True)
    files.write_json(path, {name: {"center": c, "scale": s} for name, c, s in pairs})


def read(path: Path, features: list[str]) -> Scaling:
    record = files.read_json(path)
    return Scaling(
        np.array([record[name]["center"] for name in features]),
        np.array([record[name]["scale"] for name in features]),
    )
