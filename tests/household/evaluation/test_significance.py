"""What is said of two forecasts against the same with loops, and against what must be found."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core.schema import Power, Times
from household.core.step import MINUTE, Spacing
from household.evaluation import breakdown, evaluate, metrics, significance
from household.evaluation.predictions import ForecastSet
from household.model.forecast import Forecast

LEVELS = [0.025, 0.1, 0.5, 0.9, 0.975]


def pair(minutes: int, gain: float, seed: int) -> tuple[Power, Power, Power]:
    """Return a power, a forecast, and a second one with 1 / (1 - `gain`) times the error."""
    draw = np.random.default_rng(seed)
    actual = draw.uniform(0, 5, minutes)
    error = draw.normal(size=(2, minutes))
    made = (actual, actual + error[0] * (1 - gain), actual + error[1])
    return made[0].astype(np.float32), made[1].astype(np.float32), made[2].astype(np.float32)


@given(st.integers(3, 80), st.integers(0, 9))
def test_diebold_mariano_equals_a_naive_implementation(minutes: int, seed: int) -> None:
    actual, forecast, reference = pair(minutes, 0.1, seed)
    d = [
        (float(r) - float(a)) ** 2 - (float(f) - float(a)) ** 2
        for a, f, r in zip(actual, forecast, reference, strict=True)
    ]
    mean, n = statistics.fmean(d), len(d)
    lags = min(int(4 * (n / 100) ** (2 / 9)), n - 1)
    variance = statistics.pvariance(d)
    for lag in range(1, lags + 1):
        covariance = sum((d[t] - mean) * (d[t - lag] - mean) for t in range(lag, n)) / n
        variance += 2 * (1 - lag / (lags + 1)) * covariance
    found = significance.diebold_mariano(actual, forecast, reference)
    assert found is not None
    assert found.statistic == pytest.approx(mean / math.sqrt(variance / n), rel=1e-9)
    normal = statistics.NormalDist()
    assert found.p == pytest.approx(2 * normal.cdf(-abs(found.statistic)), rel=1e-6, abs=1e-12)


def test_equally_good_forecasts_differ_significantly_one_time_in_twenty() -> None:
    tests = [significance.diebold_mariano(*pair(500, 0, seed)) for seed in range(400)]
    low = sum(test is not None and test.p < 0.05 for test in tests)
    # 20 of 400 expected, with a standard deviation of 4.4.
    assert 7 <= low <= 33


def test_the_confidence_interval_holds_the_true_skill_19_times_in_20() -> None:
    held = 0
    for seed in range(200):
        interval = significance.skill_ci(*pair(600, 0.2, seed), block=20, seed=seed)
        assert interval is not None
        held += interval.low <= 0.2 <= interval.high
    # 190 of 200 expected, with a standard deviation of 3.1; blocks make intervals a bit short.
    assert 176 <= held <= 199


@given(st.integers(4, 60), st.integers(1, 4), st.integers(0, 9))
def test_the_bootstrap_equals_a_naive_implementation(minutes: int, block: int, seed: int) -> None:
    minutes = max(minutes, 2 * block)
    actual, forecast, reference = pair(minutes, 0.3, seed)
    blocks = math.ceil(minutes / block)
    drawn = np.random.default_rng(seed).integers(
        minutes - block + 1, size=(significance.RESAMPLES, blocks)
    )
    skills = []
    for firsts in drawn[:50].tolist():
        rows = [row for first in firsts for row in range(first, first + block)]
        rmse = metrics.rmse(actual[rows], forecast[rows])
        skills.append(metrics.skill(rmse, metrics.rmse(actual[rows], reference[rows])))
    assert significance.bootstrap_skills(actual, forecast, reference, block=block, seed=seed)[
        :50
    ] == pytest.approx(skills, rel=1e-6)


def test_dependent_days_make_a_wider_interval_than_shuffled_minutes() -> None:
    draw = np.random.default_rng(0)
    level = np.repeat(draw.uniform(0.1, 2, 40), 50)
    actual = np.zeros(2000, np.float32)
    forecast = (level * draw.normal(size=2000)).astype(np.float32)
    reference = draw.normal(size=2000).astype(np.float32)
    order = draw.permutation(2000)
    apart = significance.skill_ci(actual, forecast[order], reference[order], block=50)
    together = significance.skill_ci(actual, forecast, reference, block=50)
    assert apart is not None
    assert together is not None
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_too_few_days_give_no_interval_and_no_test() -> None:
    actual, forecast, _ = pair(2 * 1440 - 1, 0.1, 0)
    assert significance.skill_ci(actual, forecast, forecast, block=1440) is None
    assert significance.diebold_mariano(actual, forecast, forecast) is None
    assert significance.skill_ci(actual, forecast, actual, block=10) is None


def test_the_verdict_is_against_persistence_and_the_best_other() -> None:
    actual, better, worse = pair(3000, 0.2, 0)
    middle = ((better.astype(np.float64) + worse) / 2).astype(np.float32)
    found = evaluate.compare_with_baselines(
        actual, {"LSTM": actual, "persistence": worse, "linear": middle}, "LSTM", spacing=SPACING
    )
    assert found["best_baseline"] == "linear"
    assert found["persistence_skill"] == found["best_skill"] == 1
    assert found["best_low"] == found["best_high"] == 1
    assert found["best_dm"] > 3
    assert found["best_p"] < 0.01


SPACING = Spacing(1, MINUTE)


def forecast_set(clock: Times, actual: Power, means: dict[str, Power]) -> ForecastSet:
    forecasts = {name: Forecast(power, power) for name, power in means.items()}
    return ForecastSet(clock.reshape(actual.shape), actual, forecasts, LEVELS, 2.0, None, MINUTE)


def test_the_breakdown_is_the_scores_of_the_minutes_of_each_group() -> None:
    actual, forecast, reference = pair(2000, 0.1, 0)
    clock = np.datetime64("2007-01-05T22:00", "ms") + np.arange(2000) * np.timedelta64(3, "m")
    made = forecast_set(clock, actual, {"LSTM": forecast, "persistence": reference})
    crps = {"LSTM": np.abs(actual - forecast)}
    rows = breakdown.score_by_group(made, crps).to_pylist()
    groups = {
        "month": [f"{minute:%Y-%m}" for minute in clock.tolist()],
        "hour": [str(minute.hour) for minute in clock.tolist()],
        "weekday": [minute.strftime("%A") for minute in clock.tolist()],
        "minute": [
            "switching" if abs(a - p) > 0.5 else "quiet"
            for a, p in zip(actual.tolist(), reference.tolist(), strict=True)
        ],
    }
    assert {(row["by"], row["group"]) for row in rows} == {
        (by, group) for by, of in groups.items() for group in of
    }
    for row in rows:
        held = np.array([group == row["group"] for group in groups[row["by"]]])
        forecasts = {"LSTM": forecast[held], "persistence": reference[held]}
        expected = metrics.score_all(actual[held], forecasts, 2)[row["forecaster"]]
        assert row["minutes"] == held.sum()
        assert {key: row[key] for key in expected} == expected
        score = np.mean(np.abs(actual - forecast)[held]) if row["forecaster"] == "LSTM" else None
        assert row["crps_kw"] == (score and pytest.approx(score, abs=1e-5))


@pytest.mark.parametrize(
    ("begin", "expected"), [("2007-01-05T22:00", None), ("2007-01-31T22:00", "2007-02")]
)
def test_the_last_of_several_months_is_reported_with_its_skill(
    begin: str, expected: str | None
) -> None:
    actual, forecast, reference = pair(2000, 0.1, 0)
    clock = np.datetime64(begin, "ms") + np.arange(2000) * np.timedelta64(3, "m")
    forecasts = {"LSTM": forecast, "persistence": reference}
    table = breakdown.score_by_group(forecast_set(clock, actual, forecasts), {})
    late = clock >= np.datetime64("2007-02-01")
    skill = None
    if expected:
        in_it = {name: each[late] for name, each in forecasts.items()}
        skill = metrics.score_all(actual[late], in_it, 2)["LSTM"]["skill"]
    found = breakdown.latest_month_skill(table, "LSTM")
    assert found == {"last_month": expected, "last_month_skill": skill}


def test_a_previous_model_is_compared_but_is_not_a_baseline() -> None:
    actual, better, worse = pair(3000, 0.2, 0)
    forecasts = {"LSTM": better, "persistence": worse, "previous LSTM": actual}
    found = evaluate.compare_with_baselines(actual, forecasts, "LSTM", spacing=SPACING)
    assert found["best_baseline"] == "persistence"
    assert found["previous_skill"] is None
    forecasts["previous LSTM"] = worse
    found = evaluate.compare_with_baselines(actual, forecasts, "LSTM", spacing=SPACING)
    of_each = [
        {key: found[f"{of}_{key}"] for key in ("skill", "low", "high", "dm", "p")}
        for of in ("previous", "persistence")
    ]
    assert of_each[0] == of_each[1]


def test_intervals_are_scored_in_each_group() -> None:
    actual, forecast, reference = (each.reshape(-1, 2) for each in pair(1000, 0.1, 0))
    clock = np.datetime64("2007-01-05T22:00", "ms") + np.arange(1000) * np.timedelta64(3, "m")
    off = np.array([0.5, 1.5], np.float32)
    made = forecast_set(clock, actual, {"LSTM": forecast, "persistence": reference})
    quantiles = np.stack([forecast + each for each in (-off[1], -off[0], 0, *off)], axis=-1)
    made.forecasts["LSTM"] = Forecast.of_distribution(forecast, quantiles)
    table = breakdown.intervals_by_group(made)
    groups = {
        "all": ["all"] * 1000,
        "month": [f"{minute:%Y-%m}" for minute in clock.tolist()],
        "hour": [str(minute.hour) for minute in clock.tolist()],
        "weekday": [minute.strftime("%A") for minute in clock.tolist()],
        "minute": [
            "switching" if abs(a - p) > 0.5 else "quiet"
            for a, p in zip(actual.ravel().tolist(), reference.ravel().tolist(), strict=True)
        ],
        "step": ["1", "2"] * 500,
    }
    rows = table.to_pylist()
    assert {(row["by"], row["group"], row["level"]) for row in rows} == {
        (by, group, level) for by, of in groups.items() for group in of for level in (0.8, 0.95)
    }
    for row in rows:
        held = [group == row["group"] for group in groups[row["by"]]]
        place = [0.8, 0.95].index(row["level"])
        errors = np.abs(actual - forecast).ravel()[held]
        assert row["minutes"] == sum(held)
        assert row["coverage"] == pytest.approx(np.mean(errors <= off[place]), abs=2e-3)
        assert row["width_kw"] == pytest.approx(2 * off[place].item(), abs=1e-4)
    found = breakdown.overall_intervals(table)
    assert found["LSTM"]["coverage_80"] == rows[0]["coverage"]
    assert found["LSTM"]["winkler_95_kw"] == rows[1]["winkler_kw"]


def test_without_intervals_coverage_by_hour_is_empty() -> None:
    actual, _, reference = pair(10, 0.1, 0)
    clock = np.datetime64("2007-01-05", "ms") + np.arange(10) * np.timedelta64(1, "m")
    table = breakdown.intervals_by_group(forecast_set(clock, actual, {"persistence": reference}))
    assert table.num_rows == 0
    assert "coverage" in table.column_names
    assert breakdown.overall_intervals(table) == {}


def test_a_quantile_is_scored_by_its_share_and_its_loss() -> None:
    actual, forecast, _ = (each.reshape(-1, 2) for each in pair(1000, 0.1, 0))
    clock = np.datetime64("2007-01-05", "ms") + np.arange(1000) * np.timedelta64(1, "m")
    quantiles = np.stack([forecast + each for each in (-0.3, -0.1, 0, 0.1, 0.3)], axis=-1)
    made = forecast_set(clock, actual, {"persistence": forecast})
    made.forecasts["LSTM"] = Forecast.of_distribution(forecast, quantiles)
    rows = breakdown.quantile_scores(made).to_pylist()
    assert [row["level"] for row in rows] == LEVELS
    assert {row["forecaster"] for row in rows} == {"LSTM"}
    for i, row in enumerate(rows):
        errors = (actual - quantiles[..., i]).ravel().tolist()
        assert row["observed"] == pytest.approx(sum(each <= 0 for each in errors) / 1000)
        level = row["level"]
        losses = [level * each if each > 0 else (level - 1) * each for each in errors]
        assert row["pinball_kw"] == pytest.approx(sum(losses) / 1000, abs=1e-5)


def test_distributions_are_compared_by_the_ratio_of_their_crps() -> None:
    draw = np.random.default_rng(0)
    worse = draw.exponential(size=(5 * 1440, 2)).astype(np.float32)
    better = worse * np.float32(0.5)
    found = evaluate.compare_distributions(
        {"LSTM": better, "a": worse, "b": better}, "LSTM", spacing=SPACING
    )
    assert found["a"] == pytest.approx({"skill": 0.5, "low": 0.5, "high": 0.5}, abs=1e-5)
    assert found["b"] == pytest.approx({"skill": 0, "low": 0, "high": 0}, abs=1e-5)
    short = evaluate.compare_distributions(
        {"LSTM": better[:9], "a": worse[:9]}, "LSTM", spacing=SPACING
    )
    assert short["a"] == {"skill": 0.5, "low": None, "high": None}
    assert evaluate.compare_distributions({"a": worse}, "LSTM", spacing=SPACING) == {}
    other = draw.exponential(size=worse.shape).astype(np.float32)
    interval = significance.compare_losses(other, worse, spacing=SPACING)
    assert interval["low"] is not None
    assert interval["low"] < 0 < (interval["high"] or 0)
