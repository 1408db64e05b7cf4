"""Evaluate the forecasts of all forecasters."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from household.core import schema
from household.core.quantiles import column_name
from household.core.schema import Float32, Power
from household.core.step import Spacing
from household.evaluation import breakdown, metrics, significance
from household.evaluation.predictions import ForecastSet
from household.model import inference


def compare_with_baselines(
    actual: Power, means: Mapping[str, Power], name: str, *, spacing: Spacing
) -> dict[str, Any]:
    """Compare the forecaster `name` with persistence and with the best baseline.

    Args:
        actual: The actual power.
        means: The forecasts by forecaster.
        name: The forecaster to judge.
        spacing: How far apart the windows are.

    Returns:
        `best_baseline`, which has the smallest RMSE. Against persistence (`persistence_...`) and
        the best baseline (`best_...`): the figures of `significance.compare`, the statistic `dm` of
        Diebold and Mariano and its `p`. The same against a previous model (`previous_...`) if there
        is one, which does not count as a baseline.
    """
    errors = {other: metrics.rmse(actual, each) for other, each in means.items() if other != name}
    baselines = [other for other in errors if other != metrics.PREVIOUS]
    best = min(baselines, key=lambda other: errors[other])
    verdict: dict[str, Any] = {"best_baseline": best}
    pairs = {"persistence": metrics.PERSISTENCE, "best": best}
    if metrics.PREVIOUS in errors:
        pairs["previous"] = metrics.PREVIOUS
    for prefix, other in pairs.items():
        pair = (means[name], means[other])
        test = significance.diebold_mariano(actual, *pair, stride=spacing.stride)
        figures = significance.compare(actual, *pair, spacing=spacing)
        figures |= {"dm": test and test.statistic, "p": test and test.p}
        verdict |= {
            f"{prefix}_{key}": metrics.round_score(figure) for key, figure in figures.items()
        }
    return verdict


def compare_distributions(
    crps: Mapping[str, Float32], name: str, *, spacing: Spacing
) -> dict[str, dict[str, float | None]]:
    """Compare the distribution of the forecaster `name` with that of each other one by CRPS.

    Args:
        crps: The CRPS of each target by forecaster: (windows, horizon).
        name: The forecaster to judge.
        spacing: How far apart the windows are.

    Returns:
        The figures of `significance.compare_losses` by the other forecaster.
    """
    if name not in crps:
        return {}
    compared = {}
    for other in (each for each in crps if each != name):
        figures = significance.compare_losses(crps[name], crps[other], spacing=spacing)
        compared[other] = {key: metrics.round_score(each) for key, each in figures.items()}
    return compared


class Evaluation(NamedTuple):
    """Hold the results of the evaluate stage.

    Attributes:
        metrics: Scores of each forecaster, the verdict, the comparison of the distributions and
            the scores of the intervals.
        breakdown: See `breakdown.score_by_group`.
        coverage: See `breakdown.intervals_by_group`.
        quantiles: See `breakdown.quantile_scores`.
        predictions: See `schema.power_table`.
        windows: The number of test windows.
    """

    metrics: dict[str, dict[str, Any]]
    breakdown: pa.Table
    coverage: pa.Table
    quantiles: pa.Table
    predictions: pa.Table
    windows: int


def evaluate(results: ForecastSet, spacing: Spacing) -> Evaluation:
    """Score forecasts of windows that are `spacing` apart."""
    actual, means = results.actual, results.means
    crps = {
        name: metrics.crps(actual, quantiles, results.levels)
        for name, quantiles in results.quantiles.items()
    }
    coverage = breakdown.intervals_by_group(results)
    by_group = breakdown.score_by_group(results, crps)
    comparison = compare_with_baselines(actual, means, inference.NAME, spacing=spacing)
    if results.overlap is not None:
        comparison["previous_training_overlap"] = results.overlap
    comparison |= breakdown.latest_month_skill(by_group, inference.NAME)
    scores = metrics.score_all(actual, means, results.scale, medians=results.medians, crps=crps)
    sections: dict[str, Any] = {
        "verdict": comparison,
        "distribution": compare_distributions(crps, inference.NAME, spacing=spacing),
        "intervals": breakdown.overall_intervals(coverage),
    }
    return Evaluation(
        metrics=scores | sections,
        breakdown=by_group,
        coverage=coverage,
        quantiles=breakdown.quantile_scores(results),
        predictions=schema.power_table(results.stamps, _columns(results), results.timezone),
        windows=len(actual),
    )


def _columns(results: ForecastSet) -> dict[str, Power]:
    """Return the columns of the predictions.

    They are the actual power, the mean of each forecaster, the medians that are other forecasts,
    and the quantiles of the network.
    """
    medians = {
        f"{name} median": median
        for name, median in results.medians.items()
        if not np.array_equal(median, results.means[name])
    }
    columns = {"actual": results.actual} | results.means | medians
    quantiles = results.quantiles.get(inference.NAME)
    if quantiles is not None:
        names = map(column_name, results.levels)
        columns |= dict(zip(names, np.moveaxis(quantiles, -1, 0), strict=True))
    return columns
