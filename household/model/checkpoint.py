"""Save the state of a training after each epoch, so that an interrupted training can resume."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from household.core import files
from household.core.schema import Float64

Arrays = list[npt.NDArray[np.generic]]
# The attributes of a state that are lists of arrays.
LISTS = ("network", "optimizer", "best")
NUMBERS = ("epochs", "best_loss", "waited")


class TrainingState(NamedTuple):
    """Hold all that the next epoch depends on, besides the inputs.

    Attributes:
        epochs: Number of completed epochs.
        network: Weights, and the state of the random draws of dropout.
        optimizer: The variables of the optimizer.
        best: Weights after the epoch with the lowest validation loss.
        best_loss: That loss.
        waited: Number of epochs since then.
        losses: Rows of epoch, split and loss: (rows, 3).
    """

    epochs: int
    network: Arrays
    optimizer: Arrays
    best: Arrays
    best_loss: float
    waited: int
    losses: Float64


def fingerprint(parts: Iterable[bytes | npt.NDArray[np.generic]]) -> str:
    """Return a fingerprint of all that a training depends on: a hash of each of `parts` in turn."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes()
        digest.update(hashlib.sha256(raw).digest())
    return digest.hexdigest()


class Checkpoint(NamedTuple):
    """Name the file of a checkpoint and the training that it belongs to.

    Attributes:
        path: The file.
        key: The fingerprint of the training.
    """

    path: Path
    key: str

    def write(self, state: TrainingState) -> None:
        """Write `state` and the fingerprint of its training."""
        numbers = {name: getattr(state, name) for name in NUMBERS}
        arrays = {
            f"{name}/{i:03}": array
            for name in LISTS
            for i, array in enumerate(getattr(state, name))
        }
        with files.atomic_write(self.path) as partial, partial.open("wb") as file:
            np.savez(file, key=self.key, losses=state.losses, **numbers, **arrays)

    def read(self) -> TrainingState | None:
        """Return the state in the file; None if there is none of this training."""
        try:
            with self.path.open("rb") as file, np.load(file) as archive:
                if archive["key"].item() != self.key:
                    return None
                lists: dict[str, Any] = {
                    name: [archive[entry] for entry in archive if entry.startswith(f"{name}/")]
                    for name in LISTS
                }
                numbers = {name: archive[name].item() for name in NUMBERS}
                return TrainingState(losses=archive["losses"], **numbers, **lists)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None  # missing or not a checkpoint
