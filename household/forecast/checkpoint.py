"""The state of a training after an epoch, in one file, so that one which was stopped goes on."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from household.pipeline import files

Arrays = list[npt.NDArray[np.generic]]


class State(NamedTuple):
    """All that the next epoch depends on, beside the inputs, which the file's key stands for."""

    epochs: int  # done
    network: Arrays  # weights, and what dropout draws from
    optimizer: Arrays
    best: Arrays  # weights after the epoch with the best validation loss
    best_loss: float
    waited: int  # epochs since then
    losses: npt.NDArray[np.float64]  # (rows, 3): epoch, part, loss


def key(parts: Iterable[bytes | npt.NDArray[np.generic]]) -> str:
    """One for all that a training depends on: a hash of each of `parts` in turn."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes()
        whole.update(hashlib.sha256(raw).digest())
    return whole.hexdigest()


def write(path: Path, key: str, state: State) -> None:
    arrays = {
        f"{name}_{place}": array
        for name in ("network", "optimizer", "best")
        for place, array in enumerate(getattr(state, name))
    }
    with files.atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            key=key,
            epochs=state.epochs,
            best_loss=state.best_loss,
            waited=state.waited,
            losses=state.losses,
            allow_pickle=False,
            **arrays,
        )


def read(path: Path, key: str) -> State | None:
    """The state in the file at `path`; None where there is none, or it is of another `key`."""
    try:
        with path.open("rb") as file, np.load(file) as held:
            if held["key"].item() != key:
                return None

            def numbered(name: str) -> Arrays:
                count = sum(each.startswith(f"{name}_") for each in held if each != "best_loss")
                return [held[f"{name}_{place}"] for place in range(count)]

            return State(
                epochs=held["epochs"].item(),
                network=numbered("network"),
                optimizer=numbered("optimizer"),
                best=numbered("best"),
                best_loss=held["best_loss"].item(),
                waited=held["waited"].item(),
                losses=held["losses"],
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # not there, or not a checkpoint
