"""The model as one folder that works alone: the network twice, explained by forecaster.json."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from household.forecast import trained, windows
from household.forecast.scaling import Scaling
from household.forecast.trained import Trained
from household.forecast.windows import Starts
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


def description(
    params: Params,
    features: list[str],
    scaling: Scaling,
    source: Mapping[str, Any],
    stamps: Any,
    values: Values,
    train: Starts,
    levels: Sequence[float],
    lineage: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """What forecaster.json says: what the network takes, what it gives, and what made it.

    `scaling` is that of `features`, `source` the record of where the data is from, `stamps`
    (minutes,) and `values` (minutes, features) are the series, `train` the starts of the training
    windows in it, `levels` the shares of the minutes that the intervals are to hold, `lineage` the
    trainings that the weights went through before this one.
    """
    shape = windows.Shape(params.window.lookback, params.window.horizon)
    first, last = train.min(), windows.last_minutes(train.max(), shape)
    seen = values[first : last + 1]
    # By way of text a float32 keeps the few digits that it was read with.
    ranges = [[float(str(edge)) for edge in (of.min(), of.max())] for of in seen.T]
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
            "first": str(stamps[first].astype("datetime64[m]")),
            "last": str(stamps[last].astype("datetime64[m]")),
            "windows": len(train),
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
