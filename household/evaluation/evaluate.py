"""Evaluate the forecasts of all forecasters."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from household.core import schema
from household.core.schema import Power
from household.evaluation import breakdown, metrics, significance
from household.evaluation.predictions import ForecastSet
from household.model import inference, intervals


def compare_with_baselines(
    actual: Power, forecasts: Mapping[str, Power], name: str, *, stride: int = 1
) -> dict[str, Any]:
    """Compare the forecaster `name` with persistence and with the best baseline.

    Args:
        actual: The actual power.
        forecasts: The forecasts by forecaster.
        name: The forecaster to judge.
        stride: The stride of the windows in minutes.

    Returns:
        `best_baseline`, which has the smallest RMSE. Against persistence (`persistence_...`) and
        the best baseline (`best_...`): the figures of `significance.compare`, the statistic `dm` of
        Diebold and Mariano and its `p`. The same against a previous model (`previous_...`) if there
        is one, which does not count as a baseline.
    """
    errors = {
        other: metrics.rmse(actual, each) for other, each in forecasts.items() if other != name
    }
    baselines = [other for other in errors if other != metrics.PREVIOUS]
    best = min(baselines, key=lambda other: errors[other])
    verdict: dict[str, Any] = {"best_baseline": best}
    pairs = {"persistence": metrics.PERSISTENCE, "best": best}
    if metrics.PREVIOUS in errors:
        pairs["previous"] = metrics.PREVIOUS
    for prefix, other in pairs.items():
        pair = (forecasts[name], forecasts[other])
        test = significance.diebold_mariano(actual, *pair, stride=stride)
        figures = significance.compare(actual, *pair, stride=stride)
        figures |= {"dm": test and test.statistic, "p": test and test.p}
        verdict |= {
            f"{prefix}_{key}": metrics.round_score(figure) for key, figure in figures.items()
        }
    return verdict


class Evaluation(NamedTuple):
    """Hold the results of the evaluate stage.

    Attributes:
        metrics: Scores of each forecaster, the verdict and the scores of the intervals.
        breakdown: See `breakdown.score_by_group`.
        coverage: See `breakdown.intervals_by_group`.
        predictions: See `schema.power_table`.
        windows: The number of test windows.
    """

    metrics: dict[str, dict[str, Any]]
    breakdown: pa.Table
    coverage: pa.Table
    predictions: pa.Table
    windows: int


def evaluate(results: ForecastSet, stride: int) -> Evaluation:
    """Score forecasts of windows with a stride of `stride` minutes."""
    stamps, actual, by_name, ends, scale, overlap = results
    coverage = breakdown.intervals_by_group(stamps, actual, by_name[metrics.PERSISTENCE], ends=ends)
    by_group = breakdown.score_by_group(stamps, actual, by_name, scale=scale)
    comparison = compare_with_baselines(actual, by_name, inference.NAME, stride=stride)
    if overlap is not None:
        comparison["previous_training_overlap"] = overlap
    comparison |= breakdown.latest_month_skill(by_group, inference.NAME)
    bounds = intervals.named_bounds(*ends[inference.NAME]) if inference.NAME in ends else {}
    return Evaluation(
        metrics=metrics.score_all(actual, by_name, scale)
        | {"verdict": comparison, "intervals": breakdown.overall_intervals(coverage)},
        breakdown=by_group,
        coverage=coverage,
        predictions=schema.power_table(stamps, {"actual": actual} | by_name | bounds),
        windows=len(actual),
    )
