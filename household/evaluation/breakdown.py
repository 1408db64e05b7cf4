"""Break scores down by month, hour, weekday, step and change."""

import calendar
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from household.core.quantiles import interval, pinball_loss
from household.core.schema import LEVELS, Float32
from household.evaluation import metrics
from household.evaluation.predictions import ForecastSet

GROUP = [
    ("by", pa.string()),
    ("group", pa.string()),
    ("minutes", pa.int64()),
    ("forecaster", pa.string()),
]
SCORES_SCHEMA = pa.schema(
    [
        *GROUP,
        ("rmse_kw", pa.float64()),
        ("mae_kw", pa.float64()),
        ("mase", pa.float64()),
        ("skill", pa.float64()),
        ("crps_kw", pa.float64()),
    ]
)
QUANTILES_SCHEMA = pa.schema(
    [
        ("forecaster", pa.string()),
        ("level", pa.float64()),
        ("observed", pa.float64()),
        ("pinball_kw", pa.float64()),
    ]
)
INTERVALS_SCHEMA = pa.schema(
    [
        *GROUP,
        ("level", pa.float64()),
        ("coverage", pa.float64()),
        ("width_kw", pa.float64()),
        ("winkler_kw", pa.float64()),
    ]
)


def score_by_group(results: ForecastSet, crps: Mapping[str, Float32]) -> pa.Table:
    """Score each forecaster by month, hour, weekday and step, and with and without switching.

    A step counts as switching if the power differs from persistence by more than
    `metrics.LARGE_CHANGE_KW`. The steps of the horizon count from 1; a horizon of one step has
    none.

    Args:
        results: The forecasts.
        crps: The CRPS of each target by forecaster: (windows, horizon).

    Returns:
        Rows (by, group, minutes, forecaster, rmse_kw, mae_kw, mase, skill, crps_kw).
    """
    rows = []
    for by, group, selected in _groups(results):
        means, medians, losses = (
            {name: power[selected] for name, power in by_name.items()}
            for by_name in (results.means, results.medians, crps)
        )
        actual = results.actual[selected]
        scores = metrics.score_all(actual, means, results.scale, medians=medians, crps=losses)
        key = {"by": by, "group": group, "minutes": actual.size * results.step.minutes}
        rows += [key | {"forecaster": name} | scored for name, scored in scores.items()]
    return pa.Table.from_pylist(rows, SCORES_SCHEMA)


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


def intervals_by_group(results: ForecastSet) -> pa.Table:
    """Score the prediction intervals of each forecaster, overall and by group.

    Returns:
        Rows (by, group, minutes, forecaster, level, coverage, width_kw, winkler_kw).
    """
    groups = [("all", "all", np.s_[:]), *_groups(results)]
    rows = []
    for by, group, selected in groups:
        power = results.actual[selected]
        for name, quantiles in results.quantiles.items():
            for level in LEVELS:
                lower, upper = interval(quantiles, results.levels, level)
                low, high = lower[selected], upper[selected]
                scores_of_one = {
                    "coverage": metrics.coverage(power, low, high),
                    "width_kw": metrics.mean_width(low, high),
                    "winkler_kw": metrics.winkler_score(power, low, high, level=level),
                }
                minutes = power.size * results.step.minutes
                row = {"by": by, "group": group, "minutes": minutes, "forecaster": name}
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


def quantile_scores(results: ForecastSet) -> pa.Table:
    """Score each quantile of each forecaster.

    Returns:
        Rows (forecaster, level, observed, pinball_kw): the share of the steps whose power is at
        most the quantile, and the pinball loss.
    """
    rows = []
    for name, quantiles in results.quantiles.items():
        for i, level in enumerate(results.levels):
            quantile = quantiles[..., i]
            loss = pinball_loss(results.actual, quantile, level)
            observed = float(np.mean(results.actual <= quantile))
            rows.append(
                {
                    "forecaster": name,
                    "level": level,
                    "observed": metrics.round_score(observed),
                    "pinball_kw": metrics.round_score(float(np.mean(loss, dtype=np.float64))),
                }
            )
    return pa.Table.from_pylist(rows, QUANTILES_SCHEMA)


def _groups(results: ForecastSet) -> Iterator[tuple[str, str, Any]]:
    """Yield for each group what it is grouped by, its name and the indices of its steps."""
    actual, reference = results.actual, results.means[metrics.PERSISTENCE]
    times = pd.DatetimeIndex(results.stamps.ravel())
    if results.timezone:
        times = times.tz_localize("UTC").tz_convert(results.timezone)
    hours, weekdays = (
        field.to_numpy().reshape(actual.shape) for field in (times.hour, times.day_of_week)
    )
    is_switching = np.abs(actual - reference) > metrics.LARGE_CHANGE_KW
    horizon = actual[0].size
    months = times.strftime("%Y-%m").to_numpy().reshape(actual.shape)
    groups: dict[str, list[tuple[str, Any]]] = {
        "month": [(month, months == month) for month in np.unique(months).tolist()],
        "hour": [(str(hour), hours == hour) for hour in range(24)],
        "weekday": [(day, weekdays == i) for i, day in enumerate(calendar.day_name)],
        "minute": [("quiet", ~is_switching), ("switching", is_switching)],
        "step": [(str(step + 1), np.s_[:, step]) for step in range(horizon) if horizon > 1],
    }
    for by, members in groups.items():
        for group, selected in members:
            if actual[selected].size:
                yield by, group, selected
