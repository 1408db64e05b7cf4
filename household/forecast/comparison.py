"""Test whether one forecast is better than another, and break errors down by group.

Functions take the actual power and forecasts of it in kW and in time order: (windows, horizon), or
(windows,) for a horizon of one minute. `every` is the stride of the windows in minutes.
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
# A change from the minute before of more than so many kW counts as switching.
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
    """Return the number of windows that begin in a day."""
    return max(DAY // every, 1)


class Interval(NamedTuple):
    """Hold the bounds of a confidence interval."""

    low: float
    high: float


def skill_interval(
    actual: Power,
    forecast: Power,
    reference: Power,
    block: int = DAY,
    seed: int = 0,
) -> Interval | None:
    """Return the 95 % confidence interval of the skill of `forecast`.

    It spans the 2.5th to the 97.5th percentile of `skills`.

    Args:
        actual: The actual power.
        forecast: The forecast.
        reference: The forecast to compare with.
        block: The number of windows in a block of the bootstrap.
        seed: Seeds the bootstrap.

    Returns:
        The interval; None with fewer than two blocks or if the reference makes no error.
    """
    if len(actual) < 2 * block or np.array_equal(actual, reference):
        return None
    low, high = np.percentile(skills(actual, forecast, reference, block, seed), [2.5, 97.5])
    return Interval(float(low), float(high))


def skills(
    actual: Power, forecast: Power, reference: Power, block: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return the skill in each of `RESAMPLES` moving-block bootstrap samples of the windows.

    A sample has as many windows as there are, rounded up to whole blocks. Its blocks of `block`
    consecutive windows begin anywhere, which preserves the dependence within a block. Samples in
    which the reference makes no error are dropped. Künsch (1989), The jackknife and the bootstrap
    for general stationary observations, Annals of Statistics 17(3).

    Args:
        actual: The actual power.
        forecast: The forecast.
        reference: The forecast to compare with.
        block: The number of windows in a block.
        seed: Seeds the samples.
    """
    blocks = -(-len(actual) // block)
    first_windows = np.random.default_rng(seed).integers(
        len(actual) - block + 1, size=(RESAMPLES, blocks)
    )
    errors, reference_errors = (
        _block_sums(_squares(actual, power), block)[first_windows].sum(axis=1)
        for power in (forecast, reference)
    )
    has_error = reference_errors > 0
    return 1 - np.sqrt(errors[has_error] / reference_errors[has_error])


class EqualError(NamedTuple):
    """Hold a test of the hypothesis that two forecasts have the same mean squared error.

    Attributes:
        statistic: Positive if the first forecast has the smaller error.
        p: Probability of a statistic at least as large, of either sign, under the hypothesis.
    """

    statistic: float
    p: float


def diebold_mariano(
    actual: Power, forecast: Power, reference: Power, every: int = 1
) -> EqualError | None:
    """Test whether two forecasts have the same mean squared error.

    The statistic is the mean difference of the squared errors over its standard error, and follows
    the standard normal distribution. The standard error uses Bartlett weights up to floor(4 (n /
    100)^(2/9)) lags, or as many as a window shares targets with, if those are more. Diebold and
    Mariano (1995), Comparing predictive accuracy, Journal of Business and Economic Statistics
    13(3). Newey and West (1987), Econometrica 55(3), for the standard error, and (1994), Review of
    Economic Studies 61(4), for the lags.

    Args:
        actual: The actual power.
        forecast: The forecast.
        reference: The forecast to compare with.
        every: The stride of the windows in minutes.

    Returns:
        The test; None if the errors always differ by the same amount.
    """
    differences = _squares(actual, reference) - _squares(actual, forecast)
    n = len(differences)
    shared = math.ceil(actual[0].size / every) - 1
    lags = min(max(math.floor(4 * (n / 100) ** (2 / 9)), shared), n - 1)
    deviations = differences - differences.mean()
    variance = deviations @ deviations / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (deviations[lag:] @ deviations[:-lag]) / n
    if variance <= 0:
        return None
    statistic = float(differences.mean() / math.sqrt(variance / n))
    return EqualError(statistic, math.erfc(abs(statistic) / math.sqrt(2)))


def verdict(
    actual: Power, forecasts: Mapping[str, Power], name: str, every: int = 1
) -> dict[str, Any]:
    """Compare the forecaster `name` with persistence and with the best baseline.

    Args:
        actual: The actual power.
        forecasts: The forecasts by forecaster.
        name: The forecaster to judge.
        every: The stride of the windows in minutes.

    Returns:
        `best_baseline`, which has the smallest RMSE. Against persistence (`persistence_...`) and
        the best baseline (`best_...`): the skill, the bounds `low` and `high` of its 95 %
        confidence interval, the statistic `dm` of Diebold and Mariano and its `p`; None if not
        defined. The same against an earlier model (`earlier_...`) if there is one, which does not
        count as a baseline.
    """
    errors = {
        other: scores.rmse(actual, each) for other, each in forecasts.items() if other != name
    }
    baselines = [other for other in errors if other != scores.EARLIER]
    best = min(baselines, key=lambda other: errors[other])
    verdict: dict[str, Any] = {"best_baseline": best}
    rmse = scores.rmse(actual, forecasts[name])
    pairs = {"persistence": scores.REFERENCE, "best": best}
    if scores.EARLIER in errors:
        pairs["earlier"] = scores.EARLIER
    for prefix, other in pairs.items():
        reference = forecasts[other]
        interval = skill_interval(actual, forecasts[name], reference, day(every)) or (None, None)
        equal_error = diebold_mariano(actual, forecasts[name], reference, every) or (None, None)
        figures = (scores.skill(rmse, errors[other]), *interval, *equal_error)
        for key, figure in zip(("skill", "low", "high", "dm", "p"), figures, strict=True):
            verdict[f"{prefix}_{key}"] = scores.rounded(figure)
    return verdict


def breakdown(
    timestamps: npt.NDArray[np.datetime64],
    actual: Power,
    forecasts: Mapping[str, Power],
    scale: float,
) -> pa.Table:
    """Score each forecaster by month, hour, weekday and step, and with and without switching.

    A minute counts as switching if the power differs from persistence by more than `SWITCHING`.
    Steps count the minutes of the horizon from 1; a horizon of one minute has none.

    Args:
        timestamps: The time of each target minute: (windows, horizon).
        actual: The actual power.
        forecasts: The forecasts by forecaster.
        scale: The scale of MASE in kW.

    Returns:
        Rows (by, group, minutes, forecaster, rmse_kw, mae_kw, mase, skill).
    """
    rows = [
        {"by": by, "group": group, "minutes": actual[selected].size, "forecaster": name}
        | scores_of_one
        for by, group, selected in _groups(timestamps, actual, forecasts[scores.REFERENCE])
        for name, scores_of_one in scores.of_each(
            actual[selected],
            {name: forecast[selected] for name, forecast in forecasts.items()},
            scale,
        ).items()
    ]
    return pa.Table.from_pylist(rows)


def last_month(breakdown: pa.Table, name: str) -> dict[str, Any]:
    """Return the last month in a table of `breakdown` and the skill of `name` in it.

    Both `last_month` and `last_month_skill` are None if there is only one month.
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
    """Score the prediction intervals of each forecaster, overall and by group.

    Args:
        timestamps: The time of each target minute: (windows, horizon).
        actual: The actual power.
        reference: Persistence.
        ends: The lower and upper bounds by forecaster: (levels, windows, horizon) each.

    Returns:
        Rows (by, group, minutes, forecaster, level, coverage, width_kw, winkler_kw).
    """
    groups = [("all", "all", np.s_[:]), *_groups(timestamps, actual, reference)]
    rows = []
    for by, group, selected in groups:
        power = actual[selected]
        for name, (lower, upper) in ends.items():
            for i, level in enumerate(intervals.LEVELS):
                low, high = lower[i][selected], upper[i][selected]
                scores_of_one = {
                    "coverage": intervals.coverage(power, low, high),
                    "width_kw": intervals.width(low, high),
                    "winkler_kw": intervals.winkler(power, low, high, level),
                }
                row = {"by": by, "group": group, "minutes": power.size, "forecaster": name}
                rounded = {key: scores.rounded(figure) for key, figure in scores_of_one.items()}
                rows.append(row | {"level": level} | rounded)
    return pa.Table.from_pylist(rows, COVERAGE)


def overall(covered: pa.Table) -> dict[str, dict[str, float]]:
    """Return the overall scores in a table of `coverage`, by forecaster and score."""
    by_forecaster: dict[str, dict[str, float]] = {}
    for row in covered.to_pylist():
        if row["by"] == "all":
            level = round(100 * row["level"])
            by_forecaster.setdefault(row["forecaster"], {}).update(
                {
                    f"coverage_{level}": row["coverage"],
                    f"width_{level}_kw": row["width_kw"],
                    f"winkler_{level}_kw": row["winkler_kw"],
                }
            )
    return by_forecaster


def _groups(
    timestamps: npt.NDArray[np.datetime64], actual: Power, reference: Power
) -> Iterator[tuple[str, str, Any]]:
    """Yield for each group what it is grouped by, its name and the indices of its minutes."""
    times = pd.DatetimeIndex(timestamps.ravel())
    hours, weekdays = (
        field.to_numpy().reshape(actual.shape) for field in (times.hour, times.day_of_week)
    )
    change = np.abs(actual - reference)
    horizon = actual[0].size
    months = times.strftime("%Y-%m").to_numpy().reshape(actual.shape)
    groups: dict[str, list[tuple[str, Any]]] = {
        "month": [(month, months == month) for month in np.unique(months).tolist()],
        "hour": [(str(hour), hours == hour) for hour in range(24)],
        "weekday": [(day, weekdays == i) for i, day in enumerate(calendar.day_name)],
        "minute": [("quiet", change <= SWITCHING), ("switching", change > SWITCHING)],
        "step": [(str(step + 1), np.s_[:, step]) for step in range(horizon) if horizon > 1],
    }
    for by, members in groups.items():
        for group, selected in members:
            if actual[selected].size:
                yield by, group, selected


def _squares(actual: Power, forecast: Power) -> npt.NDArray[np.float64]:
    """Return the mean squared error of each window: (windows,)."""
    squares = np.square(np.subtract(forecast, actual, dtype=np.float64))
    return squares.reshape(len(squares), -1).mean(axis=1)


def _block_sums(squares: npt.NDArray[np.float64], block: int) -> npt.NDArray[np.float64]:
    """Return the sum over each block of `block` consecutive windows."""
    cumulative = np.cumsum(np.append(0, squares))
    return cumulative[block:] - cumulative[:-block]
