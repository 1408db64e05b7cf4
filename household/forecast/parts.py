"""The parts that the windows are split into: training, validation and test."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from household.forecast import windows
from household.forecast.windows import Shape, Starts
from household.pipeline.failure import Failure
from household.pipeline.params import Split


class Parts(NamedTuple):
    train: Starts
    validation: Starts
    test: Starts


def split(starts: Starts, shape: Shape, settings: Split, seed: int) -> Parts:
    """Cuts windows that are in time order, as the tutorial does with its settings.

    The first round(train * n) train, the rest test. Of those that train, shuffled or (with
    `validation_from` "tail") as they come, the last share of `validation` is set aside. No window
    before a cut in time has a target at or after the first target behind it; with `embargo` it
    shares no minute at all with a window behind it. Training windows come shuffled by `seed`, test
    windows in time order.

    Raises Failure where a part would be empty.
    """
    draw = np.random.default_rng(seed)

    def shuffle(part: Starts) -> Starts:
        # numpy refuses to shuffle an empty array that is read-only.
        return draw.permutation(part) if len(part) else part

    cut = round(settings.train * len(starts))
    before, test = starts[:cut], starts[cut:]
    before = windows.without_overlap(before, test, shape, embargo=settings.embargo)
    kept = math.floor(len(before) * (1.0 - settings.validation))
    if settings.validation_from == "shuffled":
        before = shuffle(before)
        train, validation = before[:kept], before[kept:]
    else:
        train, validation = before[:kept], before[kept:]
        train = windows.without_overlap(train, validation, shape, embargo=settings.embargo)
        train = shuffle(train)
    for part, key in ((train, "train"), (validation, "validation"), (test, "train")):
        if not len(part) and (key != "validation" or settings.validation):
            raise Failure(
                f"{len(starts):,} windows are too few for a train, a validation and a test part; "
                f"use more minutes (fetch.source, window.fraction) or change split.{key}"
            )
    return Parts(train, validation, test)


def unseen(meters: Sequence[str], settings: Split, seed: int) -> set[str]:
    """Those of `meters`, drawn by `seed`, that are tested but not trained on.

    Raises Failure where the share that is asked for is none of them, or all.
    """
    share = settings.unseen_households
    count = round(share * len(meters))
    if share and not 0 < count < len(meters):
        raise Failure(
            f"split.unseen_households: {share:g} of {len(meters):,} meters are {count:,}; change "
            "it so that there are some to train on and some to test, or set it to 0"
        )
    return set(np.random.default_rng(seed).permutation(sorted(meters))[:count].tolist())


class Job(NamedTuple):
    """A meter whose windows are to be split."""

    windows: Path
    train: Path  # files to be written, the first two not of a meter that is unseen
    validation: Path
    test: Path
    shape: Shape
    settings: Split
    seed: int
    unseen: bool


def cut(job: Job) -> dict[str, int]:
    """Writes the parts; returns how many windows each has. Raises Failure as `split` does."""
    parts = split(windows.read(job.windows), job.shape, job.settings, job.seed)
    held = {"test": parts.test} if job.unseen else parts._asdict()
    for name, starts in held.items():
        windows.write(getattr(job, name), starts)
    return {name: len(starts) for name, starts in held.items()}
