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

    The first round(train_fraction * n) windows are for training, the rest for the test. The last
    `validation_fraction` of the training windows becomes the validation split: the last windows in
    time, or random ones with `validation_sample`. No window before a cut in time has a target at or
    after the first target behind it. With `purge`, windows on either side of a cut share no minute
    at all. Training windows are shuffled by `seed`, test windows stay in time order.

    Dropping the windows that overlap is called purging; an embargo is an additional gap.
    López de Prado (2018), Advances in financial machine learning, chapter 7.

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

    n_before_test = round(settings.train_fraction * len(starts))
    training, test = starts[:n_before_test], starts[n_before_test:]
    training = windows.purge_overlap(training, test, shape, purge=settings.purge)
    n_train = math.floor(len(training) * (1.0 - settings.validation_fraction))
    if settings.validation_sample == "random":
        training = shuffle(training)
        train, validation = training[:n_train], training[n_train:]
    else:
        train, validation = training[:n_train], training[n_train:]
        train = windows.purge_overlap(train, validation, shape, purge=settings.purge)
        train = shuffle(train)
    for part, key in ((train, "train"), (validation, "validation"), (test, "train")):
        if not len(part) and (key != "validation" or settings.validation_fraction):
            raise UserError(
                f"{len(starts):,} windows are too few for a train, a validation and a test split; "
                "use more minutes (fetch.source, window.use_fraction) or change "
                f"split.{key}_fraction"
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
    share = settings.holdout_meters
    count = round(share * len(meters))
    if share and not 0 < count < len(meters):
        raise UserError(
            f"split.holdout_meters: {share:.0%} of {len(meters):,} meters is "
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
