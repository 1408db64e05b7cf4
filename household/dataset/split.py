"""Split the windows into training, validation and test splits."""

import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from household.core import meters
from household.core.errors import UserError
from household.core.params import Params, SplitParams
from household.dataset import windows
from household.dataset.windows import Starts, WindowShape


class Splits(NamedTuple):
    """Hold the starts of the windows of each split."""

    train: Starts
    validation: Starts
    test: Starts


def split_windows(
    starts: Starts, shape: WindowShape, settings: SplitParams, *, seed: int
) -> Splits:
    """Split windows in time order. With the settings of the tutorial, split them as it does.

    The first round(train_fraction * n) windows are for training, the rest for the test. The last
    `validation_fraction` of the training windows becomes the validation split: the last windows in
    time, or random ones with `validation_sample`. No window before a cut in time has a target at or
    after the first target behind it. With `purge`, windows on either side of a cut share no reading
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
                "use more readings (fetch.source, window.use_fraction) or change "
                f"split.{key}_fraction"
            )
    return Splits(train, validation, test)


def holdout_meters(names: Sequence[str], settings: SplitParams, seed: int) -> set[str]:
    """Draw the meters that are tested but not trained on.

    Args:
        names: The names of all meters.
        settings: The parameters of the split stage.
        seed: Seeds the draw.

    Raises:
        UserError: The asked share is none of the meters, or all of them.
    """
    share = settings.holdout_meters
    count = round(share * len(names))
    if share and not 0 < count < len(names):
        raise UserError(
            f"split.holdout_meters: {share:.0%} of {len(names):,} meters is "
            f"{'all' if count else 'none'}; use another share, or 0 to train on all meters"
        )
    return set(np.random.default_rng(seed).permutation(sorted(names))[:count].tolist())


def split_meter(
    meter: str,
    params: Params,
    *,
    starts: Path,
    folders: Mapping[str, Path],
    holdout: Container[str],
) -> dict[str, int]:
    """Write the splits of a meter; return the number of windows in each.

    Args:
        meter: The name of the meter.
        params: The parameters.
        starts: Where the meter's file of window starts is.
        folders: Where to write the meter's file of each split, by split.
        holdout: The meters of which only the test split is written.

    Raises:
        UserError: As in `split_windows`.
    """
    all_starts = windows.read_starts(starts / meters.file_name(meter))
    shape = WindowShape.of(params.window)
    splits = split_windows(all_starts, shape, params.split, seed=params.seed)
    written = {"test": splits.test} if meter in holdout else splits._asdict()
    for name, split_starts in written.items():
        windows.write_starts(folders[name] / meters.file_name(meter), split_starts)
    return {name: len(split_starts) for name, split_starts in written.items()}
