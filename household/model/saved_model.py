"""Load saved models, and choose the model of a warm start."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from household.core import files, paths
from household.core.errors import UserError
from household.core.step import Step
from household.dataset.inputs import InputColumns, InputReader
from household.dataset.scaling import Scaler
from household.dataset.windows import Starts, WindowShape
from household.model import inference
from household.model.forecast import Forecast

if TYPE_CHECKING:  # pydantic is not installed where a model is only used
    from household.core.params import Params

METADATA = "metadata.json"
NETWORK, GRAPH = "model.keras", "model.onnx"


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
    def levels(self) -> list[float]:
        """Return the levels of the quantiles, none of a model with one output."""
        return self.record["output"]["quantiles"]

    @property
    def scaling(self) -> Scaler:
        """Return the scaling and the anchor of the network; its weights fit no other."""
        features = self.record["input"]["features"]
        center, scale = zip(
            *((feature["center"], feature["scale"]) for feature in features), strict=True
        )
        shares = tuple(self.record["input"].get("shares", ()))
        return Scaler(np.array(center), np.array(scale), shares)

    @property
    def lineage(self) -> list[dict[str, Any]]:
        """Return the trainings of the weights, for a model that continues from them."""
        latest = {"sha256": self.record["sha256"][NETWORK], "trained_on": self.record["trained_on"]}
        return [latest, *self.record["lineage"]]

    @property
    def columns(self) -> InputColumns:
        """Return what the model reads besides the features."""
        parameters = self.record["parameters"]
        return InputColumns.of(parameters["window"], parameters["train"]["target"])

    def forecast(
        self, series: pa.Table, starts: Starts, *, shape: WindowShape, step: Step
    ) -> Forecast:
        """Return its forecasts for windows.

        Args:
            series: The series: timestamp and features.
            starts: The starts of the windows.
            shape: The shape of the windows.
            step: The length of a step.

        Raises:
            UserError: The windows lack what the model reads, or have another horizon.
        """
        session = inference.load_session(self.folder / GRAPH)
        own_shape, features = inference.window_shape(session), series.column_names[1:]
        lacking = [name for name in self.features if name not in features]
        if lacking or own_shape.lookback > shape.lookback or own_shape.horizon != shape.horizon:
            raise UserError(
                f"{self.folder}: the model reads {own_shape.lookback} steps of "
                f"{', '.join(self.features)} and forecasts {own_shape.horizon}, but the windows "
                f"have {shape.lookback} steps of {', '.join(features)} and {shape.horizon}; "
                "use windows that fit the model"
            )
        reader = InputReader(own_shape, self.columns, step)
        shift = np.int32(shape.lookback - own_shape.lookback)
        own_inputs = reader.of_table(series.select(["timestamp", *self.features]))
        return inference.predict(session, own_inputs, starts + shift)

    def count_training_overlap(self, stamps: Any) -> int:
        """Return how many of the local times `stamps` are not after the last step of the training.

        Raises:
            UserError: The record does not name that step.
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
        _ = model.features, model.levels  # raises for a record of another kind
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
        f"{METADATA}, {GRAPH} and {NETWORK}"
    )


# Parameters that the shape or the meaning of the weights depends on.
MUST_MATCH = {
    "window": ("lookback", "horizon", "profile_days", "lag_days", "calendar", "known_ahead"),
    "train": ("difference_inputs", "target", "ensemble_size", "units", "head_units"),
}


def warm_start(
    params: "Params", features: list[str], root: Path = Path(), *, folder: Path | None = None
) -> SavedModel | None:
    """Return the model in `folder`, by default that of `train.warm_start`; None if it is null.

    Args:
        params: The parameters.
        features: The columns of the series.
        root: The folder of the pipeline, whose model will be overwritten.
        folder: The folder of the model.

    Raises:
        UserError: The folder does not hold a model, or one of another shape.
    """
    if folder is None:
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
        losses = (their_params["train"]["loss"], params.train.loss)
        if "quantile" in losses:
            compared["train.loss"] = losses
            compared["train.quantiles"] = (model.levels, params.train.levels)
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
