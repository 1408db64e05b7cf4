"""Calibrated quantiles against their definition, and against the coverage that they promise."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from household.core.quantiles import interpolate_levels, interval, named_intervals
from household.core.schema import LEVELS, Float32, Power
from household.model import calibration
from household.model.calibration import Calibration
from household.model.forecast import Forecast

QUANTILES = [0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975]
few = settings(max_examples=25, deadline=None)


def drawn(n: int, seed: int, wide: float = 1.0) -> tuple[Power, Float32]:
    """Return power and the quantiles of a network that is off, two minutes ahead.

    The power is skewed and as wide as a figure that the network knows.
    """
    draw = np.random.default_rng(seed)
    scale = draw.uniform(0.1, 1, (n, 1))
    center = draw.uniform(1, 2, (n, 2))
    errors = draw.normal(size=(n, 2)) * scale * wide
    actual = center + np.where(errors > 0, 3 * errors, errors)
    ends = np.array([-2, -1.2, -0.4, 0, 0.6, 1.4, 2.2])
    quantiles = center[..., np.newaxis] + scale[..., np.newaxis] * ends
    return actual.astype(np.float32), quantiles.astype(np.float32)


def calibrated(validation: tuple[Power, Float32], quantiles: Float32) -> Float32:
    stretch = calibration.cross_validated_stretch(*validation, QUANTILES)
    return Calibration(stretch, -math.inf).apply(quantiles)


@pytest.mark.parametrize("wide", [1.0, 0.2, 5.0])
def test_intervals_have_the_asked_coverage(wide: float) -> None:
    """Even where the network takes the errors for larger or smaller than they are."""
    shares, below = [], []
    for seed in range(20):
        actual, quantiles = drawn(4000, 200 + seed, wide)
        found = calibrated(drawn(1000, 100 + seed, wide), quantiles)
        ends = [interval(found, QUANTILES, level) for level in LEVELS]
        shares.append([((actual >= low) & (actual <= high)).mean(axis=0) for low, high in ends])
        below.append((actual[..., np.newaxis] <= found).mean(axis=0))
    # The mean of 20 with 1,000 windows each has a standard deviation of 0.003.
    for level, share in zip(LEVELS, np.mean(shares, axis=0), strict=True):
        assert share == pytest.approx(level, abs=0.012)
    for step in np.mean(below, axis=0):
        assert step == pytest.approx(QUANTILES, abs=0.012)


@few
@example(44, 9)
@given(st.integers(39, 300), st.integers(0, 99))
def test_the_share_of_the_validation_split_is_the_theoretical_one(n: int, seed: int) -> None:
    actual, quantiles = drawn(n, seed)
    stretch = calibration.conformal_stretch(actual, quantiles, QUANTILES)
    median = quantiles[..., [3]]
    # Not sorted, which changes the shares where quantiles cross.
    found = median + stretch.T * (quantiles - median)
    for i, level in enumerate(QUANTILES):
        count = np.sum(actual <= found[..., i], axis=0)
        expected = math.ceil((n + 1) * level) if level >= 0.5 else math.floor((n + 1) * level)
        # The one of that rank lies on the quantile, where rounding may put it on either side.
        if level != 0.5:
            assert np.abs(count - expected).max() <= 1


def test_quantiles_that_hold_are_seldom_changed() -> None:
    normal = np.array([-1.96, -1.2816, -0.5244, 0, 0.5244, 1.2816, 1.96])
    kept = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        actual = draw.normal(size=(2000, 2)).astype(np.float32)
        quantiles = np.broadcast_to(normal.astype(np.float32), (2000, 2, 7))
        stretch = calibration.cross_validated_stretch(actual, quantiles, QUANTILES)
        kept.append((stretch == 1).all(axis=0))
    assert np.mean(kept) > 0.8


def test_a_step_is_calibrated_where_it_helps_and_only_there() -> None:
    """One step has quantiles that are too wide in all periods, one only in the last period."""
    actual, quantiles = drawn(1000, seed=3, wide=0.2)
    normal = np.array([-1.96, -1.2816, -0.5244, 0, 0.5244, 1.2816, 1.96], np.float32)
    quantiles[:, 1] = normal
    draw = np.random.default_rng(3)
    actual[:, 1] = draw.normal(size=1000) * np.repeat([1, 0.05], [800, 200])
    stretch = calibration.cross_validated_stretch(actual, quantiles, QUANTILES)
    assert (stretch[[0, 1, 2, 4, 5, 6], 0] < 0.9).all()
    assert (stretch[:, 1] == 1).all()


@pytest.mark.parametrize("windows", [0, 1, 38])
def test_too_few_windows_calibrate_nothing(windows: int) -> None:
    actual, quantiles = drawn(windows, seed=0)
    assert (calibration.cross_validated_stretch(actual, quantiles, QUANTILES) == 1).all()


def test_a_forecast_gets_the_quantiles_of_its_errors() -> None:
    draw = np.random.default_rng(0)
    forecast = draw.normal(size=(999, 2)).astype(np.float32)
    errors = draw.exponential(size=(999, 2)).astype(np.float32)
    found = calibration.error_quantiles(forecast + errors, forecast, QUANTILES)
    for step in (0, 1):
        in_order = np.sort(errors[:, step])
        # 999 errors leave 1,000 places for the next one.
        ranks = [math.ceil(1000 * level) for level in QUANTILES]
        expected = [in_order[rank - 1] for rank in ranks]
        assert found[:, step] == pytest.approx(expected, abs=1e-6)


def test_quantiles_without_a_width_stay_finite() -> None:
    still = np.ones((200, 1), np.float32)
    quantiles = np.ones((200, 1, 7), np.float32)
    stretch = calibration.conformal_stretch(still, quantiles, QUANTILES)
    assert np.isfinite(stretch).all()
    jumps = still + np.arange(200, dtype=np.float32)[:, np.newaxis]
    assert np.isfinite(calibration.conformal_stretch(jumps, quantiles, QUANTILES)).all()


def test_a_lower_limit_is_0_unless_the_power_was_negative() -> None:
    power = np.array([0.0, 2.0], np.float32)
    assert calibration.lower_limit(power, power + 1) == 0
    assert calibration.lower_limit(power, power - 1) == -math.inf


def test_too_few_validation_windows_are_not_enough() -> None:
    # The 39th of 39 errors is the quantile at 39 / 40 = 0.975.
    assert not calibration.are_enough(38, QUANTILES)
    assert calibration.are_enough(39, QUANTILES)
    assert not calibration.are_enough(0, QUANTILES)


def test_a_calibration_uses_no_more_targets_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MAX_TARGETS", 100)
    assert calibration.stride(99, 1) == 1
    assert calibration.stride(99, 60) == 59


def test_both_bounds_of_each_interval_have_a_name() -> None:
    quantiles = np.array(QUANTILES, np.float32)[np.newaxis, np.newaxis]
    named = named_intervals(quantiles, QUANTILES, "_kw")
    assert {name: bound.item() for name, bound in named.items()} == pytest.approx(
        {"low_80_kw": 0.1, "high_80_kw": 0.9, "low_95_kw": 0.025, "high_95_kw": 0.975}
    )


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(0, 9))
def test_quantiles_at_other_levels_lie_on_a_line_between(wanted: list[float], seed: int) -> None:
    quantiles = np.sort(np.random.default_rng(seed).normal(size=(3, 2, 7))).astype(np.float32)
    found = interpolate_levels(quantiles, QUANTILES, wanted)
    for window, step in np.ndindex(3, 2):
        expected = np.interp(wanted, QUANTILES, quantiles[window, step])
        assert found[window, step] == pytest.approx(expected, abs=1e-5)


def test_forecasts_are_selected_and_joined_with_quantiles_if_all_have_some() -> None:
    _, quantiles = drawn(10, 0)
    whole = Forecast.of_distribution(quantiles.mean(axis=-1), quantiles)
    assert np.array_equal(whole.median, quantiles[..., 3])
    parts = [whole.select(slice(0, 4)), whole.select(slice(4, None))]
    for expected, found in zip(whole, Forecast.concat(parts), strict=True):
        np.testing.assert_array_equal(found, expected)
    point = Forecast(whole.mean, whole.mean)
    assert point.select(slice(0, 4)).quantiles is None
    assert Forecast.concat([whole, point]).quantiles is None
