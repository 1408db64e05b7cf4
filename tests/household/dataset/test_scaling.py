from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core.step import MINUTE
from household.dataset import scaling, windows
from household.dataset.scaling import WeightedValues
from household.dataset.windows import WindowShape
from tests.household.dataset.test_windows import POWER, minutes, tutorial_windows

COLUMNS = {
    name: pa.chunked_array([column], pa.float32())
    for name, column in {"a": [1, 2, 3, 4], "b": [10, 20, 30, 40], "c": [5, 5, 5, 5]}.items()
}
BOTH, FIRST, NONE = (np.array(starts, np.int32) for starts in ([1, 0], [0], []))


@pytest.mark.parametrize("block", [1, 3, 99])
def test_the_scaling_counts_only_the_chosen_windows(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "BLOCK_ROWS", block)
    counted = scaling.MeterWindows(COLUMNS.__getitem__, FIRST, BOTH)
    center, scale, _ = scaling.fit_scaler([*COLUMNS], [counted], WindowShape(2, 1))
    assert center.tolist() == [2, 20, 5]
    assert scale.tolist() == pytest.approx(
        [np.std([1, 2, 3, 2, 3, 4]), np.std([10, 20, 30, 20, 30, 40]), 1]
    )


def test_without_windows_the_scaling_changes_nothing() -> None:
    counted = scaling.MeterWindows(COLUMNS.__getitem__, NONE, NONE)
    center, scale, _ = scaling.fit_scaler([*COLUMNS], [counted], WindowShape(2, 1))
    assert center.tolist() == [0, 0, 0]
    assert scale.tolist() == [1, 1, 1]


def column_of(power: list[float]) -> pa.ChunkedArray:
    """In chunks, as a file gives it."""
    cut = len(power) // 2
    return pa.chunked_array([power[:cut], power[cut:]], pa.float32())


@given(st.lists(POWER, min_size=3, max_size=60), st.integers(1, 11))
def test_the_mean_equals_that_of_the_tutorial_within_one_ulp(
    power: list[float], lookback: int
) -> None:
    built = tutorial_windows(power, lookback)
    if not built:
        return
    shape = WindowShape(lookback, 1)
    starts = windows.find_starts(minutes(len(power)), MINUTE, shape, across_gaps=True)
    mean = WeightedValues.of(column_of(power), windows.window_counts(starts, shape)).mean()
    total = sum((Fraction(value) for window in built for value in window), Fraction(0))
    exact = total / (len(built) * (lookback + 1))
    assert abs(Fraction(mean) - exact) <= Fraction(float(np.spacing(mean)))
    assert mean == pytest.approx(np.array(built).mean(), rel=1e-13)


@given(st.data())
def test_mean_and_deviation_weigh_each_minute_by_its_windows(
    data: st.DataObject,
) -> None:
    power = data.draw(st.lists(POWER, min_size=6, max_size=40))
    shape = WindowShape(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2)))
    possible = list(range(len(power) - shape.length))
    chosen = data.draw(st.lists(st.sampled_from(possible), min_size=1, unique=True))
    starts = np.array(chosen, np.int32)
    times = windows.window_counts(starts, shape)
    distinct = WeightedValues.of(column_of(power), times)
    mean, deviation = distinct.mean(), distinct.std()
    held = [value for start in chosen for value in power[start : start + shape.length]]
    assert mean == pytest.approx(float(np.mean(held)), rel=1e-13)
    assert deviation == pytest.approx(float(np.std(held)), rel=1e-12, abs=1e-12)
