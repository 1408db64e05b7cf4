"""Describe a model for people and programs: the contents of its metadata.json."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from household.core import schema
from household.core.params import Params
from household.core.schema import TARGET, Float32, Values
from household.dataset import windows
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape

LIBRARIES = ("keras", "numpy", "tensorflow")
# The sections of params.yaml that the weights depend on.
SECTIONS = ("scaling", "split", "train", "window")
GAPS = {
    True: "{} on either side of a gap count as neighbours",
    False: "a lookback with a gap has no forecast",
}


class TrainingExtent(NamedTuple):
    """Hold the extent of the training data of a meter.

    Attributes:
        first: The first step of the training windows.
        last: The last step of the training windows.
        lowest: The smallest value of each feature: (features,).
        highest: The largest value of each feature: (features,).
        windows: The number of training windows.
    """

    first: np.datetime64
    last: np.datetime64
    lowest: Float32
    highest: Float32
    windows: int


def training_extent(
    stamps: Any, values: Values, train: Starts, *, shape: WindowShape
) -> TrainingExtent:
    """Return the extent of the training data of a meter.

    Args:
        stamps: The time of each step: (steps,).
        values: The series: (steps, features).
        train: The starts of the training windows.
        shape: The shape of the windows.
    """
    first, last = train.min(), windows.last_row(train.max(), shape)
    used = values[first : last + 1]
    return TrainingExtent(
        stamps[first], stamps[last], used.min(axis=0), used.max(axis=0), len(train)
    )


def build(
    params: Params,
    features: list[str],
    scaling: Scaler,
    *,
    source: Mapping[str, Any],
    trained_on: Sequence[TrainingExtent],
    text: Mapping[str, Any] | None = None,
    lineage: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the contents of metadata.json: inputs, outputs and origin of a model.

    Args:
        params: The parameters.
        features: The columns of the series.
        scaling: The scaling of the features.
        source: The record of the fetch stage.
        trained_on: The extent of the training data of each meter.
        text: The layout and the interval of the readings, if they are not in UCI's layout.
        lineage: The earlier trainings of the weights.
    """
    window = params.window
    firsts, lasts, _, _, counts = zip(*trained_on, strict=True)
    meters = {"meters": len(trained_on)} if len(trained_on) > 1 else {}
    return {
        "input": _describe_input(params, text)
        | {
            "shape": ["windows", window.lookback, len(features)],
            "features": _describe_features(features, scaling, trained_on),
            "shares": list(scaling.shares),
        },
        "output": {
            "shape": ["windows", window.horizon],
            "horizon": window.horizon,
            "quantiles": params.train.levels,
            "target": {"name": TARGET, "unit": schema.UNITS[TARGET]},
            "when": f"the {params.step.nouns} after the last input, one a column",
        },
        "trained_on": {
            "source": source,
            "first": str(min(firsts).astype("datetime64[m]")),
            "last": str(max(lasts).astype("datetime64[m]")),
            "windows": sum(counts),
            **meters,
        },
        "lineage": list(lineage),
        "parameters": {"step": params.parse.step, "seed": params.seed}
        | ({"layout": text["layout"]} if text else {})
        | {name: getattr(params, name).model_dump() for name in SECTIONS},
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _describe_input(params: Params, text: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the lookback, the step, the interval of averaged readings, and what gaps mean."""
    described: dict[str, Any] = {
        "lookback": params.window.lookback,
        "step": f"{params.step.length}, oldest first",
        "gaps": GAPS[params.window.across_gaps].format(params.step.nouns),
    }
    if text:
        described["interval_seconds"] = text["interval_seconds"]
    return described


def _describe_features(
    features: Sequence[str], scaling: Scaler, trained_on: Sequence[TrainingExtent]
) -> list[dict[str, Any]]:
    """Return name, unit, range in training, center and scale of each feature."""
    lowest = np.min([extent.lowest for extent in trained_on], axis=0)
    highest = np.max([extent.highest for extent in trained_on], axis=0)
    return [
        {
            "name": name,
            "unit": schema.UNITS[name],
            # Converting a float32 by its text keeps the few digits of the source.
            "range": [float(str(low)), float(str(high))],
            "center": center,
            "scale": scale,
        }
        for name, low, high, center, scale in zip(
            features, lowest, highest, scaling.center.tolist(), scaling.scale.tolist(), strict=True
        )
    ]
