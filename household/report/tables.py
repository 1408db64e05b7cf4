"""Compute the tables behind `dvc plots`.

Every table except that of the forecast covers all steps of the test split, but in few rows, so
that the page stays small. A column `minutes` says how long the steps of a row are together.
"""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from household.core.quantiles import column_name, interval_levels
from household.core.step import DAY, Step
from household.evaluation import significance
from household.evaluation.metrics import LARGE_CHANGE_KW, PERSISTENCE, rmse, score_all
from household.report.results import ACTUAL, LSTM, Results

# The forecast plot draws more steps than this by the minimum and maximum of groups of steps.
MAX_STEPS = 1_000
# The largest number of horizon steps in a plot.
MAX_HORIZON = 120
# Lower bounds in kW of the groups of `error_by_change`.
CHANGES = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


def scores(results: Results) -> pd.DataFrame:
    """Return a row for each forecaster.

    The columns are series, rmse_kw, mae_kw, mase, skill, crps_kw, ci_low, ci_high, ratio, ratio_low
    and ratio_high. `ci_low` and `ci_high` bound the 95 % confidence interval of the skill. `ratio`
    is 1 - skill, the RMSE relative to persistence.
    """
    rows = []
    actual, reference = results.windows(ACTUAL), results.windows(PERSISTENCE)
    for name in results.forecasters:
        found = dict[str, float | None]()
        if name != PERSISTENCE:
            power = results.windows(name)
            found = significance.compare(actual, power, reference, spacing=results.spacing)
        ci = {"ci_low": found.get("low"), "ci_high": found.get("high")}
        rows.append({"series": name, "crps_kw": None} | results.metrics[name] | ci)
    table = pd.DataFrame(rows).astype(
        dict.fromkeys(["mase", "skill", "crps_kw", "ci_low", "ci_high"], float)
    )
    ratios = {
        "ratio": 1 - table["skill"],
        "ratio_low": 1 - table["ci_high"],
        "ratio_high": 1 - table["ci_low"],
    }
    return table.assign(**ratios).round(6)


def forecast(results: Results) -> pd.DataFrame:
    """Return some test steps: rows (timestamp, series, power_kw, low_kw, high_kw).

    The last two columns are the 95 % prediction interval of the LSTM, empty for other series. Of
    more than `MAX_STEPS` steps, only the minimum and maximum of each series in each group of a few
    steps are returned, so no peak is lost.
    """
    names = [ACTUAL, *results.main_forecasters]
    shown = select_steps(results)
    group = np.arange(len(shown)) // math.ceil(2 * len(shown) / MAX_STEPS)
    rows_by_name = {
        name: shown.index
        if len(shown) <= MAX_STEPS
        else np.unique(shown[name].groupby(group).agg(["idxmin", "idxmax"]))
        for name in names
    }
    stamps = shown["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    parts = []
    for name, rows in rows_by_name.items():
        part = {"timestamp": stamps[rows], "series": name, "power_kw": shown.loc[rows, name]}
        for end, level in zip(("low", "high"), interval_levels(0.95), strict=True):
            has_interval = name == LSTM and level in results.levels
            part[f"{end}_kw"] = shown.loc[rows, column_name(level)] if has_interval else math.nan
        parts.append(pd.DataFrame(part))
    return pd.concat(parts)


def select_steps(results: Results) -> pd.DataFrame:
    """Return the predictions of some steps of the first meter, from windows that do not overlap.

    They are the first `plot.steps` steps, or the run of as many steps with the most changes
    above `metrics.LARGE_CHANGE_KW`. Where a forecast is of a day or more, they are whole days.
    """
    steps = results.predictions
    if "meter" in steps:
        steps = steps[steps["meter"] == steps["meter"].iloc[0]]
    first_targets = steps["timestamp"].to_numpy().reshape(-1, results.horizon)[:, 0]
    is_shown = np.repeat(_are_apart(first_targets, results), results.horizon)
    count = results.params.plot.steps
    if has_whole_days(results):
        count = math.ceil(count / results.step.per_day) * results.step.per_day
    shown = steps[is_shown].reset_index(drop=True)
    if results.params.plot.start == "first":
        return shown.head(count)
    return _busiest_run(shown, count, results.step)


def has_whole_days(results: Results) -> bool:
    """Return whether a forecast is of at least a day of several steps."""
    return results.horizon >= results.step.per_day > 1


def _are_apart(
    first_targets: npt.NDArray[np.datetime64], results: Results
) -> npt.NDArray[np.bool_]:
    """Return which windows to show, of which no two overlap: (windows,).

    Forecasts of whole days begin at midnight, or else at the same time as the first one.
    """
    if results.horizon == 1:
        return np.ones(len(first_targets), bool)
    length = results.horizon * results.step.delta
    is_candidate = np.ones(len(first_targets), bool)
    if has_whole_days(results):
        minute = first_targets.astype("datetime64[m]").astype(np.int64) % DAY
        is_candidate = minute == (0 if 0 in minute else minute[0])
    is_shown = np.zeros(len(first_targets), bool)
    end = first_targets[0]
    for window in np.flatnonzero(is_candidate):
        if first_targets[window] >= end:
            is_shown[window] = True
            end = first_targets[window] + length
    return is_shown


def _busiest_run(steps: pd.DataFrame, count: int, step: Step) -> pd.DataFrame:
    """Return `count` consecutive ones of `steps`, those with the most switching.

    Runs begin at fixed times, so that experiments with other windows show the same run.
    """
    minute_numbers = steps["timestamp"].to_numpy().astype("datetime64[m]").astype(np.int64)
    run = minute_numbers // step.minutes // count
    # Power has three decimals, which float32 does not represent exactly.
    change = steps[ACTUAL].astype("float64").diff().abs().round(4)
    switching = change > LARGE_CHANGE_KW
    busiest = switching.groupby(run).sum().idxmax()
    return steps[run == busiest]


def gain_by_meter(results: Results) -> pd.DataFrame:
    """Return a row for each meter, sorted by gain.

    The columns are meter, kind, gain, ci_low, ci_high, share, rmse_kw, persistence_kw and windows.
    `gain` is the skill of the LSTM against persistence, with the bounds `ci_low` and `ci_high` of
    its 95 % confidence interval. `share` is the share of meters of the same kind with no larger
    gain. The table is empty for a single meter.
    """
    columns = ["gain", "ci_low", "ci_high", "share", "rmse_kw", "persistence_kw", "windows"]
    if results.meters is None:
        return pd.DataFrame(columns=["meter", "kind", *columns])
    rows = results.meters.rename(columns={"skill": "gain"}).dropna(subset="gain")
    rows = rows.sort_values(["gain", "meter"]).reset_index(drop=True)
    rows["kind"] = rows["in_training"].map({True: "in training", False: "held out"})
    rows["share"] = rows.groupby("kind")["gain"].rank(method="first", pct=True).round(6)
    return rows[["meter", "kind", *columns]]


def error_by_day(results: Results) -> pd.DataFrame:
    """Return rows (day, hour, rmse_kw, persistence_kw, minutes) for hours with a test step."""
    squares = results.errors[[LSTM, PERSISTENCE]] ** 2
    hours = results.predictions["timestamp"].dt.hour.rename("hour")
    of_each = squares.groupby([results.days, hours])
    table = (of_each.mean() ** 0.5).round(6).assign(minutes=of_each.size() * results.step.minutes)
    table = table.reset_index()
    table["day"] = table["day"].dt.strftime("%Y-%m-%dT00:00:00")
    return table.rename(columns={LSTM: "rmse_kw", PERSISTENCE: "persistence_kw"})


def gain_by_day(results: Results) -> pd.DataFrame:
    """Return rows (day, series, gain, minutes): the skill of the LSTM against `series` on each day.

    A day on which that series makes no error is skipped.
    """
    of_each = (results.errors**2).groupby(results.days)
    rmse = of_each.mean() ** 0.5
    others = rmse.drop(columns=LSTM)
    gains = (1 - others.rdiv(rmse[LSTM], axis=0)).where(others > 0).round(6)
    gains["minutes"] = of_each.size() * results.step.minutes
    table = gains.reset_index().melt(["day", "minutes"], var_name="series", value_name="gain")
    table["day"] = table["day"].dt.strftime("%Y-%m-%dT00:00:00")
    return table.dropna()[["day", "series", "gain", "minutes"]]


def gain_by_month(results: Results) -> pd.DataFrame:
    """Return rows (month, gain, ci_low, ci_high, rmse_kw, persistence_kw, minutes).

    The table is empty for a single month. A window belongs to the month of its first target. `gain`
    is the skill of the LSTM against persistence, with the bounds `ci_low` and `ci_high` of its 95 %
    confidence interval. A month in which persistence makes no error is skipped.
    """
    power = {name: results.windows(name) for name in (ACTUAL, LSTM, PERSISTENCE)}
    window_months = results.windows("timestamp")[:, 0].astype("datetime64[M]")
    rows = []
    for month in np.unique(window_months):
        actual, lstm, persistence = (values[window_months == month] for values in power.values())
        found = significance.compare(actual, lstm, persistence, spacing=results.spacing)
        gain = {"gain": found["skill"], "ci_low": found["low"], "ci_high": found["high"]}
        errors = {"rmse_kw": rmse(actual, lstm), "persistence_kw": rmse(actual, persistence)}
        rows.append(
            {"month": str(month)} | gain | errors | {"minutes": actual.size * results.step.minutes}
        )
    columns = ["month", "gain", "ci_low", "ci_high", "rmse_kw", "persistence_kw", "minutes"]
    table = pd.DataFrame(rows if len(rows) > 1 else [], columns=columns)
    return table.dropna(subset="gain").round(6)


def error_by_hour(results: Results) -> pd.DataFrame:
    """Return rows (hour, series, rmse_kw, low_kw, high_kw, minutes).

    `low_kw` and `high_kw` are the quartiles of the RMSE of that hour over the test days.
    """
    squares = results.errors**2
    hours = results.predictions["timestamp"].dt.hour.rename("hour")
    by_day = squares.groupby([results.days, hours]).mean() ** 0.5
    parts = {
        "rmse_kw": squares.groupby(hours).mean() ** 0.5,
        "low_kw": by_day.groupby("hour").quantile(0.25),
        "high_kw": by_day.groupby("hour").quantile(0.75),
    }
    columns = pd.concat(parts, axis=1, names=["score", "series"])
    table = columns.stack("series", future_stack=True)  # noqa: PD013, melt would mix the scores
    table = table.round(6).reset_index()
    return table.assign(minutes=table["hour"].map(hours.value_counts()) * results.step.minutes)


def error_by_step(results: Results) -> pd.DataFrame:
    """Return rows (step, ahead, minutes_ahead, series, rmse_kw, mae_kw, skill).

    The steps of the horizon count from 1, and `ahead` is the time to the end of one in words. With
    more than `MAX_HORIZON` steps, later ones are thinned out. The table is empty for a horizon
    of one step.
    """
    spread = np.geomspace(1, results.horizon, min(results.horizon, MAX_HORIZON))
    all_steps = np.arange(1, results.horizon + 1)
    steps = all_steps if results.horizon <= MAX_HORIZON else np.unique(spread.round().astype(int))
    actual = results.windows(ACTUAL)
    means = {name: results.windows(name) for name in results.forecasters}
    medians = {name: results.median(name) for name in results.forecasters}
    rows = [
        {
            "step": step,
            "ahead": results.step.ahead(step),
            "minutes_ahead": step * results.step.minutes,
            "series": name,
        }
        | record
        for step in steps.tolist()
        if results.horizon > 1
        for name, record in score_all(
            actual[:, step - 1],
            {name: mean[:, step - 1] for name, mean in means.items()},
            0,
            medians={name: median[:, step - 1] for name, median in medians.items()},
        ).items()
    ]
    columns = ["step", "ahead", "minutes_ahead", "series", "rmse_kw", "mae_kw", "skill"]
    return pd.DataFrame(rows, columns=columns)


def error_by_change(results: Results) -> pd.DataFrame:
    """Return rows (change, series, rmse_kw, minutes, share) by the size of the change.

    `change` is the absolute change from the last input step, in kW. `share` is that of the group
    among all test steps.
    """
    groups = change_groups(results)
    of_each = (results.errors**2).groupby(groups, observed=True)
    table = (of_each.mean() ** 0.5).round(6).reset_index()
    table = table.melt("change", var_name="series", value_name="rmse_kw")
    counts = of_each.size().reindex(table["change"]).to_numpy()
    table["minutes"] = counts * results.step.minutes
    return table.assign(share=(counts / len(groups)).round(6))


def change_groups(results: Results) -> pd.Series:
    """Return the group of each step by the absolute change from the last input step, in kW."""
    changes = (results.actual - results.predictions[PERSISTENCE].astype("float64")).abs()
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(CHANGES)]
    return pd.cut(
        # Power has three decimals, which float32 does not represent exactly.
        changes.round(4),
        [*CHANGES, math.inf],
        right=False,
        labels=[*names, f"{CHANGES[-1]:g} or more"],
    ).rename("change")


def gaps_by_day(results: Results) -> pd.DataFrame:
    """Return rows (month, day, missing): the minutes without a value on each day."""
    missing = results.quality["gaps"]["by_day"]
    days = pd.date_range(results.quality["first"][:10], results.quality["last"][:10], freq="D")
    counts = [missing.get(day, 0) * results.step.minutes for day in days.strftime("%Y-%m-%d")]
    return pd.DataFrame({"month": days.strftime("%Y-%m"), "day": days.day, "missing": counts})
