"""The folder of a trained model, read again; `household.forecast.artifact` says what is in it."""

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
    """A model in a folder, whose files are those that were trained."""

    folder: Path
    record: dict[str, Any]  # forecaster.json

    @property
    def features(self) -> list[str]:
        return [feature["name"] for feature in self.record["input"]["features"]]

    @property
    def scaling(self) -> Scaling:
        """What stands in the network, whose weights fit no other."""
        features = self.record["input"]["features"]
        center, scale = zip(*((each["center"], each["scale"]) for each in features), strict=True)
        return Scaling(np.array(center), np.array(scale))

    @property
    def lineage(self) -> list[dict[str, Any]]:
        """The trainings that its weights went through, the latest first, for what goes on."""
        own = {"sha256": self.record["sha256"][NETWORK], "trained_on": self.record["trained_on"]}
        return [own, *self.record["lineage"]]

    def forecast(self, features: list[str], values: Values, starts: Starts, shape: Shape) -> Power:
        """Its forecasts for the windows of `shape` at `starts`, in kW: (windows, horizon).

        `values` (minutes, features) has the columns `features`. Raises Failure where the windows
        lack what it reads, or ask for another horizon.
        """
        session = runtime.load(self.folder / GRAPH)
        own = runtime.shape(session)
        lacking = [name for name in self.features if name not in features]
        if lacking or own.lookback > shape.lookback or own.horizon != shape.horizon:
            raise Failure(
                f"{self.folder}: the model there reads {own.lookback} minutes of "
                f"{', '.join(self.features)} and forecasts {own.horizon}, but the windows here "
                f"hold {shape.lookback} of {', '.join(features)} and {shape.horizon}; evaluate it "
                "with windows that hold as much"
            )
        places = [features.index(name) for name in self.features]
        later = np.int32(shape.lookback - own.lookback)
        return runtime.forecast(session, values[:, places], starts + later)

    def learnt_from(self, stamps: Any) -> int:
        """How many of the times `stamps` are not after the last minute that it was trained on.

        Raises Failure where the record does not say which that is.
        """
        try:
            last = np.datetime64(self.record["trained_on"]["last"])
        except (ValueError, LookupError, TypeError) as error:
            raise none_there(self.folder, error) from None
        return int(np.sum(stamps <= last))


def read(folder: Path, *names: str) -> Trained:
    """The model in `folder`, of which the files `names` are to be used.

    Raises Failure where there is none, or where one of them is not the one that was trained.
    """
    try:
        record = files.read_json(folder / RECORD)
        for name in names:
            found, expected = files.sha256(folder / name), record["sha256"][name]
            if found != expected:
                raise Failure(
                    f"{folder / name}: its sha256 is {found}, but {RECORD} beside it was written "
                    f"for {expected}; copy the whole folder again from where it was trained"
                )
        model = Trained(folder, record)
        _ = model.features  # which everyone who reads it asks for
    except Failure:
        raise
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise none_there(folder, error) from None
    return model


def none_there(folder: Path, error: Exception) -> Failure:
    """What to say where a folder holds no model, or half of one."""
    if not folder.is_dir():
        found = "no such folder"
    elif not (folder / RECORD).is_file():
        found = f"no {RECORD} in this folder"
    else:
        found = f"no model of this version ({error!r})"
    return Failure(
        f"{folder}: {found}; give the folder that the train stage leaves, models/lstm, with "
        f"{RECORD}, {GRAPH}, {NETWORK} and {INTERVALS}"
    )
