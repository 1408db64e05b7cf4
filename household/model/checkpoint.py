"""Save the state of a training after each epoch, so that an interrupted training can resume."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from household.core import files

Arrays = list[npt.NDArray[np.generic]]


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
    losses: npt.NDArray[np.float64]


def fingerprint(parts: Iterable[bytes | npt.NDArray[np.generic]]) -> str:
    """Return a fingerprint of all that a training depends on: a hash of each of `parts` in turn."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes()
        digest.update(hashlib.sha256(raw).digest())
    return digest.hexdigest()


def write(path: Path, fingerprint: str, state: TrainingState) -> None:
    """Write `state` and the fingerprint of its training to `path`."""
    arrays = {
        f"{name}_{i}": array
        for name in ("network", "optimizer", "best")
        for i, array in enumerate(getattr(state, name))
    }
    with files.atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            fingerprint=fingerprint,
            epochs=state.epochs,
            best_loss=state.best_loss,
            waited=state.waited,
            losses=state.losses,
            allow_pickle=False,
            **arrays,
        )


def read(path: Path, fingerprint: str) -> TrainingState | None:
    """Return the state at `path`; None if there is no checkpoint with this fingerprint."""
    try:
        with path.open("rb") as file, np.load(file) as archive:
            if archive["fingerprint"].item() != fingerprint:
                return None

            def numbered(name: str) -> Arrays:
                count = sum(
                    entry.startswith(f"{name}_") for entry in archive if entry != "best_loss"
                )
                return [archive[f"{name}_{i}"] for i in range(count)]

            return TrainingState(
                epochs=archive["epochs"].item(),
                network=numbered("network"),
                optimizer=numbered("optimizer"),
                best=numbered("best"),
                best_loss=archive["best_loss"].item(),
                waited=archive["waited"].item(),
                losses=archive["losses"],
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # missing or not a checkpoint
