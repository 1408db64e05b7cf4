"""Scores against their definitions, written out with plain Python numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import schema
from household.evaluation import metrics

POWER = st.integers(0, 11_000).map(lambda watts: watts / 1000)
PAIRS = st.lists(st.tuples(POWER, POWER), min_size=1, max_size=50)


def arrays(pairs: list[tuple[float, float]]) -> tuple[schema.Power, schema.Power]:
    actual, forecast = np.array(pairs, np.float32).T
    return actual, forecast


@given(PAIRS)
def test_rmse_and_mae_equal_their_definitions(pairs: list[tuple[float, float]]) -> None:
    actual, forecast = arrays(pairs)
    errors = [f - a for a, f in zip(actual.tolist(), forecast.tolist(), strict=True)]
    assert metrics.rmse(actual, forecast) == pytest.approx(
        math.sqrt(sum(error**2 for error in errors) / len(errors)), rel=1e-12
    )
    assert metrics.mae(actual, forecast) == pytest.approx(
        sum(abs(error) for error in errors) / len(errors), rel=1e-12
    )


def test_a_worked_example() -> None:
    actual = np.array([1, 2, 3, 4], np.float32)
    forecast = np.array([1, 2, 3, 8], np.float32)
    assert metrics.rmse(actual, forecast) == 2
    assert metrics.mae(actual, forecast) == 1
    assert metrics.mase(actual, forecast, scale=0.5) == 2
    assert metrics.skill(2, reference=8) == 0.75
    assert metrics.skill(8, reference=2) == -3


def test_a_scale_of_zero_has_no_mase() -> None:
    constant = np.ones(3, np.float32)
    assert metrics.mase(constant, constant, scale=0) is None
    assert metrics.skill(0.1, reference=0) is None


def test_each_forecaster_has_its_scores_against_persistence() -> None:
    actual = np.array([1, 2, 3, 4], np.float32)
    worse = np.array([1, 2, 3, 8], np.float32)
    better = np.array([1, 2, 3, 5], np.float32)
    assert metrics.score_all(actual, {"LSTM": better, "persistence": worse}, scale=0.5) == {
        "LSTM": {"rmse_kw": 0.5, "mae_kw": 0.25, "mase": 0.5, "skill": 0.75},
        "persistence": {"rmse_kw": 2, "mae_kw": 1, "mase": 2, "skill": 0},
    }
