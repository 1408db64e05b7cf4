"""Scores against their definitions, written out with plain Python numbers."""

import itertools
import math
import statistics

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


def test_a_distribution_is_scored_by_mean_median_and_crps() -> None:
    actual = np.array([1, 2, 3, 4], np.float32)
    mean, median = np.array([1, 2, 3, 8], np.float32), np.array([1, 2, 3, 5], np.float32)
    found = metrics.score_all(
        actual,
        {"LSTM": mean, "persistence": mean},
        scale=0.5,
        medians={"LSTM": median},
        crps={"LSTM": np.array([0.1, 0.2, 0.3, 0.6], np.float32)},
    )
    scores = {"rmse_kw": 2, "mae_kw": 0.25, "mase": 0.5, "skill": 0, "crps_kw": 0.3}
    assert found["LSTM"] == pytest.approx(scores)
    assert found["persistence"] == {"rmse_kw": 2, "mae_kw": 1, "mase": 2, "skill": 0}


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=30))
def test_interval_scores_equal_their_definitions(rows: list[tuple[int, int, int]]) -> None:
    n = len(rows)
    actual, lower, upper = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    upper = np.maximum(lower, upper)
    inside, width, score = 0, 0.0, 0.0
    for y, low, high in zip(actual.tolist(), lower.tolist(), upper.tolist(), strict=True):
        inside += low <= y <= high
        width += high - low
        score += (
            (high - low) + (10 * (low - y) if y < low else 0) + (10 * (y - high) if y > high else 0)
        )
    assert metrics.coverage(actual, lower, upper) == pytest.approx(inside / n)
    assert metrics.mean_width(lower, upper) == pytest.approx(width / n)
    assert metrics.winkler_score(actual, lower, upper, level=0.8) == pytest.approx(score / n)


LEVEL = st.floats(0.01, 0.99).map(lambda level: round(level, 3))


@given(PAIRS, st.lists(LEVEL, min_size=1, max_size=6, unique=True).map(sorted), st.integers(0, 9))
def test_crps_equals_the_trapezoidal_sum_of_the_pinball_losses(
    pairs: list[tuple[float, float]], levels: list[float], seed: int
) -> None:
    actual, forecast = (each[:, np.newaxis] for each in arrays(pairs))
    off = np.sort(np.random.default_rng(seed).normal(size=len(levels)))
    quantiles = (forecast[..., np.newaxis] + off).astype(np.float32)
    found = metrics.crps(actual, quantiles, levels)
    for window, y in enumerate(actual[:, 0].tolist()):
        points = [(0.0, 0.0)]
        for level, quantile in zip(levels, quantiles[window, 0].tolist(), strict=True):
            points.append(
                (level, level * (y - quantile) if y > quantile else (1 - level) * (quantile - y))
            )
        points.append((1.0, 0.0))
        area = sum(
            (b - a) * (at_a + at_b) / 2 for (a, at_a), (b, at_b) in itertools.pairwise(points)
        )
        assert found[window, 0] == pytest.approx(2 * area, abs=1e-4)


@pytest.mark.parametrize("y", [0.0, 0.7, -2.5])
def test_crps_of_many_quantiles_is_that_of_the_distribution(y: float) -> None:
    """The one of a normal distribution is known: Gneiting et al. (2005), equation 5."""
    levels = [rank / 1000 for rank in range(1, 1000)]
    normal = statistics.NormalDist()
    quantiles = np.array([normal.inv_cdf(level) for level in levels], np.float32)
    found = metrics.crps(np.array([[y]], np.float32), quantiles[np.newaxis, np.newaxis], levels)
    expected = y * (2 * normal.cdf(y) - 1) + 2 * normal.pdf(y) - 1 / math.sqrt(math.pi)
    assert found.item() == pytest.approx(expected, abs=1e-3)
