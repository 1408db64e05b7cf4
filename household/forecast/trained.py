"""Load a saved model; `household.forecast.artifact` describes its folder."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from household.forecast import runtime
from household.forecast.scaling import Scaling
from household.forecast.scores import Power
from household.forecast.windows import Shape, Starts
from household.meter.series import Values
from household.pipeline import files
from household.pipeline.failure import Failure

RECORD = "forecaster.json"
NETWORK, GRAPH, INTERVALS = "network.keras", "network.onnx", "intervals.npz"


class Trained(NamedTuple):
    """Hold a saved model whose files have the recorded hashes.

    Attributes:
        folder: Where it is saved.
        record: The contents of forecaster.json.
    """

    folder: Path
    record: dict[str, Any]

    @property
    def features(self) -> list[str]:
        """Return the names of the features that the model reads."""
        return [feature["name"] for feature in self.record["input"]["features"]]

    @property
    def scaling(self) -> Scaling:
        """Return the scaling that is part of the network; its weights fit no other."""
        features = self.record["input"]["features"]
        center, scale = zip(
            *((feature["center"], feature["scale"]) for feature in features), strict=True
        )
        return Scaling(np.array(center), np.array(scale))

    @property
    def lineage(self) -> list[dict[str, Any]]:
        """Return the trainings of the weights, for a model that continues from them."""
        latest = {"sha256": self.record["sha256"][NETWORK], "trained_on": self.record["trained_on"]}
        return [latest, *self.record["lineage"]]

    def forecast(self, features: list[str], values: Values, starts: Starts, shape: Shape) -> Power:
        """Return its forecasts for windows, in kW: (windows, horizon).

        Args:
            features: The columns of `values`.
            values: The series: (minutes, features).
            starts: The starts of the windows.
            shape: The shape of the windows.

        Raises:
            Failure: The windows lack what the model reads, or have another horizon.
        """
        session = runtime.load(self.folder / GRAPH)
        own_shape = runtime.shape(session)
        lacking = [name for name in self.features if name not in features]
        if lacking or own_shape.lookback > shape.lookback or own_shape.horizon != shape.horizon:
            raise Failure(
                f"{self.folder}: the model reads {own_shape.lookback} minutes of "
                f"{', '.join(self.features)} and forecasts {own_shape.horizon}, but the windows "
                f"have {shape.lookback} minutes of {', '.join(features)} and {shape.horizon}; "
                "use windows that fit the model"
            )
        indices = [features.index(name) for name in self.features]
        shift = np.int32(shape.lookback - own_shape.lookback)
        return runtime.forecast(session, values[:, indices], starts + shift)

    def learnt_from(self, stamps: Any) -> int:
        """Return how many of the times `stamps` are not after the last minute of the training.

        Raises:
            Failure: The record does not name that minute.
        """
        try:
            last = np.datetime64(self.record["trained_on"]["last"])
        except (ValueError, LookupError, TypeError) as error:
            raise none_there(self.folder, error) from None
        return int(np.sum(stamps <= last))


def read(folder: Path, *names: str) -> Trained:
    """Return the model in `folder`, after checking the hashes of the files `names`.

    Raises:
        Failure: There is no model, or a file is not the one that was saved with it.
    """
    try:
        record = files.read_json(folder / RECORD)
        for name in names:
            found, expected = files.sha256(folder / name), record["sha256"][name]
            if found != expected:
                raise Failure(
                    f"{folder / name}: its sha256 is {found}, but {RECORD} next to it expects "
                    f"{expected}; copy the whole folder again from where it was trained"
                )
        model = Trained(folder, record)
        _ = model.features  # raises for a record of another kind
    except Failure:
        raise
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise none_there(folder, error) from None
    return model


def none_there(folder: Path, error: Exception) -> Failure:
    """Return the Failure for a folder that does not hold a whole model."""
    if not folder.is_dir():
        problem = "no such folder"
    elif not (folder / RECORD).is_file():
        problem = f"no {RECORD} in this folder"
    else:
        problem = f"not a model of this version ({error!r})"
    return Failure(
        f"{folder}: {problem}; use the output folder of the train stage, models/lstm, with "
        f"{RECORD}, {GRAPH}, {NETWORK} and {INTERVALS}"
    )
