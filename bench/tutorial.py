"""The Keras tutorial that this grew from, as plainly as it is usually written: the reference.

    python -m bench.tutorial ZIP

goes from the zip to shuffled windows, and no further.
"""

import csv
import io
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LENGTH = 50
BATCH = 512


class Windows(NamedTuple):
    """Inputs (windows, 49, 1) and targets (windows,), less the mean of them all."""

    inputs: npt.NDArray[np.float64]
    targets: npt.NDArray[np.float64]
    test_inputs: npt.NDArray[np.float64]
    test_targets: npt.NDArray[np.float64]


def windows(path: Path) -> Windows:
    power = []
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
        for line in csv.reader(io.TextIOWrapper(member), delimiter=";"):
            try:
                power.append(float(line[2]))
            except ValueError:
                continue
    rows = np.array([power[first : first + LENGTH] for first in range(len(power) - LENGTH)])
    rows -= rows.mean()
    cut = round(0.9 * len(rows))
    train, test = rows[:cut], rows[cut:]
    np.random.default_rng(0).shuffle(train)
    return Windows(train[:, :-1, np.newaxis], train[:, -1], test[:, :-1, np.newaxis], test[:, -1])


def network() -> Any:
    import keras  # noqa: PLC0415 - the data path does without

    model = keras.Sequential(
        [
            keras.Input((LENGTH - 1, 1)),
            keras.layers.LSTM(50, return_sequences=True),
            keras.layers.Dropout(0.2),
            keras.layers.LSTM(100),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )
    model.compile(loss="mse", optimizer="rmsprop")
    return model


if __name__ == "__main__":
    windows(Path(sys.argv[1]))
