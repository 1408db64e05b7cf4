"""Describe and load saved models, and choose the model of a warm start."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from household.core import files, paths, schema
from household.core.errors import UserError
from household.core.schema import TARGET, Float32, Power, Values
from household.dataset import windows
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.model import inference

if TYPE_CHECKING:  # pydantic is not installed where a model is only used
    from household.core.params import Params

METADATA = "metadata.json"
NETWORK, GRAPH, INTERVALS = "model.keras", "model.onnx", "intervals.npz"


class SavedModel(NamedTuple):
    """Hold a saved model whose files have the recorded hashes.

    Attributes:
        folder: Where it is saved.
        record: The contents of metadata.json.
    """

    folder: Path
    record: dict[str, Any]

    @property
    def features(self) -> list[str]:
        """Return the names of the features that the model reads."""
        return [feature["name"] for feature in self.record["input"]["features"]]

    @property
    def scaling(self) -> Scaler:
        """Return the scaling that is part of the network; its weights fit no other."""
        features = self.record["input"]["features"]
        center, scale = zip(
            *((feature["center"], feature["scale"]) for feature in features), strict=True
        )
        return Scaler(np.array(center), np.array(scale))

    @property
    def lineage(self) -> list[dict[str, Any]]:
        """Return the trainings of the weights, for a model that continues from them."""
        latest = {"sha256": self.record["sha256"][NETWORK], "trained_on": self.record["trained_on"]}
        return [latest, *self.record["lineage"]]

    def forecast(
        self, features: list[str], values: Values, starts: Starts, *, shape: WindowShape
    ) -> Power:
        """Return its forecasts for windows, in kW: (windows, horizon).

        Args:
            features: The columns of `values`.
            values: The series: (minutes, features).
            starts: The starts of the windows.
            shape: The shape of the windows.

        Raises:
            UserError: The windows lack what the model reads, or have another horizon.
        """
        session = inference.load_session(self.folder / GRAPH)
        own_shape = inference.window_shape(session)
        lacking = [name for name in self.features if name not in features]
        if lacking or own_shape.lookback > shape.lookback or own_shape.horizon != shape.horizon:
            raise UserError(
                f"{self.folder}: the model reads {own_shape.lookback} minutes of "
                f"{', '.join(self.features)} and forecasts {own_shape.horizon}, but the windows "
                f"have {shape.lookback} minutes of {', '.join(features)} and {shape.horizon}; "
                "use windows that fit the model"
            )
        indices = [features.index(name) for name in self.features]
        shift = np.int32(shape.lookback - own_shape.lookback)
        return inference.predict(session, values[:, indices], starts + shift)

    def count_training_overlap(self, stamps: Any) -> int:
        """Return how many of the times `stamps` are not after the last minute of the training.

        Raises:
            UserError: The record does not name that minute.
        """
        try:
            last = np.datetime64(self.record["trained_on"]["last"])
        except (ValueError, LookupError, TypeError) as error:
            raise not_a_model_error(self.folder, error) from None
        return int(np.sum(stamps <= last))


def load(folder: Path, *names: str) -> SavedModel:
    """Return the model in `folder`, after checking the hashes of the files `names`.

    Raises:
        UserError: There is no model, or a file is not the one that was saved with it.
    """
    try:
        record = files.read_json(folder / METADATA)
        for name in names:
            found, expected = files.sha256(folder / name), record["sha256"][name]
            if found != expected:
                raise UserError(
                    f"{folder / name}: its sha256 is {found}, but {METADATA} next to it expects "
                    f"{expected}; copy the whole folder again from where it was trained"
                )
        model = SavedModel(folder, record)
        _ = model.features  # raises for a record of another kind
    except UserError:
        raise
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise not_a_model_error(folder, error) from None
    return model


def not_a_model_error(folder: Path, error: Exception) -> UserError:
    """Return the UserError for a folder that does not hold a whole model."""
    if not folder.is_dir():
        problem = "no such folder"
    elif not (folder / METADATA).is_file():
        problem = (
            "a model of an earlier version, which has to be trained again"
            if (folder / "forecaster.json").is_file()
            else f"no {METADATA} in this folder"
        )
    else:
        problem = f"not a model of this version ({error!r})"
    return UserError(
        f"{folder}: {problem}; use the output folder of the train stage, models/lstm, with "
        f"{METADATA}, {GRAPH}, {NETWORK} and {INTERVALS}"
    )


LIBRARIES = ("keras", "numpy", "tensorflow")
GAPS = {
    True: "minutes on either side of a gap count as neighbours",
    False: "a lookback with a gap has no forecast",
}
# Parameters that the shape or the meaning of the weights depends on.
MUST_MATCH = {
    "window": ("lookback", "horizon"),
    "train": ("difference_inputs", "target", "ensemble_size", "units"),
}


class TrainingExtent(NamedTuple):
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
    lowest: Float32
    highest: Float32
    windows: int


def training_extent(
    stamps: Any, values: Values, train: Starts, *, shape: WindowShape
) -> TrainingExtent:
    """Return the extent of the training data of a meter.

    Args:
        stamps: The time of each minute: (minutes,).
        values: The series: (minutes, features).
        train: The starts of the training windows.
        shape: The shape of the windows.
    """
    first, last = train.min(), windows.last_row(train.max(), shape)
    used = values[first : last + 1]
    return TrainingExtent(
        stamps[first], stamps[last], used.min(axis=0), used.max(axis=0), len(train)
    )


def build_metadata(
    params: "Params",
    features: list[str],
    scaling: Scaler,
    *,
    source: Mapping[str, Any],
    trained_on: Sequence[TrainingExtent],
    levels: Sequence[float],
    lineage: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the contents of metadata.json: inputs, outputs and origin of a model.

    Args:
        params: The parameters.
        features: The columns of the series.
        scaling: The scaling of the features.
        source: The record of the fetch stage.
        trained_on: The extent of the training data of each meter.
        levels: The coverages of the prediction intervals.
        lineage: The earlier trainings of the weights.
    """
    window = params.window
    firsts, lasts, _, _, counts = zip(*trained_on, strict=True)
    meters = {"meters": len(trained_on)} if len(trained_on) > 1 else {}
    return {
        "input": {
            "shape": ["windows", window.lookback, len(features)],
            "features": _describe_features(features, scaling, trained_on),
            "lookback": window.lookback,
            "step": "1 minute, oldest first",
            "gaps": GAPS[window.across_gaps],
        },
        "output": {
            "shape": ["windows", window.horizon],
            "horizon": window.horizon,
            "intervals": list(levels),
            "target": {"name": TARGET, "unit": schema.UNITS[TARGET]},
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
        "parameters": {"layout": params.parse.layout.model_dump()}
        | params.model_dump(include={"seed", "scaling", "split", "train", "window"}),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


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


def warm_start(params: "Params", features: list[str], root: Path = Path()) -> SavedModel | None:
    """Return the model of `train.warm_start`; None if it is null.

    Args:
        params: The parameters.
        features: The columns of the series.
        root: The folder of the pipeline, whose model will be overwritten.

    Raises:
        UserError: The folder does not hold a model, or one of another shape.
    """
    if params.train.warm_start is None:
        return None
    folder = Path(params.train.warm_start).expanduser()
    if folder.resolve() == (root / paths.NETWORK).parent.resolve():
        raise UserError(
            f"train.warm_start: this training will overwrite {folder}; copy the model to "
            "another folder, or get one by `dvc artifacts get`"
        )
    model = load(folder, NETWORK)
    try:
        their_params = model.record["parameters"]
        compared = {"window.features": (model.features, features)} | {
            f"{section}.{key}": (their_params[section][key], getattr(getattr(params, section), key))
            for section, keys in MUST_MATCH.items()
            for key in keys
        }
        _ = model.scaling, model.lineage
    except (ValueError, LookupError, TypeError) as error:
        raise not_a_model_error(folder, error) from None
    for key, (theirs, ours) in compared.items():
        if theirs != ours:
            raise UserError(
                f"train.warm_start: the model in {folder} has {key} {theirs}, but params.yaml "
                f"has {ours}; use the same value, or set train.warm_start to null"
            )
    return model
