"""The tables behind the plots, against the same said with plain Python."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from household.evaluation import metrics, significance
from household.report import distribution, tables
from tests.household.report.example_results import (
    FORECASTERS,
    METERS,
    OFF,
    QUANTILES,
    predictions,
    results,
)

SIZES = st.integers(2, 300)
SEEDS = st.integers(0, 5)
few = settings(max_examples=25, deadline=None)


def grouped(
    made: pd.DataFrame, key: Callable[[dict[str, Any]], Any]
) -> dict[Any, dict[str, list[float]]]:
    """Return the errors of each forecaster in each group of minutes."""
    found: dict[Any, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in records(made):
        of_group = found[key(row)]
        for name in FORECASTERS:
            of_group[name].append(float(row[name]) - float(row["actual"]))
    return found


def day(row: dict[str, Any]) -> str:
    return f"{row['timestamp']:%Y-%m-%dT00:00:00}"


def rms(errors: list[float]) -> float:
    return math.sqrt(sum(error**2 for error in errors) / len(errors))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")  # type: ignore[return-value]


def test_the_forecast_plot_may_show_the_first_minutes() -> None:
    made = predictions(9)
    table = tables.forecast(results(made, steps=4, **{"plot.start": "first"}))
    assert table.columns.tolist() == ["timestamp", "series", "power_kw", "low_kw", "high_kw"]
    names = ["actual", "LSTM", "persistence", "linear"]
    assert table["series"].tolist() == [name for name in names for _ in range(4)]
    assert table["timestamp"].tolist()[:2] == ["2007-03-31T21:58:00", "2007-03-31T22:05:00"]
    for name in names:
        assert table.loc[table["series"] == name, "power_kw"].tolist() == made[name].tolist()[:4]
    # The band of the 95 % interval belongs to the LSTM.
    banded = table[table["low_kw"].notna()]
    assert set(banded["series"]) == {"LSTM"}
    assert banded["low_kw"].tolist() == made["q0.025"].tolist()[:4]
    assert banded["high_kw"].tolist() == made["q0.975"].tolist()[:4]


@few
@given(st.integers(1, 60), st.integers(2, 9), SEEDS)
def test_the_forecast_plot_shows_the_busiest_run(n: int, steps: int, seed: int) -> None:
    made = predictions(n, seed)
    made["actual"] = (made["actual"] / 8).round(1).astype(np.float32)
    power = made["actual"].tolist()
    switches = [
        place > 0 and round(abs(power[place] - power[place - 1]), 4) > metrics.LARGE_CHANGE_KW
        for place in range(n)
    ]
    stretches = [int(stamp.timestamp()) // 60 // (7 * steps) for stamp in made["timestamp"]]
    counts = Counter(dict.fromkeys(stretches, 0))
    for stretch, switch in zip(stretches, switches, strict=True):
        counts[stretch] += switch
    busiest = max(counts, key=lambda stretch: counts[stretch])  # of the most the first
    table = tables.forecast(results(made, steps=7 * steps))
    for name, rows in table.groupby("series"):
        assert rows["power_kw"].tolist() == made.loc[np.array(stretches) == busiest, name].tolist()


def test_the_forecast_plot_shows_the_first_meter() -> None:
    made = predictions(40).assign(meter=["a"] * 10 + ["b"] * 30)
    table = tables.forecast(results(made, steps=100, **{"plot.start": "first"}))
    assert table["series"].value_counts().unique().tolist() == [10]


def test_a_run_without_intervals_has_no_band_and_no_coverage() -> None:
    made = results(predictions(9))
    bare = made._replace(
        predictions=made.predictions.drop(columns=QUANTILES), coverage=made.coverage.head(0)
    )
    assert tables.forecast(bare)[["low_kw", "high_kw"]].isna().all(axis=None)
    assert distribution.coverage_by_hour(bare).empty
    assert "coverage" in distribution.coverage_by_hour(bare)
    assert distribution.fan(bare).empty
    assert distribution.width_by_change(bare).empty
    without = bare._replace(quantiles=bare.quantiles.head(0))
    assert distribution.reliability(without).empty
    assert distribution.pit(without).empty


@few
@given(SIZES, SEEDS)
def test_coverage_by_hour_counts_the_minutes_within(n: int, seed: int) -> None:
    made = predictions(n, seed)
    table = distribution.coverage_by_hour(results(made))
    hours = made["timestamp"].dt.hour
    assert table["hour"].tolist() == 2 * sorted(hours.unique())
    for row in records(table):
        low, high = {"80%": ("q0.1", "q0.9"), "95%": ("q0.025", "q0.975")}[row["level"]]
        of = made[hours == row["hour"]]
        inside = (of["actual"] >= of[low]) & (of["actual"] <= of[high])
        assert row["minutes"] == len(of)
        assert row["coverage"] == pytest.approx(sum(inside) / len(of), abs=1e-5)
        assert row["width_kw"] == pytest.approx(2 * OFF[float(high[1:])], abs=1e-4)
        assert row["asked"] == float(row["level"].removesuffix("%")) / 100


def test_the_fan_has_a_band_for_each_pair_of_quantiles() -> None:
    made = predictions(300)
    table = distribution.fan(results(made, steps=250, **{"plot.start": "first"}))
    assert table["band"].tolist() == ["95%"] * 100 + ["80%"] * 100
    for band, low, high in (("95%", "q0.025", "q0.975"), ("80%", "q0.1", "q0.9")):
        rows = table[table["band"] == band]
        assert rows["low_kw"].tolist() == made[low].tolist()[:100]
        assert rows["high_kw"].tolist() == made[high].tolist()[:100]
        assert rows["median_kw"].tolist() == made["q0.5"].tolist()[:100]
        assert rows["actual_kw"].tolist() == made["actual"].tolist()[:100]


@few
@given(SIZES, SEEDS)
def test_reliability_and_pit_count_the_minutes_below_each_quantile(n: int, seed: int) -> None:
    made = predictions(n, seed)
    run = results(made)
    lines = distribution.reliability(run)
    assert lines["series"].unique().tolist() == ["LSTM", "persistence"]
    below = [0.0]
    for level, observed in lines.loc[lines["series"] == "LSTM", ["level", "observed"]].to_numpy():
        below.append(float(np.mean(made["actual"] <= made[f"q{level}"])))
        assert observed == pytest.approx(below[-1], abs=1e-6)
    bins = distribution.pit(run)
    assert bins["probability"].tolist() == [0, *OFF, 1]
    shares = np.diff([*below, 1.0])
    assert bins["minutes_share"].tolist()[:-1] == pytest.approx(shares.tolist(), abs=1e-5)
    area = (bins["density"].to_numpy()[:-1] * np.diff(bins["probability"])).sum()
    assert area == pytest.approx(1, abs=1e-4)


@few
@given(SIZES, SEEDS)
def test_width_by_change_is_the_mean_of_the_minutes_of_that_change(n: int, seed: int) -> None:
    made = predictions(n, seed)
    table = distribution.width_by_change(results(made))
    changes = (made["actual"].astype(float) - made["persistence"].astype(float)).abs().round(4)
    assert table.groupby("level")["minutes"].sum().to_dict() == {"80%": n, "95%": n}
    for row in records(table):
        low, _, high = row["change"].partition(" to ")
        held = changes >= float(low.removesuffix(" or more"))
        held &= changes < float(high or "inf")
        ends = {"80%": ("q0.1", "q0.9"), "95%": ("q0.025", "q0.975")}[row["level"]]
        inside = made["actual"].between(made[ends[0]], made[ends[1]])[held]
        assert row["minutes"] == held.sum()
        assert row["coverage"] == pytest.approx(inside.mean(), abs=1e-5)
        width = (made[ends[1]] - made[ends[0]])[held].mean()
        assert row["width_kw"] == pytest.approx(width, abs=1e-4)


def test_the_forecast_plot_shows_windows_that_do_not_overlap() -> None:
    made = predictions(10 * 17, horizon=17)  # which begin 7 minutes apart
    table = tables.forecast(results(made, steps=40, **{"plot.start": "first"}))
    assert table["series"].value_counts().tolist() == [40] * 4
    apart = 3  # the fewest windows from one to the next that begins after its end
    kept = [row for row in range(10 * 17) if row // 17 % apart == 0][:40]
    for name, rows in table.groupby("series"):
        assert rows["timestamp"].is_monotonic_increasing
        assert rows["power_kw"].tolist() == made[name].iloc[kept].tolist()


def test_forecasts_of_a_day_are_shown_whole_from_midnight() -> None:
    made = predictions(24 * 200, horizon=24)
    # Hours, with a forecast every hour from 31 March 21:00.
    window, step = np.divmod(np.arange(len(made)), 24)
    made["timestamp"] = pd.Timestamp("2007-03-31 21:00") + pd.to_timedelta(window + step, "h")
    first = {"parse.step": "1h", "plot.start": "first"}
    table = tables.forecast(results(made, steps=30, **first))
    # The first midnight is that of the fourth window, and 30 hours become two days.
    kept = [24 * window + hour for window in (3, 27) for hour in range(24)]
    for name, rows in table.groupby("series"):
        assert rows["power_kw"].tolist() == made[name].iloc[kept].tolist()
    fan = distribution.fan(results(made, steps=30, **first))
    assert fan.loc[fan["band"] == "95%", "actual_kw"].tolist() == made["actual"].iloc[kept].tolist()
    busiest = tables.select_steps(results(made, steps=30, **{"parse.step": "1h"}))
    assert len(busiest) == 48
    assert busiest["timestamp"].iloc[0].hour == 0
    assert busiest["step"].tolist() == 2 * list(range(1, 25))


@few
@given(st.integers(1, 60), st.integers(2, 9), SEEDS)
def test_error_by_step_is_the_rmse_of_that_minute_of_each_window(
    windows: int, horizon: int, seed: int
) -> None:
    made = predictions(windows * horizon, seed, horizon)
    expected = grouped(made, lambda row: row["step"])
    table = tables.error_by_step(results(made))
    assert table["step"].unique().tolist() == list(range(1, horizon + 1))
    for row in records(table):
        rmse, naive = (rms(expected[row["step"]][name]) for name in (row["series"], "persistence"))
        assert row["ahead"] == f"{row['step']} min"
        assert row["minutes_ahead"] == row["step"]
        assert row["rmse_kw"] == pytest.approx(rmse, abs=1e-5)
        assert row["skill"] == pytest.approx(1 - rmse / naive, abs=1e-4)


@pytest.mark.parametrize("horizon", [1, 3])
def test_gain_by_month_is_that_of_the_windows_that_begin_in_it(horizon: int) -> None:
    made = predictions(7_000 * horizon, horizon=horizon)
    table = tables.gain_by_month(results(made))
    assert table["month"].tolist() == ["2007-03", "2007-04", "2007-05"]
    month = made["timestamp"].iloc[::horizon].dt.strftime("%Y-%m").repeat(horizon).to_numpy()
    for row in records(table):
        of = made[month == row["month"]]
        ours, theirs = (rms(of[name] - of["actual"]) for name in ("LSTM", "persistence"))
        assert row["gain"] == pytest.approx(1 - ours / theirs, abs=1e-5)
        assert (row["rmse_kw"], row["persistence_kw"]) == pytest.approx((ours, theirs), abs=1e-5)
        assert row["minutes"] == len(of)
    # Of less than two days of minutes there is no interval.
    assert table["ci_low"].isna().tolist() == [True, False, horizon == 1]
    april = table.iloc[1]
    assert april["ci_low"] < april["gain"] < april["ci_high"]


def test_gain_by_meter_is_sorted_from_the_worst() -> None:
    table = tables.gain_by_meter(results(predictions(9))._replace(meters=METERS))
    columns = ["meter", "kind", "gain", "share", "windows"]
    assert table[columns].to_numpy().tolist() == [
        ["a", "in training", -0.1, 0.5, 80],
        ["b", "in training", 0.25, 1.0, 90],
        ["d", "held out", 0.5, 1.0, 70],
    ]
    assert tables.gain_by_meter(results(predictions(9))).empty


def test_a_single_month_has_no_gain_by_month() -> None:
    table = tables.gain_by_month(results(predictions(9)))
    assert table.empty
    assert "gain" in table


def test_a_horizon_of_a_minute_has_no_error_by_step() -> None:
    table = tables.error_by_step(results(predictions(9)))
    assert table.empty
    assert "rmse_kw" in table


def test_error_by_step_thins_out_a_horizon_of_a_day() -> None:
    steps = tables.error_by_step(results(predictions(1440, horizon=1440)))["step"].unique()
    assert steps[:6].tolist() == [1, 2, 3, 4, 5, 6]
    assert steps[-1] == 1440
    assert 60 <= len(steps) <= tables.MAX_HORIZON


def test_more_steps_than_there_are_minutes_show_all() -> None:
    assert len(tables.forecast(results(predictions(9)))) == 4 * 9


@few
@given(st.integers(tables.MAX_STEPS - 2, 5_000))
def test_a_long_forecast_is_thinned_and_keeps_every_peak(n: int) -> None:
    made = predictions(n)
    table = tables.forecast(results(made, steps=n, **{"plot.start": "first"}))
    for name, rows in table.groupby("series"):
        assert len(rows) <= tables.MAX_STEPS or n <= tables.MAX_STEPS == len(rows)
        assert rows["timestamp"].is_monotonic_increasing
        whole, stretch = made[str(name)].to_numpy(), math.ceil(2 * n / tables.MAX_STEPS)
        kept = set(rows["power_kw"])
        for start in range(0, n, stretch):
            part = whole[start : start + stretch]
            assert {part.min(), part.max()} <= kept


@few
@given(SIZES, SEEDS)
def test_error_by_hour_is_the_rmse_of_the_minutes_of_that_hour(n: int, seed: int) -> None:
    made = predictions(n, seed)
    expected = grouped(made, lambda row: row["timestamp"].hour)
    by_day = grouped(made, lambda row: (row["timestamp"].hour, row["timestamp"].date()))
    table = records(tables.error_by_hour(results(made)))
    assert Counter((row["hour"], row["series"]) for row in table) == Counter(
        (hour, name) for hour in expected for name in FORECASTERS
    )
    for row in table:
        errors = expected[row["hour"]][row["series"]]
        assert row["rmse_kw"] == pytest.approx(rms(errors), abs=2e-6)
        assert row["minutes"] == len(errors)
        days = [rms(of[row["series"]]) for (hour, _), of in by_day.items() if hour == row["hour"]]
        quartiles = np.quantile(days, [0.25, 0.75])
        assert [row["low_kw"], row["high_kw"]] == pytest.approx(quartiles, abs=2e-6)


@few
@given(SIZES, SEEDS)
def test_error_and_gain_of_each_day(n: int, seed: int) -> None:
    made = predictions(n, seed)
    hours = grouped(
        made, lambda row: (f"{row['timestamp']:%Y-%m-%dT00:00:00}", row["timestamp"].hour)
    )
    table = records(tables.error_by_day(results(made)))
    assert [(row["day"], row["hour"]) for row in table] == sorted(hours)
    for row in table:
        errors = hours[row["day"], row["hour"]]
        assert row["rmse_kw"] == pytest.approx(rms(errors["LSTM"]), abs=2e-6)
        assert row["persistence_kw"] == pytest.approx(rms(errors["persistence"]), abs=2e-6)
        assert row["minutes"] == len(errors["LSTM"])
    days = grouped(made, day)
    gains = records(tables.gain_by_day(results(made)))
    assert [row["series"] for row in gains] == ["persistence"] * len(days) + ["linear"] * len(days)
    for row in gains:
        of_day = days[row["day"]]
        expected = 1 - rms(of_day["LSTM"]) / rms(of_day[row["series"]])
        assert row["gain"] == pytest.approx(expected, abs=1e-5)
        assert row["minutes"] == len(of_day["LSTM"])


def test_a_day_without_an_error_of_persistence_has_no_gain() -> None:
    made = predictions(9).assign(persistence=lambda made: made["actual"])
    assert set(tables.gain_by_day(results(made))["series"]) == {"linear"}


@few
@given(SIZES, SEEDS)
def test_error_by_change_groups_the_minutes_by_how_far_the_power_moved(n: int, seed: int) -> None:
    made = predictions(n, seed)
    edges = tables.CHANGES

    def group(row: dict[str, Any]) -> int:
        change = round(abs(float(row["actual"]) - float(row["persistence"])), 4)
        return max(place for place, edge in enumerate(edges) if change >= edge)

    expected = grouped(made, group)
    table = records(tables.error_by_change(results(made)))
    assert len(table) == len(expected) * len(FORECASTERS)
    for row in table:
        place = edges.index(float(row["change"].split()[0]))
        errors = expected[place][row["series"]]
        assert row["rmse_kw"] == pytest.approx(rms(errors), abs=2e-6)
        assert row["minutes"] == len(errors)
        assert row["share"] == pytest.approx(len(errors) / n, abs=1e-6)


@few
@given(SIZES, SEEDS)
def test_predicted_actual_counts_every_minute_once(n: int, seed: int) -> None:
    made = predictions(n, seed)
    table = distribution.predicted_actual(results(made))
    assert table.groupby("series")["minutes"].sum().to_dict() == dict.fromkeys(FORECASTERS, n)
    (width,) = set(table["width_kw"])
    actual = made["actual"].to_numpy()
    forecasts = {name: made[name].to_numpy() for name in FORECASTERS}
    for row in records(table):
        inside = (actual >= row["actual_kw"] - 1e-4) & (actual < row["actual_kw"] + width + 1e-4)
        forecast = forecasts[row["series"]]
        inside &= (forecast >= row["forecast_kw"] - 1e-4) & (
            forecast < row["forecast_kw"] + width + 1e-4
        )
        assert inside.sum() >= row["minutes"] > 0
    power = made[["actual", *FORECASTERS]].to_numpy()
    assert 20 <= np.ptp(power) / width <= 50.01


@few
@given(SIZES, SEEDS)
def test_error_distribution_counts_every_error_once(n: int, seed: int) -> None:
    made = predictions(n, seed)
    table = distribution.error_distribution(results(made))
    for name, rows in table.groupby("series"):
        assert rows["minutes"].sum() == n
        assert rows["share"].sum() == pytest.approx(1, abs=1e-5)
        assert rows["minutes"].iloc[[0, -1]].tolist() == [0, 0]
        errors = made[str(name)].astype(float) - made["actual"].astype(float)
        mean = (rows["minutes"] * rows["error_kw"]).sum() / n
        assert mean == pytest.approx(errors.mean(), abs=np.diff(rows["error_kw"]).min())


@few
@given(st.floats(1e-6, 1e6))
def test_a_bin_width_is_round_and_barely_larger_than_asked(least: float) -> None:
    step = distribution.nice_bin_width(least)
    assert float(f"{step:.0e}") == pytest.approx(step)
    assert f"{step:.0e}"[0] in "125"
    assert step >= max(least, 0.001) * (1 - 1e-8)
    assert step <= max(least, 0.001) * 2.5 * (1 + 1e-8)


@pytest.mark.parametrize("horizon", [1, 4])
def test_the_scores_are_those_of_the_metrics_with_the_interval_of_the_skill(horizon: int) -> None:
    made = predictions(4_000 * horizon, horizon=horizon)
    table = tables.scores(results(made)).set_index("series")
    assert table.index.tolist() == FORECASTERS
    actual, naive = made["actual"].to_numpy(), made["persistence"].to_numpy()
    for name in FORECASTERS:
        forecast = made[name].to_numpy()
        assert table.loc[name, "rmse_kw"] == pytest.approx(metrics.rmse(actual, forecast), abs=1e-5)
        assert table.loc[name, "ratio"] == pytest.approx(
            metrics.rmse(actual, forecast) / metrics.rmse(actual, naive), abs=1e-5
        )
    columns = (made[name].to_numpy() for name in ("actual", "LSTM", "persistence"))
    windows = [column.reshape(-1, horizon) for column in columns]
    # Those of more than one target begin 7 minutes apart, so that a day holds fewer.
    block = 1440 if horizon == 1 else 1440 // 7
    found = significance.skill_ci(windows[0], windows[1], windows[2], block=block)
    assert found is not None
    assert list(table.loc["LSTM", ["ci_low", "ci_high"]]) == pytest.approx(list(found), abs=1e-5)
    ends = list(table.loc["LSTM", ["ratio_low", "ratio_high"]])
    assert ends == pytest.approx([1 - found[1], 1 - found[0]], abs=1e-5)
    assert table.loc["persistence", ["ci_low", "ci_high"]].isna().all()


def test_a_short_test_split_has_scores_without_confidence_intervals() -> None:
    assert tables.scores(results(predictions(9)))[["ci_low", "ci_high"]].isna().all(axis=None)


def test_every_day_of_the_record_has_its_gaps() -> None:
    made = results(predictions(9))
    table = tables.gaps_by_day(made)
    days = [f"{row['month']}-{row['day']:02}" for row in records(table)]
    assert days == pd.date_range("2007-01-30", "2007-04-01").strftime("%Y-%m-%d").tolist()
    missing = dict(zip(days, table["missing"], strict=True))
    assert {day: minutes for day, minutes in missing.items() if minutes} == {
        "2007-02-01": 3,
        "2007-03-31": 1440,
    }
