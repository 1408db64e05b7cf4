"""The split against the tutorial's own, and what each setting adds to it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import params
from household.core.errors import UserError
from household.dataset.split import Splits, split_windows
from household.dataset.windows import WindowShape

SHAPE = WindowShape(4, 1)
LENGTH = SHAPE.length
TUTORIAL = params.SplitParams(
    train_fraction=0.9,
    validation_fraction=0.05,
    validation_sample="random",
    purge=False,
    holdout_meters=0.0,
)
SIZES = st.integers(30, 400)


def cut(n: int, seed: int = 0, shape: WindowShape = SHAPE, **changed: Any) -> Splits:
    starts = np.arange(n, dtype=np.int32)
    return split_windows(starts, shape, TUTORIAL.model_copy(update=changed), seed=seed)


@given(SIZES, st.floats(0.5, 0.9), st.floats(0.05, 0.4))
def test_counts_are_those_of_the_tutorial(n: int, train: float, validation: float) -> None:
    parts = cut(n, train_fraction=train, validation_fraction=validation)
    row = round(train * n)
    fitted = int(row * (1.0 - validation))  # what Keras's validation_split leaves
    assert [len(part) for part in parts] == [fitted, row - fitted, n - row]


@given(SIZES, st.sampled_from(["random", "last"]), st.integers(0, 2**32 - 1))
def test_every_window_is_in_one_split_and_the_test_split_is_last(
    n: int, validation_sample: str, seed: int
) -> None:
    parts = cut(n, seed, validation_sample=validation_sample)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert parts.test.tolist() == list(range(round(0.9 * n), n))


def test_training_windows_come_shuffled_by_the_seed() -> None:
    first, again, other = cut(400, 1), cut(400, 1), cut(400, 2)
    assert first.train.tolist() == again.train.tolist()
    assert first.train.tolist() != other.train.tolist()
    assert first.train.tolist() != sorted(first.train.tolist())
    # Shuffled before the validation is set aside, so that it comes from anywhere in time.
    assert first.validation.min() < 180 < first.validation.max()


@given(SIZES)
def test_the_last_windows_of_the_validation_follow_all_training_windows(n: int) -> None:
    parts = cut(n, validation_sample="last")
    assert parts.train.max() < parts.validation.min()
    assert parts.validation.tolist() == sorted(parts.validation.tolist())


@given(SIZES, st.integers(1, 5))
def test_purging_drops_just_the_windows_that_straddle_a_boundary(n: int, horizon: int) -> None:
    shape = WindowShape(SHAPE.lookback, horizon)
    free, held = (
        cut(n, shape=shape, validation_fraction=0.2, validation_sample="last", purge=purge)
        for purge in (False, True)
    )
    assert held.test.tolist() == free.test.tolist()
    assert held.validation.max() + shape.length == held.test.min()
    assert held.train.max() + shape.length == held.validation.min()


@given(SIZES, st.integers(1, 5), st.sampled_from(["random", "last"]))
def test_no_window_before_a_cut_has_a_target_after_it(
    n: int, horizon: int, validation_sample: str
) -> None:
    shape = WindowShape(SHAPE.lookback, horizon)
    parts = cut(n, shape=shape, validation_fraction=0.2, validation_sample=validation_sample)
    before = np.append(parts.train, parts.validation)
    assert before.max() + shape.length == parts.test.min() + shape.lookback
    if validation_sample == "last":
        assert parts.train.max() + shape.length == parts.validation.min() + shape.lookback


def test_purging_keeps_random_validation_windows_away_from_the_test() -> None:
    parts = cut(400, purge=True)
    before = np.concatenate([parts.train, parts.validation])
    assert sorted(before.tolist()) == list(range(360 - LENGTH + 1))


def test_purging_drops_no_windows_across_a_gap() -> None:
    starts = np.array([*range(90), *range(90 + LENGTH, 100 + LENGTH)], np.int32)
    parts = split_windows(starts, SHAPE, TUTORIAL.model_copy(update={"purge": True}), seed=0)
    assert len(parts.train) + len(parts.validation) == 90


def test_the_validation_split_may_be_empty() -> None:
    parts = cut(100, validation_fraction=0.0)
    assert [len(part) for part in parts] == [90, 0, 10]


@pytest.mark.parametrize(
    ("n", "changed", "key"),
    [
        (1, {}, "split.train_fraction"),
        (4, {}, "split.train_fraction"),
        (30, {"train_fraction": 0.99}, "split.train_fraction"),
        (30, {"validation_fraction": 0.99}, "split.train_fraction"),
        (6, {"purge": True, "train_fraction": 0.5}, "split.train_fraction"),
    ],
)
def test_too_few_windows_are_refused_with_the_reason(
    n: int, changed: dict[str, Any], key: str
) -> None:
    with pytest.raises(UserError, match=f"{n} windows are too few.*{key}"):
        cut(n, **changed)
