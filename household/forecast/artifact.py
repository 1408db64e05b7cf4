"""The model as one folder that works alone: the network twice, explained by forecaster.json."""

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
# What the shape of the weights, or what they stand for, depends on.
SHAPE = {
    "window": ("lookback", "horizon"),
    "train": ("changes", "target", "members", "units"),
}
# The earliest that a zip can hold.
NO_DATE = (1980, 1, 1, 0, 0, 0)


class Seen(NamedTuple):
    """What a training saw of its readings."""

    first: np.datetime64  # minute of its windows, and the last
    last: np.datetime64
    lowest: npt.NDArray[np.float32]  # (features,), and the highest
    highest: npt.NDArray[np.float32]
    windows: int


def seen(stamps: Any, values: Values, train: Starts, shape: Shape) -> Seen:
    """In a series (minutes,) and (minutes, features) by the training windows at `train`."""
    first, last = train.min(), windows.last_minutes(train.max(), shape)
    held = values[first : last + 1]
    return Seen(stamps[first], stamps[last], held.min(axis=0), held.max(axis=0), len(train))


def description(
    params: Params,
    features: list[str],
    scaling: Scaling,
    source: Mapping[str, Any],
    trained_on: Sequence[Seen],
    levels: Sequence[float],
    lineage: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What forecaster.json says: what the network takes, what it gives, and what made it.

    `scaling` is that of `features`, `source` the record of where the data is from, `trained_on`
    what was seen of each meter, `levels` the shares of the minutes that the intervals are to hold,
    `lineage` the trainings that the weights went through before this one.
    """
    shape = windows.Shape(params.window.lookback, params.window.horizon)
    firsts, lasts, lowest, highest, counts = zip(*trained_on, strict=True)
    edges = zip(np.min(lowest, axis=0), np.max(highest, axis=0), strict=True)
    # By way of text a float32 keeps the few digits that it was read with.
    ranges = [[float(str(edge)) for edge in of] for of in edges]
    several = {"meters": len(trained_on)} if len(trained_on) > 1 else {}
    return {
        "input": {
            "shape": ["windows", shape.lookback, len(features)],
            "features": [
                {
                    "name": name,
                    "unit": series.UNITS[name],
                    "range": of,
                    "center": center,
                    "scale": scale,
                }
                for name, of, center, scale in zip(
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
            **several,
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
    """The model whose weights a training goes on with; None where it is to start anew.

    Raises Failure where `train.warm_start` holds none, or one of another shape.
    """
    if params.train.warm_start is None:
        return None
    folder = Path(params.train.warm_start).expanduser()
    if folder.resolve() == paths.NETWORK.parent.resolve():
        raise Failure(
            f"train.warm_start: {folder} is where this training will be written; copy it to "
            "another folder, or bring it to one by `dvc artifacts get`"
        )
    model = trained.read(folder, trained.NETWORK)
    try:
        theirs = model.record["parameters"]
        compared = {"window.features": (model.features, features)} | {
            f"{section}.{key}": (theirs[section][key], getattr(getattr(params, section), key))
            for section, keys in SHAPE.items()
            for key in keys
        }
        _ = model.scaling, model.lineage
    except (ValueError, LookupError, TypeError) as error:
        raise trained.none_there(folder, error) from None
    for key, (there, here) in compared.items():
        if there != here:
            raise Failure(
                f"train.warm_start: the model in {folder} has {key} {there}, and here it is "
                f"{here}; set it to the same, or train.warm_start to null"
            )
    return model


def make_canonical(archive: Path) -> None:
    """Rewrites what `keras.Model.save` wrote, so that the same network is the same bytes.

    Keras puts the time of saving and addresses in memory into the archive; both become constants
    here. `keras.models.load_model` reads the result like any other.
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
    """`node` of a JSON tree with each shared_object_id as 1, 2, ... in the order of its keys."""
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
