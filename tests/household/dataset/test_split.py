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
    train=0.9,
    validation=0.05,
    validation_from="shuffled",
    embargo=False,
    unseen_households=0.0,
)
SIZES = st.integers(30, 400)


def cut(n: int, seed: int = 0, shape: WindowShape = SHAPE, **changed: Any) -> Splits:
    starts = np.arange(n, dtype=np.int32)
    return split_windows(starts, shape, TUTORIAL.model_copy(update=changed), seed)


@given(SIZES, st.floats(0.5, 0.9), st.floats(0.05, 0.4))
def test_counts_are_those_of_the_tutorial(n: int, train: float, validation: float) -> None:
    parts = cut(n, train=train, validation=validation)
    row = round(train * n)
    fitted = int(row * (1.0 - validation))  # what Keras's validation_split leaves
    assert [len(part) for part in parts] == [fitted, row - fitted, n - row]


@given(SIZES, st.sampled_from(["shuffled", "tail"]), st.integers(0, 2**32 - 1))
def test_every_window_is_in_one_part_and_the_test_comes_last_in_order(
    n: int, validation_from: str, seed: int
) -> None:
    parts = cut(n, seed, validation_from=validation_from)
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
def test_a_tail_validation_follows_all_that_trains(n: int) -> None:
    parts = cut(n, validation_from="tail")
    assert parts.train.max() < parts.validation.min()
    assert parts.validation.tolist() == sorted(parts.validation.tolist())


@given(SIZES, st.integers(1, 5))
def test_an_embargo_drops_just_the_windows_that_straddle_a_cut(n: int, horizon: int) -> None:
    shape = WindowShape(SHAPE.lookback, horizon)
    free, held = (
        cut(n, shape=shape, validation=0.2, validation_from="tail", embargo=embargo)
        for embargo in (False, True)
    )
    assert held.test.tolist() == free.test.tolist()
    assert held.validation.max() + shape.length == held.test.min()
    assert held.train.max() + shape.length == held.validation.min()


@given(SIZES, st.integers(1, 5), st.sampled_from(["shuffled", "tail"]))
def test_no_target_before_a_cut_is_one_behind_it(
    n: int, horizon: int, validation_from: str
) -> None:
    shape = WindowShape(SHAPE.lookback, horizon)
    parts = cut(n, shape=shape, validation=0.2, validation_from=validation_from)
    before = np.append(parts.train, parts.validation)
    assert before.max() + shape.length == parts.test.min() + shape.lookback
    if validation_from == "tail":
        assert parts.train.max() + shape.length == parts.validation.min() + shape.lookback


def test_an_embargo_keeps_shuffled_validation_away_from_the_test() -> None:
    parts = cut(400, embargo=True)
    before = np.concatenate([parts.train, parts.validation])
    assert sorted(before.tolist()) == list(range(360 - LENGTH + 1))


def test_an_embargo_needs_no_windows_dropped_across_a_gap() -> None:
    starts = np.array([*range(90), *range(90 + LENGTH, 100 + LENGTH)], np.int32)
    parts = split_windows(starts, SHAPE, TUTORIAL.model_copy(update={"embargo": True}), 0)
    assert len(parts.train) + len(parts.validation) == 90


def test_no_validation_is_a_choice() -> None:
    parts = cut(100, validation=0.0)
    assert [len(part) for part in parts] == [90, 0, 10]


@pytest.mark.parametrize(
    ("n", "changed", "key"),
    [
        (1, {}, "split.train"),
        (4, {}, "split.train"),
        (30, {"train": 0.99}, "split.train"),
        (30, {"validation": 0.99}, "split.train"),
        (6, {"embargo": True, "train": 0.5}, "split.train"),
    ],
)
def test_too_few_windows_say_so(n: int, changed: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=f"{n} windows are too few.*{key}"):
        cut(n, **changed)
