"""Compute the tables behind the plots of the forecast distribution and of the errors.

A network without quantiles has empty tables of its distribution.
"""

import math

import numpy as np
import pandas as pd

from household.core.quantiles import column_name, interval_levels
from household.core.schema import LEVELS
from household.report import tables
from household.report.results import ACTUAL, LSTM, Results

# More steps than this are no longer told apart, except along the lines of whole days.
MAX_STEPS = 100
MAX_STEPS_OF_DAYS = 300


def fan(results: Results) -> pd.DataFrame:
    """Return rows (timestamp, band, low_kw, high_kw, median_kw, actual_kw), the widest band first.

    They are the first of the steps of `tables.forecast`, whole days where a forecast is of a day or
    more. A band is named by its coverage.
    """
    columns = ["timestamp", "band", "low_kw", "high_kw", "median_kw", "actual_kw"]
    levels = results.levels
    if not levels:
        return pd.DataFrame(columns=columns)
    steps = _first_steps(results)
    stamps = steps["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    bands = [
        pd.DataFrame(
            {
                "timestamp": stamps,
                "band": f"{high - low:.0%}",
                "low_kw": steps[column_name(low)],
                "high_kw": steps[column_name(high)],
                "median_kw": steps[column_name(0.5)],
                "actual_kw": steps[ACTUAL],
            }
        )
        for low, high in zip(levels[: len(levels) // 2], levels[::-1], strict=False)
    ]
    return pd.concat(bands)[columns]


def _first_steps(results: Results) -> pd.DataFrame:
    """Return the first steps of the forecast plot, as many as can be told apart."""
    steps = tables.select_steps(results)
    if not tables.has_whole_days(results):
        return steps.head(MAX_STEPS)
    per_day = results.step.per_day
    days = max(MAX_STEPS_OF_DAYS // per_day, 1)
    return steps.head(days * per_day)[:: math.ceil(per_day / MAX_STEPS_OF_DAYS)]


def reliability(results: Results) -> pd.DataFrame:
    """Return rows (series, level, observed, pinball_kw) for the quantiles of each forecaster.

    `observed` is the share of the steps whose power is at most the quantile.
    """
    table = results.quantiles.rename(columns={"forecaster": "series"})
    order = [name for name in results.forecasters if name in set(table["series"])]
    parts = [table[table["series"] == name] for name in order]
    return pd.concat(parts) if parts else table


def pit(results: Results) -> pd.DataFrame:
    """Return rows (probability, density, minutes_share): a histogram between the LSTM's quantiles.

    The probability integral transform of a step is the level of the quantile that the power
    reached. `density` is the share of the steps in a bin relative to the width of the bin, so it
    is 1 where the distribution is calibrated. A row is the start of a bin, the last one its end.
    Gneiting, Balabdaoui and Raftery (2007), Probabilistic forecasts, calibration and sharpness,
    Journal of the Royal Statistical Society B 69(2).
    """
    table = results.quantiles[results.quantiles["forecaster"] == LSTM]
    if table.empty:
        return pd.DataFrame(columns=["probability", "density", "minutes_share"])
    edges = np.array([0, *table["level"], 1])
    shares = np.diff([0, *table["observed"], 1])
    density = (shares / np.diff(edges)).round(6)
    return pd.DataFrame(
        {
            "probability": edges,
            "density": [*density, density[-1]],
            "minutes_share": [*shares.round(6), shares[-1].round(6)],
        }
    )


def coverage_by_hour(results: Results) -> pd.DataFrame:
    """Return rows (hour, level, asked, coverage, width_kw, minutes) for the LSTM's intervals.

    `level` names the coverage `asked` for, such as 95 %.
    """
    table = results.coverage
    rows = table[(table["by"] == "hour") & (table["forecaster"] == LSTM)].rename(
        columns={"group": "hour"}
    )
    level = [f"{asked:.0%}" for asked in rows["level"]]
    rows = rows.rename(columns={"level": "asked"}).assign(level=level)
    rows["hour"] = rows["hour"].astype(int)
    columns = ["hour", "level", "asked", "coverage", "width_kw", "minutes"]
    return rows.sort_values(["asked", "hour"])[columns]


def width_by_change(results: Results) -> pd.DataFrame:
    """Return rows (change, level, width_kw, coverage, minutes) for the LSTM's intervals.

    `change` is the absolute change from the last input minute, in kW.
    """
    columns = ["change", "level", "width_kw", "coverage", "minutes"]
    if not results.levels:
        return pd.DataFrame(columns=columns)
    groups = tables.change_groups(results)
    parts = []
    for coverage in LEVELS:
        low, high = (
            results.predictions[column_name(level)].astype("float64")
            for level in interval_levels(coverage)
        )
        figures = pd.DataFrame(
            {"width_kw": high - low, "coverage": results.actual.between(low, high)}
        ).groupby(groups, observed=True)
        part = (
            figures.mean()
            .round(6)
            .assign(minutes=figures.size() * results.step.minutes, level=f"{coverage:.0%}")
        )
        parts.append(part.reset_index())
    return pd.concat(parts)[columns]


def predicted_actual(results: Results) -> pd.DataFrame:
    """Return rows (series, actual_kw, forecast_kw, width_kw, minutes): counts in square bins.

    A bin begins at `actual_kw` and `forecast_kw` and is `width_kw` wide and high.
    """
    power = results.predictions[[ACTUAL, *results.main_forecasters]].astype("float64")
    width = nice_bin_width(np.ptp(power.to_numpy()) / 50)
    squares = (power / width + 1e-6).apply(np.floor)
    counts = [
        squares.groupby([ACTUAL, name])
        .size()
        .rename_axis(["actual_kw", "forecast_kw"])
        .reset_index(name="minutes")
        .assign(series=name, width_kw=width)
        for name in results.main_forecasters
    ]
    table = pd.concat(counts)
    table["minutes"] *= results.step.minutes
    table[["actual_kw", "forecast_kw"]] = (table[["actual_kw", "forecast_kw"]] * width).round(6)
    return table[["series", "actual_kw", "forecast_kw", "width_kw", "minutes"]]


def error_distribution(results: Results) -> pd.DataFrame:
    """Return rows (series, error_kw, share, minutes): a histogram of the errors.

    `error_kw` is the center of a bin. Empty bins next to a filled one are included.
    """
    errors = results.errors
    width = nice_bin_width(np.ptp(errors.to_numpy()) / 100)
    bins = (errors / width).round().astype(int)
    parts = []
    for name in results.main_forecasters:
        counts = bins[name].value_counts()
        centers = np.unique([counts.index + offset for offset in (-1, 0, 1)])
        sizes = counts.reindex(centers, fill_value=0).to_numpy()
        part = {"error_kw": (centers * width).round(6), "share": (sizes / len(errors)).round(8)}
        minutes = sizes * results.step.minutes
        parts.append(pd.DataFrame({"series": name, **part, "minutes": minutes}))
    return pd.concat(parts)


def nice_bin_width(least: float) -> float:
    """Return the first of 0.001, 0.002, 0.005, 0.01 and so on that is at least `least`."""
    least = max(least, 0.001)
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))
