"""Intervals against their definitions, and against the coverage that they promise."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from household.core.schema import LEVELS, Float32
from household.dataset import batches
from household.dataset.windows import WindowShape
from household.evaluation import metrics
from household.model import intervals
from household.model.intervals import CalibrationSample, ConformalIntervals

few = settings(max_examples=25, deadline=None)


def drawn(n: int, seed: int, horizon: int = 2, wide: float = 1.0) -> CalibrationSample:
    """Errors that are as wide as the first figure of the state, and wider upwards."""
    draw = np.random.default_rng(seed)
    state = draw.uniform(0.1, 1, (n, 3)).astype(np.float32)
    forecast = draw.uniform(1, 2, (n, horizon)).astype(np.float32)
    errors = draw.normal(size=(n, horizon)) * state[:, :1] * wide
    actual = forecast + np.where(errors > 0, 3 * errors, errors)
    return CalibrationSample(state, forecast, actual.astype(np.float32) - 9)._replace(
        forecast=forecast - np.float32(9)
    )


def around(found: ConformalIntervals, of: CalibrationSample) -> tuple[Float32, Float32]:
    cell = intervals._bin_index(of.state, found.cuts)
    return of.forecast + found.below[:, cell], of.forecast + found.above[:, cell]


@pytest.mark.parametrize("wide", [1.0, 0.2, 5.0])
def test_intervals_have_the_asked_coverage(wide: float) -> None:
    """Even where the errors in training were of another size than those afterwards."""
    shares = []
    for seed in range(20):
        found = intervals.calibrate(drawn(4000, seed, wide=wide), drawn(1000, 100 + seed))
        assert found is not None
        test = drawn(4000, 200 + seed)
        lower, upper = around(found, test)
        inside = (test.actual >= lower) & (test.actual <= upper)
        shares.append(inside.mean(axis=1))  # (levels, horizon)
    # The mean of 20 with 1,000 windows each has a standard deviation of 0.003.
    for level, share in zip(LEVELS, np.mean(shares, axis=0), strict=True):
        assert share == pytest.approx(level, abs=0.012)


def test_the_validation_split_has_exactly_the_theoretical_coverage() -> None:
    validation = drawn(999, 1)
    found = intervals.calibrate(drawn(4000, 0), validation)
    assert found is not None
    lower, upper = around(found, validation)
    inside = ((validation.actual >= lower) & (validation.actual <= upper)).sum(axis=1)
    for level, counts in zip(LEVELS, inside, strict=True):
        # The one of rank ceil(1000 level) lies on an end, where rounding may leave it outside.
        assert all(abs(count - math.ceil(1000 * level)) <= 1 for count in counts)


def test_intervals_are_wider_in_busy_states_and_follow_biased_errors() -> None:
    found = intervals.calibrate(drawn(20_000, 0), drawn(2000, 1))
    assert found is not None
    test = drawn(3000, 2)
    lower, upper = around(found, test)
    calm, busy = (test.state[:, 0] < 0.3, test.state[:, 0] > 0.8)
    for place in range(len(LEVELS)):
        assert np.mean((upper - lower)[place][busy]) > 2 * np.mean((upper - lower)[place][calm])
        assert np.mean(upper[place] - test.forecast) > 2 * np.mean(test.forecast - lower[place])
    assert np.all(lower[1] <= lower[0])
    assert np.all(upper[1] >= upper[0])


def test_a_lower_bound_is_negative_only_if_the_power_was() -> None:
    values = np.array([[0.1], [0.1], [0.2], [0.1]], np.float32)
    starts, forecast = np.array([0], np.int32), np.array([[0.1]], np.float32)
    wide = np.full((2, intervals.N_BINS, 1), 5, np.float32)
    cuts = np.zeros((3, 3), np.float32)
    for least, expected in ((0.0, 0.0), (-math.inf, -4.9)):
        lower, upper = ConformalIntervals(cuts, -wide, wide, least).bounds(
            values, starts, 3, forecast=forecast
        )
        assert lower.tolist() == pytest.approx(np.full((2, 1, 1), expected))
        assert upper.tolist() == pytest.approx(np.full((2, 1, 1), 5.1))
    train, validation = drawn(1000, 0), drawn(100, 1)
    assert getattr(intervals.calibrate(train, validation), "lower_limit", None) == -math.inf
    lifted = [
        each._replace(actual=each.actual + np.float32(20), forecast=each.forecast + np.float32(20))
        for each in (train, validation)
    ]
    assert getattr(intervals.calibrate(*lifted), "lower_limit", None) == 0


@few
@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 9))
def test_the_state_reads_the_last_minutes_of_the_lookback_and_the_forecast(
    lookback: int, horizon: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    power = draw.integers(0, 5000, 100) / 1000
    values = np.column_stack([power, draw.normal(size=100)]).astype(np.float32)
    starts = np.array([3, 11, 40], np.int32)
    forecast = draw.uniform(0, 5, (3, horizon)).astype(np.float32)
    found = intervals.state(values, starts, lookback, forecast=forecast)
    for start, ahead, of in zip(starts, forecast.tolist(), found.tolist(), strict=True):
        read = power[start : start + lookback].tolist()[-16:]
        moves = [abs(b - a) for a, b in itertools.pairwise(read)] or [0.0]
        assert of == pytest.approx(
            [
                sum(moves) / len(moves),
                read[-1],
                sum(abs(each - read[-1]) for each in ahead) / horizon,
            ],
            abs=1e-5,
        )


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=30))
def test_interval_scores_equal_their_definitions(rows: list[tuple[int, int, int]]) -> None:
    n = len(rows)
    actual, lower, upper = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    upper = np.maximum(lower, upper)
    inside, wide, score = 0, 0.0, 0.0
    for y, low, high in zip(actual.tolist(), lower.tolist(), upper.tolist(), strict=True):
        inside += low <= y <= high
        wide += high - low
        score += (
            (high - low) + (10 * (low - y) if y < low else 0) + (10 * (y - high) if y > high else 0)
        )
    assert metrics.coverage(actual, lower, upper) == pytest.approx(inside / n)
    assert metrics.mean_width(lower, upper) == pytest.approx(wide / n)
    assert metrics.winkler_score(actual, lower, upper, level=0.8) == pytest.approx(score / n)


def test_too_few_validation_windows_give_no_intervals() -> None:
    train = drawn(1000, 0)
    assert intervals.calibrate(train, drawn(18, 1)) is None
    assert intervals.calibrate(train, drawn(19, 1)) is not None
    values = np.ones((50, 1), np.float32)
    starts = np.arange(20, dtype=np.int32)
    nothing = np.array([], np.int32)
    known, none = (batches.in_memory(values, part) for part in (starts, nothing))
    assert (
        intervals.fit(known, none, WindowShape(3, 1), forecast=lambda _, chosen: values[chosen])
        is None
    )


def test_a_constant_series_has_the_narrowest_interval() -> None:
    still = CalibrationSample(
        np.zeros((200, 3), np.float32), np.ones((200, 1), np.float32), np.ones((200, 1), np.float32)
    )
    found = intervals.calibrate(still, still)
    assert found is not None
    lower, upper = around(found, still)
    assert np.all(lower <= 1)
    assert np.all(upper >= 1)
    assert np.all(upper - lower < 0.01)


def test_intervals_are_read_as_written_with_the_same_bytes(tmp_path: Path) -> None:
    found = intervals.calibrate(drawn(1000, 0), drawn(100, 1))
    assert found is not None
    for name in ("one", "two"):
        intervals.write(tmp_path / name, found)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = intervals.read(tmp_path / "one")
    assert again is not None
    assert again.lower_limit == found.lower_limit
    for expected, got in zip(found[:3], again[:3], strict=True):
        assert np.array_equal(expected, got)


def test_a_file_may_hold_no_intervals(tmp_path: Path) -> None:
    intervals.write(tmp_path / "none", None)
    assert intervals.read(tmp_path / "none") is None


def test_both_bounds_of_each_level_have_a_name() -> None:
    lower, upper = np.zeros((2, 1, 1), np.float32), np.ones((2, 1, 1), np.float32)
    named = intervals.named_bounds(lower, upper, "_kw")
    assert list(named) == ["low_80_kw", "high_80_kw", "low_95_kw", "high_95_kw"]
    assert named["high_95_kw"].tolist() == [[1]]
