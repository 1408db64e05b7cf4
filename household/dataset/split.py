"""Split the windows into training, validation and test splits."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from household.core.errors import UserError
from household.core.params import SplitParams
from household.dataset import windows
from household.dataset.windows import Starts, WindowShape


class Splits(NamedTuple):
    """Hold the starts of the windows of each split."""

    train: Starts
    validation: Starts
    test: Starts


def split_windows(starts: Starts, shape: WindowShape, settings: SplitParams, seed: int) -> Splits:
    """Split windows in time order. With the settings of the tutorial, split them as it does.

    The first round(train * n) windows are for training, the rest for the test. The last
    `validation` share of the training windows becomes the validation split, in time order with
    `validation_from` "tail", else after shuffling. No window before a cut in time has a target at
    or after the first target behind it. With `embargo`, windows on either side of a cut share no
    minute at all. Training windows are shuffled by `seed`, test windows stay in time order.

    Args:
        starts: The starts of all windows, in time order.
        shape: The shape of the windows.
        settings: The parameters of the split stage.
        seed: Seeds the shuffle.

    Raises:
        UserError: A split would be empty.
    """
    draw = np.random.default_rng(seed)

    def shuffle(part: Starts) -> Starts:
        # NumPy refuses to shuffle an empty read-only array.
        return draw.permutation(part) if len(part) else part

    n_before_test = round(settings.train * len(starts))
    training, test = starts[:n_before_test], starts[n_before_test:]
    training = windows.purge_overlap(training, test, shape, embargo=settings.embargo)
    n_train = math.floor(len(training) * (1.0 - settings.validation))
    if settings.validation_from == "shuffled":
        training = shuffle(training)
        train, validation = training[:n_train], training[n_train:]
    else:
        train, validation = training[:n_train], training[n_train:]
        train = windows.purge_overlap(train, validation, shape, embargo=settings.embargo)
        train = shuffle(train)
    for part, key in ((train, "train"), (validation, "validation"), (test, "train")):
        if not len(part) and (key != "validation" or settings.validation):
            raise UserError(
                f"{len(starts):,} windows are too few for a train, a validation and a test split; "
                f"use more minutes (fetch.source, window.fraction) or change split.{key}"
            )
    return Splits(train, validation, test)


def holdout_meters(meters: Sequence[str], settings: SplitParams, seed: int) -> set[str]:
    """Draw the meters that are tested but not trained on.

    Args:
        meters: The names of all meters.
        settings: The parameters of the split stage.
        seed: Seeds the draw.

    Raises:
        UserError: The asked share is none of the meters, or all of them.
    """
    share = settings.unseen_households
    count = round(share * len(meters))
    if share and not 0 < count < len(meters):
        raise UserError(
            f"split.unseen_households: {share:.0%} of {len(meters):,} meters is "
            f"{'all' if count else 'none'}; use another share, or 0 to train on all meters"
        )
    return set(np.random.default_rng(seed).permutation(sorted(meters))[:count].tolist())


class Job(NamedTuple):
    """Describe a meter whose windows are split.

    Attributes:
        windows: The file of its windows.
        train: The file of training windows to write, unless the meter is unseen.
        validation: The file of validation windows to write, unless the meter is unseen.
        test: The file of test windows to write.
        shape: The shape of the windows.
        settings: The parameters of the split stage.
        seed: Seeds the shuffle.
        unseen: Whether the meter is tested only.
    """

    windows: Path
    train: Path
    validation: Path
    test: Path
    shape: WindowShape
    settings: SplitParams
    seed: int
    unseen: bool


def split_meter(job: Job) -> dict[str, int]:
    """Write the splits of a meter; return the number of windows in each.

    Raises:
        UserError: As in `split_windows`.
    """
    parts = split_windows(windows.read_starts(job.windows), job.shape, job.settings, job.seed)
    written = {"test": parts.test} if job.unseen else parts._asdict()
    for name, starts in written.items():
        windows.write_starts(getattr(job, name), starts)
    return {name: len(starts) for name, starts in written.items()}
