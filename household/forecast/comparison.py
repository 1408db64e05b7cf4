"""Whether one forecast is better than another by more than chance, and where.

Every function takes the power and forecasts of it, in kW and in time order: (windows, horizon), or
(windows,) where the horizon is a minute. Windows begin `every`
minutes apart.
"""

import calendar
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from household.forecast import intervals, scores
from household.forecast.scores import Power

DAY = 1440
RESAMPLES = 2000
# kW of change from the minute before, from which a minute counts as one of switching.
SWITCHING = 0.5
COVERAGE = pa.schema(
    [
        ("by", pa.string()),
        ("group", pa.string()),
        ("minutes", pa.int64()),
        ("forecaster", pa.string()),
        ("level", pa.float64()),
        ("coverage", pa.float64()),
        ("width_kw", pa.float64()),
        ("winkler_kw", pa.float64()),
    ]
)


def day(every: int) -> int:
    """How many windows begin in a day."""
    return max(DAY // every, 1)


class Interval(NamedTuple):
    low: float
    high: float


def skill_interval(
    actual: Power,
    forecast: Power,
    reference: Power,
    block: int = DAY,
    seed: int = 0,
) -> Interval | None:
    """The 95 % interval of the skill of `forecast` against `reference`, on the root of the error.

    From the 2.5th to the 97.5th percentile of `skills`. None with fewer than two blocks, or where
    the reference makes no error.
    """
    if len(actual) < 2 * block or np.array_equal(actual, reference):
        return None
    low, high = np.percentile(skills(actual, forecast, reference, block, seed), [2.5, 97.5])
    return Interval(float(low), float(high))


def skills(
    actual: Power, forecast: Power, reference: Power, block: int, seed: int
) -> npt.NDArray[np.float64]:
    """The skill in each of `RESAMPLES` samples of the windows, by a moving-block bootstrap.

    Samples in which the reference makes no error have none and are left out.

    A sample has as many windows as there are, up to a whole block, in blocks of `block` neighbours
    that begin anywhere, so that what follows on what within a block stays so.
    Künsch (1989), The jackknife and the bootstrap for general stationary observations, Annals of
    Statistics 17(3).
    """
    blocks = -(-len(actual) // block)
    drawn = np.random.default_rng(seed).integers(len(actual) - block + 1, size=(RESAMPLES, blocks))
    ours, theirs = (
        _block_sums(_squares(actual, each), block)[drawn].sum(axis=1)
        for each in (forecast, reference)
    )
    some = theirs > 0
    return 1 - np.sqrt(ours[some] / theirs[some])


class EqualError(NamedTuple):
    """A test of the hypothesis that two forecasts have the same mean squared error."""

    statistic: float  # above 0: the first forecast has the smaller error
    p: float  # of as large a statistic, of either sign, where both are as good


def diebold_mariano(
    actual: Power, forecast: Power, reference: Power, every: int = 1
) -> EqualError | None:
    """The test of Diebold and Mariano; None where the errors always differ by the same.

    The mean of the differences of the squared errors over its standard error, which follows the
    standard normal. The error is by the weights of Bartlett to floor(4 (n / 100)^(2/9)) lags, or
    as many as a window shares targets with, if those are more.
    Diebold and Mariano (1995), Comparing predictive accuracy, Journal of Business and Economic
    Statistics 13(3); Newey and West (1987), Econometrica 55(3), for the error; (1994), Review of
    Economic Studies 61(4), for the lags.
    """
    better = _squares(actual, reference) - _squares(actual, forecast)
    n = len(better)
    shared = math.ceil(actual[0].size / every) - 1
    lags = min(max(math.floor(4 * (n / 100) ** (2 / 9)), shared), n - 1)
    off = better - better.mean()
    variance = off @ off / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (off[lag:] @ off[:-lag]) / n
    if variance <= 0:
        return None
    statistic = float(better.mean() / math.sqrt(variance / n))
    return EqualError(statistic, math.erfc(abs(statistic) / math.sqrt(2)))


def verdict(
    actual: Power, forecasts: Mapping[str, Power], name: str, every: int = 1
) -> dict[str, Any]:
    """How the forecaster `name` does against persistence and against the best of the others.

    `best_baseline`, of the smallest RMSE; and against each of the two, as `persistence_...` and
    `best_...`: the skill, its 95 % interval from `low` to `high`, the statistic `dm` of Diebold
    and Mariano and its `p`. None where one is not defined. The same as `earlier_...` against an
    earlier model, which is no baseline, where there is one.
    """
    errors = {
        other: scores.rmse(actual, each) for other, each in forecasts.items() if other != name
    }
    baselines = [other for other in errors if other != scores.EARLIER]
    best = min(baselines, key=lambda other: errors[other])
    found: dict[str, Any] = {"best_baseline": best}
    own = scores.rmse(actual, forecasts[name])
    pairs = {"persistence": scores.REFERENCE, "best": best}
    if scores.EARLIER in errors:
        pairs["earlier"] = scores.EARLIER
    for prefix, other in pairs.items():
        reference = forecasts[other]
        interval = skill_interval(actual, forecasts[name], reference, day(every)) or (None, None)
        test = diebold_mariano(actual, forecasts[name], reference, every) or (None, None)
        figures = (scores.skill(own, errors[other]), *interval, *test)
        for key, figure in zip(("skill", "low", "high", "dm", "p"), figures, strict=True):
            found[f"{prefix}_{key}"] = scores.rounded(figure)
    return found


def breakdown(
    timestamps: npt.NDArray[np.datetime64],
    actual: Power,
    forecasts: Mapping[str, Power],
    scale: float,
) -> pa.Table:
    """The scores by month, hour, weekday and step, of quiet minutes and those of switching.

    Rows (by, group, minutes, forecaster, rmse_kw, mae_kw, mase, skill), the scores as of
    `scores.of_each` in those minutes, of which `timestamps` are the times. A minute is one of
    switching where the power is more than `SWITCHING` off persistence. A step is that of the
    horizon, from 1; a horizon of one minute has none.
    """
    rows = [
        {"by": by, "group": group, "minutes": actual[chosen].size, "forecaster": name} | record
        for by, group, chosen in _groups(timestamps, actual, forecasts[scores.REFERENCE])
        for name, record in scores.of_each(
            actual[chosen], {name: each[chosen] for name, each in forecasts.items()}, scale
        ).items()
    ]
    return pa.Table.from_pylist(rows)


def last_month(breakdown: pa.Table, name: str) -> dict[str, Any]:
    """The last of several months in a table of `breakdown`, and the skill of `name` in it.

    `last_month` and `last_month_skill`, both None where there is one month.
    """
    months = [
        row for row in breakdown.to_pylist() if row["by"] == "month" and row["forecaster"] == name
    ]
    if len(months) < 2:
        return {"last_month": None, "last_month_skill": None}
    return {"last_month": months[-1]["group"], "last_month_skill": months[-1]["skill"]}


def coverage(
    timestamps: npt.NDArray[np.datetime64],
    actual: Power,
    reference: Power,
    ends: Mapping[str, tuple[Power, Power]],
) -> pa.Table:
    """How good the intervals of each forecaster are, in all minutes and in the same groups.

    `ends` are the lower and the upper ends of each level, (levels, windows, horizon) each;
    `reference` is persistence. Rows (by, group, minutes, forecaster, level, coverage, width_kw,
    winkler_kw), the scores those of `household.forecast.intervals`.
    """
    groups = [("all", "all", np.s_[:]), *_groups(timestamps, actual, reference)]
    rows = []
    for by, group, chosen in groups:
        held = actual[chosen]
        for name, (lower, upper) in ends.items():
            for place, level in enumerate(intervals.LEVELS):
                low, high = lower[place][chosen], upper[place][chosen]
                figures = {
                    "coverage": intervals.coverage(held, low, high),
                    "width_kw": intervals.width(low, high),
                    "winkler_kw": intervals.winkler(held, low, high, level),
                }
                of = {"by": by, "group": group, "minutes": held.size, "forecaster": name}
                rounded = {key: scores.rounded(figure) for key, figure in figures.items()}
                rows.append(of | {"level": level} | rounded)
    return pa.Table.from_pylist(rows, COVERAGE)


def overall(covered: pa.Table) -> dict[str, dict[str, float]]:
    """Of a table of `coverage` the figures in all minutes, of each forecaster by their names."""
    found: dict[str, dict[str, float]] = {}
    for row in covered.to_pylist():
        if row["by"] == "all":
            level = round(100 * row["level"])
            found.setdefault(row["forecaster"], {}).update(
                {
                    f"coverage_{level}": row["coverage"],
                    f"width_{level}_kw": row["width_kw"],
                    f"winkler_{level}_kw": row["winkler_kw"],
                }
            )
    return found


def _groups(
    timestamps: npt.NDArray[np.datetime64], actual: Power, reference: Power
) -> Iterator[tuple[str, str, Any]]:
    """What the minutes are grouped by, the name of the group, and which minutes belong to it."""
    when = pd.DatetimeIndex(timestamps.ravel())
    hours, weekdays = (
        each.to_numpy().reshape(actual.shape) for each in (when.hour, when.day_of_week)
    )
    change = np.abs(actual - reference)
    horizon = actual[0].size
    months = when.strftime("%Y-%m").to_numpy().reshape(actual.shape)
    groups: dict[str, list[tuple[str, Any]]] = {
        "month": [(month, months == month) for month in np.unique(months).tolist()],
        "hour": [(str(hour), hours == hour) for hour in range(24)],
        "weekday": [(day, weekdays == place) for place, day in enumerate(calendar.day_name)],
        "minute": [("quiet", change <= SWITCHING), ("switching", change > SWITCHING)],
        "step": [(str(step + 1), np.s_[:, step]) for step in range(horizon) if horizon > 1],
    }
    for by, of in groups.items():
        for group, chosen in of:
            if actual[chosen].size:
                yield by, group, chosen


def _squares(actual: Power, forecast: Power) -> npt.NDArray[np.float64]:
    """The mean squared error of each window: (windows,)."""
    squares = np.square(np.subtract(forecast, actual, dtype=np.float64))
    return squares.reshape(len(squares), -1).mean(axis=1)


def _block_sums(squares: npt.NDArray[np.float64], block: int) -> npt.NDArray[np.float64]:
    """The sum over each block of `block` neighbours: one for each place where it may begin."""
    running = np.cumsum(np.append(0, squares))
    return running[block:] - running[:-block]
