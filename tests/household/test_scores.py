"""Scores against their definitions, written out with plain Python numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household import scores

POWER = st.integers(0, 11_000).map(lambda watts: watts / 1000)
PAIRS = st.lists(st.tuples(POWER, POWER), min_size=1, max_size=50)


def arrays(pairs: list[tuple[float, float]]) -> tuple[scores.Power, scores.Power]:
    actual, forecast = np.array(pairs, np.float32).T
    return actual, forecast


@given(PAIRS)
def test_rmse_and_mae_are_their_definitions(pairs: list[tuple[float, float]]) -> None:
    actual, forecast = arrays(pairs)
    errors = [f - a for a, f in zip(actual.tolist(), forecast.tolist(), strict=True)]
    assert scores.rmse(actual, forecast) == pytest.approx(
        math.sqrt(sum(error**2 for error in errors) / len(errors)), rel=1e-12
    )
    assert scores.mae(actual, forecast) == pytest.approx(
        sum(abs(error) for error in errors) / len(errors), rel=1e-12
    )


@given(PAIRS)
def test_r2_is_one_less_the_share_of_the_variance_left(pairs: list[tuple[float, float]]) -> None:
    actual, forecast = arrays(pairs)
    known = actual.tolist()
    mean = sum(known) / len(known)
    spread = sum((value - mean) ** 2 for value in known)
    if len(set(known)) == 1:
        assert scores.r2(actual, forecast) is None
        return
    left = sum((f - a) ** 2 for a, f in zip(known, forecast.tolist(), strict=True))
    assert scores.r2(actual, forecast) == pytest.approx(1 - left / spread, rel=1e-6, abs=1e-9)


def test_a_worked_example() -> None:
    actual = np.array([1, 2, 3, 4], np.float32)
    forecast = np.array([1, 2, 3, 8], np.float32)
    assert scores.rmse(actual, forecast) == 2
    assert scores.mae(actual, forecast) == 1
    assert scores.mase(actual, forecast, scale=0.5) == 2
    assert scores.r2(actual, forecast) == pytest.approx(1 - 16 / 5)
    assert scores.skill(2, reference=8) == 0.75
    assert scores.skill(8, reference=2) == -3


def test_what_has_no_scale_has_no_score() -> None:
    constant = np.ones(3, np.float32)
    assert scores.mase(constant, constant, scale=0) is None
    assert scores.r2(constant, constant) is None
    assert scores.skill(0.1, reference=0) is None
