"""Break scores down by month, hour, weekday, step and change."""

import calendar
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from household.core.schema import LEVELS, Float32, Power, Times
from household.evaluation import metrics

# A change from the minute before of more than so many kW counts as switching.
LARGE_CHANGE_KW = 0.5
INTERVALS_SCHEMA = pa.schema(
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


def score_by_group(
    timestamps: Times,
    actual: Power,
    forecasts: Mapping[str, Power],
    *,
    scale: float,
) -> pa.Table:
    """Score each forecaster by month, hour, weekday and step, and with and without switching.

    A minute counts as switching if the power differs from persistence by more than
    `LARGE_CHANGE_KW`. Steps count the minutes of the horizon from 1; a horizon of one minute has
    none.

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
        for by, group, selected in _groups(timestamps, actual, forecasts[metrics.PERSISTENCE])
        for name, scores_of_one in metrics.score_all(
            actual[selected],
            {name: forecast[selected] for name, forecast in forecasts.items()},
            scale,
        ).items()
    ]
    return pa.Table.from_pylist(rows)


def latest_month_skill(breakdown: pa.Table, name: str) -> dict[str, Any]:
    """Return the last month in a table of `score_by_group` and the skill of `name` in it.

    Both `last_month` and `last_month_skill` are None if there is only one month.
    """
    months = [
        row for row in breakdown.to_pylist() if row["by"] == "month" and row["forecaster"] == name
    ]
    if len(months) < 2:
        return {"last_month": None, "last_month_skill": None}
    return {"last_month": months[-1]["group"], "last_month_skill": months[-1]["skill"]}


def intervals_by_group(
    timestamps: Times,
    actual: Power,
    reference: Power,
    *,
    ends: Mapping[str, Float32],
) -> pa.Table:
    """Score the prediction intervals of each forecaster, overall and by group.

    Args:
        timestamps: The time of each target minute: (windows, horizon).
        actual: The actual power.
        reference: Persistence.
        ends: The lower and upper bounds by forecaster: (2, levels, windows, horizon).

    Returns:
        Rows (by, group, minutes, forecaster, level, coverage, width_kw, winkler_kw).
    """
    groups = [("all", "all", np.s_[:]), *_groups(timestamps, actual, reference)]
    rows = []
    for by, group, selected in groups:
        power = actual[selected]
        for name, (lower, upper) in ends.items():
            for i, level in enumerate(LEVELS):
                low, high = lower[i][selected], upper[i][selected]
                scores_of_one = {
                    "coverage": metrics.coverage(power, low, high),
                    "width_kw": metrics.mean_width(low, high),
                    "winkler_kw": metrics.winkler_score(power, low, high, level=level),
                }
                row = {"by": by, "group": group, "minutes": power.size, "forecaster": name}
                rounded = {
                    key: metrics.round_score(figure) for key, figure in scores_of_one.items()
                }
                rows.append(row | {"level": level} | rounded)
    return pa.Table.from_pylist(rows, INTERVALS_SCHEMA)


def overall_intervals(covered: pa.Table) -> dict[str, dict[str, float]]:
    """Return the overall scores in a table of `intervals_by_group`, by forecaster and score."""
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


def _groups(timestamps: Times, actual: Power, reference: Power) -> Iterator[tuple[str, str, Any]]:
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
        "minute": [("quiet", change <= LARGE_CHANGE_KW), ("switching", change > LARGE_CHANGE_KW)],
        "step": [(str(step + 1), np.s_[:, step]) for step in range(horizon) if horizon > 1],
    }
    for by, members in groups.items():
        for group, selected in members:
            if actual[selected].size:
                yield by, group, selected
