"""Splits the windows in time order into train, validation and test, and shuffles the training.

The centre is taken here and not with the windows, since that of the training part can be known
only once there is one.

Reads data/windowed/. Writes data/split/{train,validation,test}.parquet, the starts of the
windows of each part, and data/split/centre.json.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from household import files, params, series, stage, windows
from household.failure import Failure
from household.params import Params
from household.windows import Starts

SERIES = Path("data/windowed/series.parquet")
WINDOWS = Path("data/windowed/windows.parquet")
SPLIT = Path("data/split")
CENTRE = SPLIT / "centre.json"


class Parts(NamedTuple):
    train: Starts
    validation: Starts
    test: Starts


def main(params: Params) -> None:
    starts = windows.read(WINDOWS)
    parts = split(starts, params.window.length, params.split, params.seed)
    minutes = pq.read_table(SERIES)
    values = series.values(minutes)
    counted = {"all": starts, "train": parts.train, "none": starts[:0]}[params.window.center]
    centre = (
        windows.centre(values, counted, params.window.length)
        if len(counted)
        else np.zeros(values.shape[1])
    )
    for name, part in parts._asdict().items():
        windows.write(SPLIT / f"{name}.parquet", part)
    files.write_json(CENTRE, dict(zip(minutes.column_names[1:], centre.tolist(), strict=True)))
    print(f"split: {', '.join(f'{len(p):,} {name}' for name, p in parts._asdict().items())}")


def split(starts: Starts, length: int, settings: params.Split, seed: int) -> Parts:
    """Cuts windows that are in time order, as the tutorial does with its defaults.

    The first round(train * n) train, the rest test. Of those that train, shuffled or (with
    `validation_from` "tail") as they come, the last share of `validation` is set aside. With
    `embargo` no window before a cut in time shares a minute with one after it. Training windows
    come shuffled by `seed`, test windows in time order.

    Raises Failure where a part would be empty.
    """
    shuffle = np.random.default_rng(seed).permutation
    cut = round(settings.train * len(starts))
    before, test = starts[:cut], starts[cut:]
    if settings.embargo:
        before = without_overlap(before, test, length)
    kept = math.floor(len(before) * (1.0 - settings.validation))
    if settings.validation_from == "shuffled":
        before = shuffle(before)
        train, validation = before[:kept], before[kept:]
    else:
        train, validation = before[:kept], before[kept:]
        if settings.embargo:
            train = without_overlap(train, validation, length)
        train = shuffle(train)
    for part, key in ((train, "train"), (validation, "validation"), (test, "train")):
        if not len(part) and (key != "validation" or settings.validation):
            raise Failure(
                f"{len(starts):,} windows are too few for a train, a validation and a test part; "
                f"use more minutes (fetch.source, window.fraction) or change split.{key}"
            )
    return Parts(train, validation, test)


def without_overlap(before: Starts, after: Starts, length: int) -> Starts:
    """Those of `before` whose last minute comes before the first minute of `after`."""
    return before[before + length <= after[0]] if len(after) else before


if __name__ == "__main__":
    stage.run("split", main)
