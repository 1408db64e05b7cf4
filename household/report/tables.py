"""The tables behind `dvc plots`: what a person looks at, as rows.

Every table but that of the forecast counts all minutes of the test part, so that the page stays
small without leaving any of them out.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from household.forecast import comparison
from household.forecast.scores import REFERENCE, of_each, rmse, skill
from household.pipeline.params import Params, Plot

ACTUAL = "actual"
ENDS = ["low_80", "high_80", "low_95", "high_95"]
LSTM = "LSTM"
# The baseline that has a place in every plot, so that each has its color in all of them.
LINEAR = "linear"
# Minutes of that picture from which each stretch is drawn by its lowest and its highest.
MAX_STEPS = 1_000
# Steps of the horizon, of which a plot draws no more.
MAX_HORIZON = 120
# kW of change from the minute before, at which the groups of `error_by_change` begin.
CHANGES = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


class Results(NamedTuple):
    """What the stages before left, and with which parameters."""

    # timestamp, step where the horizon is more than a minute, actual, a column for each forecaster,
    # and the ends of the LSTM's intervals where it has some, in kW
    predictions: pd.DataFrame
    coverage: pd.DataFrame  # of the intervals: see comparison.coverage
    losses: pd.DataFrame  # epoch, part, loss
    metrics: dict[str, dict[str, Any]]  # the scores of each forecaster, and the verdict
    quality: dict[str, Any]  # of the parsed minutes
    source: dict[str, Any]  # where the zip is from
    forecaster: dict[str, Any]  # what the model takes and gives
    params: Params
    meters: pd.DataFrame | None = None  # of several, a row each: see by_meter.SCHEMA

    @property
    def verdict(self) -> dict[str, Any]:
        return self.metrics["verdict"]

    @property
    def compared(self) -> list[str]:
        """Those that a plot of minutes has room for: the LSTM, three baselines with the best."""
        shown = dict.fromkeys([LSTM, REFERENCE, LINEAR, self.verdict["best_baseline"]])
        return [name for name in shown if name in self.predictions]

    @property
    def forecasters(self) -> list[str]:
        """All, those before the others, so that each has its color in every plot."""
        known = ["meter", "timestamp", "step", ACTUAL, *ENDS, *self.compared]
        return [*self.compared, *self.predictions.columns.drop(known, errors="ignore")]

    @property
    def horizon(self) -> int:
        return self.params.window.horizon

    def windows(self, column: str) -> npt.NDArray[Any]:
        """A column of the predictions as an array (windows, horizon)."""
        return self.predictions[column].to_numpy().reshape(-1, self.horizon)

    @property
    def every(self) -> int:
        """How many minutes apart the windows begin, as `windows.apart` has set it."""
        begin = self.windows("timestamp")[:, 0]
        if len(begin) < 2 or (self.horizon == 1 and "meter" not in self.predictions):
            return 1
        steps = np.diff(begin)  # below 0 from one meter to the next
        return int(steps[steps > np.timedelta64(0)].min() / np.timedelta64(1, "m"))

    def covered(self, by: str, group: str, name: str) -> dict[float, dict[str, float]]:
        """By its level, what each interval of a forecaster held in a group of minutes."""
        of = self.coverage
        rows = of[(of["by"] == by) & (of["group"] == group) & (of["forecaster"] == name)]
        figures = rows.set_index("level")[["coverage", "width_kw", "winkler_kw"]]
        return figures.to_dict("index")  # type: ignore[return-value]

    @property
    def actual(self) -> pd.Series:
        return self.predictions[ACTUAL].astype("float64")

    @property
    def errors(self) -> pd.DataFrame:
        """The error of each of the compared in each minute, in kW: forecast less actual."""
        return self.predictions[self.compared].astype("float64").sub(self.actual, axis=0)

    @property
    def days(self) -> pd.Series:
        """Of each minute the start of its day."""
        return self.predictions["timestamp"].dt.floor("D").rename("day")


def scores(results: Results) -> pd.DataFrame:
    """Rows (series, rmse_kw, mae_kw, mase, skill, low, high, ratio, ratio_low, ratio_high).

    `low` to `high` is the 95 % interval of the skill, by `comparison.skill_interval`; `ratio` is
    the RMSE over that of persistence, which is 1 - skill, with the same interval.
    """
    rows = []
    actual, reference = results.windows(ACTUAL), results.windows(REFERENCE)
    for name in results.forecasters:
        found = None
        if name != REFERENCE:
            found = comparison.skill_interval(
                actual, results.windows(name), reference, comparison.day(results.every)
            )
        low, high = found or (math.nan, math.nan)
        skill = results.metrics[name]["skill"]
        skill = math.nan if skill is None else skill
        ratio = {"ratio": 1 - skill, "ratio_low": 1 - high, "ratio_high": 1 - low}
        rows.append({"series": name} | results.metrics[name] | {"low": low, "high": high} | ratio)
    return pd.DataFrame(rows).round(6)


def forecast(results: Results) -> pd.DataFrame:
    """Some test minutes: rows (timestamp, series, power_kw, low_kw, high_kw).

    The last two are the 95 % interval of the LSTM, where it has one, and empty elsewhere.

    The minutes are of windows whose targets follow on one another, so that each is there once, of
    the first meter. They are the first `plot.steps`, or the stretch as long in which the power
    changes by more than `comparison.SWITCHING` most often. Of more than `MAX_STEPS`, those at
    which a series is lowest and highest in each group of a few minutes, so that no peak is lost.
    """
    shown = [ACTUAL, *results.compared]
    apart = math.ceil(results.horizon / results.every)
    window = np.arange(len(results.predictions)) // results.horizon
    minutes = results.predictions[window % apart == 0]
    if "meter" in minutes:
        minutes = minutes[minutes["meter"] == minutes["meter"].iloc[0]]
    minutes = _select_stretch(minutes.reset_index(drop=True), results.params.plot)
    group = np.arange(len(minutes)) // math.ceil(2 * len(minutes) / MAX_STEPS)
    kept = {
        name: minutes.index
        if len(minutes) <= MAX_STEPS
        else np.unique(minutes[name].groupby(group).agg(["idxmin", "idxmax"]))
        for name in shown
    }
    stamps = minutes["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    parts = []
    for name, rows in kept.items():
        part = {"timestamp": stamps[rows], "series": name, "power_kw": minutes.loc[rows, name]}
        for end in ("low", "high"):
            known = name == LSTM and f"{end}_95" in minutes
            part[f"{end}_kw"] = minutes.loc[rows, f"{end}_95"] if known else math.nan
        parts.append(pd.DataFrame(part))
    return pd.concat(parts)


def _select_stretch(minutes: pd.DataFrame, settings: Plot) -> pd.DataFrame:
    """Return the first `settings.steps` of `minutes`, or the stretch with the most switching.

    Stretches begin at the same times whichever minutes there are, so that runs of other windows
    show the same one.
    """
    if settings.start == "first":
        return minutes.head(settings.steps)
    clock = minutes["timestamp"].to_numpy().astype("datetime64[m]").astype(np.int64)
    stretch = clock // settings.steps
    # Power has three decimals; float32 has it a little off.
    change = minutes[ACTUAL].astype("float64").diff().abs().round(4)
    switching = change > comparison.SWITCHING
    busiest = switching.groupby(stretch).sum().idxmax()
    return minutes[stretch == busiest]


def gain_by_meter(results: Results) -> pd.DataFrame:
    """Rows (meter, kind, gain, low, high, share, rmse_kw, persistence_kw, windows), by gain.

    Of several meters; `gain` is the skill of the LSTM against persistence, from `low` to `high` its
    95 % interval, `share` that of the meters, of those in the training or of the others, with no
    larger gain.
    """
    columns = ["gain", "low", "high", "share", "rmse_kw", "persistence_kw", "windows"]
    if results.meters is None:
        return pd.DataFrame(columns=["meter", "kind", *columns])
    rows = results.meters.rename(columns={"skill": "gain"}).dropna(subset="gain")
    rows = rows.sort_values(["gain", "meter"]).reset_index(drop=True)
    rows["kind"] = rows["seen"].map({True: "seen", False: "not seen"})
    rows["share"] = rows.groupby("kind")["gain"].rank(method="first", pct=True).round(6)
    return rows[["meter", "kind", *columns]]


def error_by_day(results: Results) -> pd.DataFrame:
    """Rows (day, hour, rmse_kw, persistence_kw, minutes), for each hour with a test minute."""
    squares = results.errors[[LSTM, REFERENCE]] ** 2
    hours = results.predictions["timestamp"].dt.hour.rename("hour")
    of_each = squares.groupby([results.days, hours])
    table = (of_each.mean() ** 0.5).round(6).assign(minutes=of_each.size()).reset_index()
    table["day"] = table["day"].dt.strftime("%Y-%m-%dT00:00:00")
    return table.rename(columns={LSTM: "rmse_kw", REFERENCE: "persistence_kw"})


def gain_by_day(results: Results) -> pd.DataFrame:
    """Rows (day, series, gain, minutes): by what share the LSTM's RMSE is below that of `series`.

    A day in which that makes no error has no gain and is left out.
    """
    of_each = (results.errors**2).groupby(results.days)
    rmse = of_each.mean() ** 0.5
    others = rmse.drop(columns=LSTM)
    gains = (1 - others.rdiv(rmse[LSTM], axis=0)).where(others > 0).round(6)
    gains["minutes"] = of_each.size()
    table = gains.reset_index().melt(["day", "minutes"], var_name="series", value_name="gain")
    table["day"] = table["day"].dt.strftime("%Y-%m-%dT00:00:00")
    return table.dropna()[["day", "series", "gain", "minutes"]]


def gain_by_month(results: Results) -> pd.DataFrame:
    """Rows (month, gain, low, high, rmse_kw, persistence_kw, minutes), where there are several.

    A window belongs to the month in which its first target is. `gain` is the skill of the LSTM
    against persistence, from `low` to `high` its 95 % interval, by `comparison.skill_interval`; a
    month in which persistence makes no error has none and is left out.
    """
    power = {name: results.windows(name) for name in (ACTUAL, LSTM, REFERENCE)}
    of_window = results.windows("timestamp")[:, 0].astype("datetime64[M]")
    rows = []
    for month in np.unique(of_window):
        actual, ours, theirs = (each[of_window == month] for each in power.values())
        day = comparison.day(results.every)
        low, high = comparison.skill_interval(actual, ours, theirs, day) or (math.nan, math.nan)
        errors = {"rmse_kw": rmse(actual, ours), "persistence_kw": rmse(actual, theirs)}
        gain = {"gain": skill(*errors.values()), "low": low, "high": high}
        rows.append({"month": str(month)} | gain | errors | {"minutes": actual.size})
    columns = ["month", "gain", "low", "high", "rmse_kw", "persistence_kw", "minutes"]
    table = pd.DataFrame(rows if len(rows) > 1 else [], columns=columns)
    return table.dropna(subset="gain").round(6)


def error_by_hour(results: Results) -> pd.DataFrame:
    """Rows (hour, series, rmse_kw, low_kw, high_kw, minutes), for the hours of the test part.

    From `low_kw` to `high_kw` are the middle half of the days: the quartiles of the RMSE that the
    hour has on each of them.
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
    return table.assign(minutes=table["hour"].map(hours.value_counts()))


def coverage_by_hour(results: Results) -> pd.DataFrame:
    """Rows (hour, level, asked, coverage, width_kw, minutes) of the LSTM's intervals.

    `level` is the name of what was `asked` for, such as 95 %. None where there is no interval.
    """
    of = results.coverage
    rows = of[(of["by"] == "hour") & (of["forecaster"] == LSTM)].rename(columns={"group": "hour"})
    level = [f"{asked:.0%}" for asked in rows["level"]]
    rows = rows.rename(columns={"level": "asked"}).assign(level=level)
    rows["hour"] = rows["hour"].astype(int)
    columns = ["hour", "level", "asked", "coverage", "width_kw", "minutes"]
    return rows.sort_values(["asked", "hour"])[columns]


def error_by_step(results: Results) -> pd.DataFrame:
    """Rows (step, series, rmse_kw, mae_kw, skill), for the minutes of the horizon from 1 on.

    Of more than `MAX_HORIZON` some are left out, the more the later. None where the horizon is one
    minute, whose error is that of all.
    """
    spread = np.geomspace(1, results.horizon, min(results.horizon, MAX_HORIZON))
    every = np.arange(1, results.horizon + 1)
    steps = every if results.horizon <= MAX_HORIZON else np.unique(spread.round().astype(int))
    actual = results.windows(ACTUAL)
    forecasts = {name: results.windows(name) for name in results.forecasters}
    rows = [
        {"step": step, "series": name} | record
        for step in steps.tolist()
        if results.horizon > 1
        for name, record in of_each(
            actual[:, step - 1], {name: each[:, step - 1] for name, each in forecasts.items()}, 0
        ).items()
    ]
    return pd.DataFrame(rows, columns=["step", "series", "rmse_kw", "mae_kw", "skill"])


def error_by_change(results: Results) -> pd.DataFrame:
    """Rows (change, series, rmse_kw, minutes, share), by how far the power had moved.

    `change` says the size of the change from the last input minute, in kW; `share` is that of the
    group among all test minutes.
    """
    changes = (results.actual - results.predictions[REFERENCE].astype("float64")).abs()
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(CHANGES)]
    groups = pd.cut(
        # Power has three decimals; float32 has it a little off.
        changes.round(4),
        [*CHANGES, math.inf],
        right=False,
        labels=[*names, f"{CHANGES[-1]:g} or more"],
    ).rename("change")
    of_each = (results.errors**2).groupby(groups, observed=True)
    table = (of_each.mean() ** 0.5).round(6).reset_index()
    table = table.melt("change", var_name="series", value_name="rmse_kw")
    table["minutes"] = of_each.size().reindex(table["change"]).to_numpy()
    return table.assign(share=(table["minutes"] / len(changes)).round(6))


def predicted_actual(results: Results) -> pd.DataFrame:
    """Rows (series, actual_kw, forecast_kw, width_kw, minutes): counts in squares of the plane.

    A square begins at `actual_kw` and `forecast_kw` and is `width_kw` wide and high.
    """
    power = results.predictions[[ACTUAL, *results.compared]].astype("float64")
    width = step(np.ptp(power.to_numpy()) / 50)
    squares = (power / width + 1e-6).apply(np.floor)
    counts = [
        squares.groupby([ACTUAL, name])
        .size()
        .rename_axis(["actual_kw", "forecast_kw"])
        .reset_index(name="minutes")
        .assign(series=name, width_kw=width)
        for name in results.compared
    ]
    table = pd.concat(counts)
    table[["actual_kw", "forecast_kw"]] = (table[["actual_kw", "forecast_kw"]] * width).round(6)
    return table[["series", "actual_kw", "forecast_kw", "width_kw", "minutes"]]


def error_distribution(results: Results) -> pd.DataFrame:
    """Rows (series, error_kw, share, minutes): how often the error is near `error_kw`.

    Each stands for the errors that are nearer to it than to its neighbours, a step away; the steps
    without an error beside one with some are there, with 0.
    """
    errors = results.errors
    width = step(np.ptp(errors.to_numpy()) / 100)
    places = (errors / width).round().astype(int)
    parts = []
    for name in results.compared:
        counts = places[name].value_counts()
        near = np.unique([counts.index + beside for beside in (-1, 0, 1)])
        minutes = counts.reindex(near, fill_value=0).to_numpy()
        part = {"error_kw": (near * width).round(6), "share": (minutes / len(errors)).round(8)}
        parts.append(pd.DataFrame({"series": name, **part, "minutes": minutes}))
    return pd.concat(parts)


def gaps_by_day(results: Results) -> pd.DataFrame:
    """Rows (month, day, missing): of each day of the record the minutes without a value."""
    missing = results.quality["gaps"]["by_day"]
    days = pd.date_range(results.quality["first"][:10], results.quality["last"][:10], freq="D")
    return pd.DataFrame(
        {
            "month": days.strftime("%Y-%m"),
            "day": days.day,
            "missing": [missing.get(day, 0) for day in days.strftime("%Y-%m-%d")],
        }
    )


def step(least: float) -> float:
    """The first of 0.001, 0.002, 0.005, 0.01 and so on that is `least` or more."""
    least = max(least, 0.001)
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))
