"""Describe a saved model, choose a warm start, and make Keras files byte-identical."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from household.forecast import trained, windows
from household.forecast.scaling import Scaling
from household.forecast.trained import Trained
from household.forecast.windows import Shape, Starts
from household.meter import series
from household.meter.series import Values
from household.pipeline import paths
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure
from household.pipeline.params import Params

LIBRARIES = ("keras", "numpy", "tensorflow")
GAPS = {
    "join": "minutes on either side of a gap count as neighbours",
    "break": "a lookback that holds a gap has no forecast",
}
# Parameters that the shape or the meaning of the weights depends on.
SHAPE = {
    "window": ("lookback", "horizon"),
    "train": ("changes", "target", "members", "units"),
}
# The earliest date that a zip can hold.
NO_DATE = (1980, 1, 1, 0, 0, 0)


class Seen(NamedTuple):
    """Hold the extent of the training data of a meter.

    Attributes:
        first: The first minute of the training windows.
        last: The last minute of the training windows.
        lowest: The smallest value of each feature: (features,).
        highest: The largest value of each feature: (features,).
        windows: The number of training windows.
    """

    first: np.datetime64
    last: np.datetime64
    lowest: npt.NDArray[np.float32]
    highest: npt.NDArray[np.float32]
    windows: int


def seen(stamps: Any, values: Values, train: Starts, shape: Shape) -> Seen:
    """Return the extent of the training data of a meter.

    Args:
        stamps: The time of each minute: (minutes,).
        values: The series: (minutes, features).
        train: The starts of the training windows.
        shape: The shape of the windows.
    """
    first, last = train.min(), windows.last_minutes(train.max(), shape)
    trained = values[first : last + 1]
    return Seen(stamps[first], stamps[last], trained.min(axis=0), trained.max(axis=0), len(train))


def description(
    params: Params,
    features: list[str],
    scaling: Scaling,
    source: Mapping[str, Any],
    trained_on: Sequence[Seen],
    levels: Sequence[float],
    lineage: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the contents of forecaster.json: inputs, outputs and origin of a model.

    Args:
        params: The parameters.
        features: The columns of the series.
        scaling: The scaling of the features.
        source: The record of the fetch stage.
        trained_on: The extent of the training data of each meter.
        levels: The coverages of the prediction intervals.
        lineage: The earlier trainings of the weights.
    """
    shape = windows.Shape(params.window.lookback, params.window.horizon)
    firsts, lasts, lowest, highest, counts = zip(*trained_on, strict=True)
    extremes = zip(np.min(lowest, axis=0), np.max(highest, axis=0), strict=True)
    # Converting a float32 by its text keeps the few digits of the source.
    ranges = [[float(str(bound)) for bound in bounds] for bounds in extremes]
    meters = {"meters": len(trained_on)} if len(trained_on) > 1 else {}
    return {
        "input": {
            "shape": ["windows", shape.lookback, len(features)],
            "features": [
                {
                    "name": name,
                    "unit": series.UNITS[name],
                    "range": bounds,
                    "center": center,
                    "scale": scale,
                }
                for name, bounds, center, scale in zip(
                    features, ranges, scaling.center.tolist(), scaling.scale.tolist(), strict=True
                )
            ],
            "lookback": shape.lookback,
            "step": "1 minute, oldest first",
            "gaps": GAPS[params.window.gaps],
        },
        "output": {
            "shape": ["windows", shape.horizon],
            "horizon": shape.horizon,
            "intervals": list(levels),
            "target": {"name": TARGET, "unit": series.UNITS[TARGET]},
            "when": "the minutes after the last input, one a column",
        },
        "trained_on": {
            "source": source,
            "first": str(min(firsts).astype("datetime64[m]")),
            "last": str(max(lasts).astype("datetime64[m]")),
            "windows": sum(counts),
            **meters,
        },
        "lineage": list(lineage),
        "parameters": {
            "layout": params.parse.layout.model_dump(),
            "seed": params.seed,
            "split": params.split.model_dump(),
            "train": params.train.model_dump(),
            "window": params.window.model_dump(),
        },
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def warm_start(params: Params, features: list[str]) -> Trained | None:
    """Return the model of `train.warm_start`; None if it is null.

    Raises:
        Failure: The folder does not hold a model, or one of another shape.
    """
    if params.train.warm_start is None:
        return None
    folder = Path(params.train.warm_start).expanduser()
    if folder.resolve() == paths.NETWORK.parent.resolve():
        raise Failure(
            f"train.warm_start: this training will overwrite {folder}; copy the model to "
            "another folder, or get one by `dvc artifacts get`"
        )
    model = trained.read(folder, trained.NETWORK)
    try:
        their_params = model.record["parameters"]
        compared = {"window.features": (model.features, features)} | {
            f"{section}.{key}": (their_params[section][key], getattr(getattr(params, section), key))
            for section, keys in SHAPE.items()
            for key in keys
        }
        _ = model.scaling, model.lineage
    except (ValueError, LookupError, TypeError) as error:
        raise trained.none_there(folder, error) from None
    for key, (theirs, ours) in compared.items():
        if theirs != ours:
            raise Failure(
                f"train.warm_start: the model in {folder} has {key} {theirs}, but params.yaml "
                f"has {ours}; use the same value, or set train.warm_start to null"
            )
    return model


def make_canonical(archive: Path) -> None:
    """Rewrite a file of `keras.Model.save`, so that the same network gives the same bytes.

    Keras stores the time of saving and memory addresses. Both become constants here.
    `keras.models.load_model` reads the result like any other file.
    """
    with zipfile.ZipFile(archive) as saved:
        members = {name: saved.read(name) for name in sorted(saved.namelist())}
    for name in ("config.json", "metadata.json"):
        record = json.loads(members[name])
        record = _with_small_ids(record, {})
        record.pop("date_saved", None)
        members[name] = json.dumps(record, sort_keys=True).encode()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as canonical:
        for name, content in members.items():
            canonical.writestr(zipfile.ZipInfo(name, NO_DATE), content)


def _with_small_ids(node: Any, ids: dict[int, int]) -> Any:
    """Renumber each shared_object_id in a JSON tree as 1, 2, ... in the order of the keys."""
    if isinstance(node, list):
        return [_with_small_ids(inner, ids) for inner in node]
    if not isinstance(node, dict):
        return node
    return {
        key: ids.setdefault(node[key], len(ids) + 1)
        if key == "shared_object_id"
        else _with_small_ids(node[key], ids)
        for key in sorted(node)
    }
