"""Score one model on each of many meters, and summarise the scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from household.core import arrow, files, meters, paths
from household.core.errors import UserError
from household.core.params import EvaluateParams
from household.core.schema import Float64
from household.core.step import Spacing, Step
from household.dataset import windows
from household.dataset.inputs import InputReader
from household.dataset.windows import Starts
from household.evaluation import evaluate, metrics, predictions, significance
from household.evaluation.baselines import ForecastContext
from household.evaluation.evaluate import Evaluation
from household.evaluation.predictions import ForecastSet
from household.model import inference

RESAMPLES = 2000
QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
NONE = np.empty(0, np.int32)
SCHEMA = pa.schema(
    [
        ("meter", pa.string()),
        ("in_training", pa.bool_()),
        ("windows", pa.int64()),
        ("rmse_kw", pa.float64()),
        ("persistence_kw", pa.float64()),
        ("mase", pa.float64()),
        ("skill", pa.float64()),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("best_baseline", pa.string()),
        ("skill_vs_best", pa.float64()),
    ]
)


class MeterScore(NamedTuple):
    """Hold the scores of a meter.

    Attributes:
        row: A row of SCHEMA.
        forecasts: The forecasts to pool with those of other meters.
        spacing: How far apart their windows are.
    """

    row: dict[str, Any]
    forecasts: ForecastSet
    spacing: Spacing


def score_meter(
    meter: str,
    root: Path,
    *,
    settings: EvaluateParams,
    reader: InputReader,
    levels: Sequence[float],
    pooled_stride: int,
) -> MeterScore:
    """Score a model on one meter.

    Args:
        meter: The name of the meter.
        root: The folder of the pipeline. A meter that the model was not trained on only has a test
            split there.
        settings: The parameters of the evaluate stage.
        reader: Reads what the network may read of a series.
        levels: The levels of the quantiles.
        pooled_stride: The stride of the windows that enter the metrics of all meters together.

    Raises:
        UserError: As in `predictions.run_forecasters`, or no window is made at `evaluate.origin`.
    """
    name = meters.file_name(meter)
    session = inference.load_session(root / paths.GRAPH)
    series = files.read_table(root / paths.SERIES / name)
    in_training = (root / paths.TRAIN / name).is_file()
    train, validation = (
        windows.read_starts(root / split / name) if in_training else NONE
        for split in (paths.TRAIN, paths.VALIDATION)
    )
    step = reader.step
    test = _select_origins(windows.read_starts(root / paths.TEST / name), series, reader, settings)
    stride = windows.evaluation_stride(len(test), reader.shape.horizon, step)
    forecasts = predictions.run_forecasters(
        session,
        ForecastContext(series, reader.of_table(series), train, reader.shape, reader.step),
        validation=validation,
        test=test[::stride],
        settings=settings,
        levels=levels,
    )
    apart = stride * _origin_distance(settings, step)
    row = {"meter": meter, "in_training": in_training}
    row |= _row(forecasts, Spacing(apart, step))
    thinning = max(1, pooled_stride // stride)
    return MeterScore(row, forecasts.thin(thinning), Spacing(apart * thinning, step))


def pooled_stride(test: Sequence[Path], settings: EvaluateParams, reader: InputReader) -> int:
    """Return the stride of the windows that enter the metrics of all meters together.

    Args:
        test: The files of the test windows of each meter.
        settings: The parameters of the evaluate stage.
        reader: Reads what the network may read of a series.
    """
    count = sum(map(files.row_count, test)) // _origin_distance(settings, reader.step)
    return windows.evaluation_stride(count, reader.shape.horizon, reader.step, pooled=len(test) > 1)


def _origin_distance(settings: EvaluateParams, step: Step) -> int:
    """Return how many steps are between the moments at which forecasts are made."""
    return 1 if settings.origin == "every" else step.per_day


def _select_origins(
    test: Starts, series: pa.Table, reader: InputReader, settings: EvaluateParams
) -> Starts:
    """Return the windows to score, of which there may be one a day.

    Raises:
        UserError: No forecast is made at that time of day.
    """
    if settings.origin == "every":
        return test
    timestamps = series["timestamp"]
    local = arrow.to_local(arrow.to_numpy(timestamps), timestamps.type.tz)
    selected = windows.made_at(test, local, reader.shape.lookback, settings.origin)
    if not len(selected):
        raise UserError(
            f"evaluate.origin: no test forecast is made at {settings.origin}; use every, or a "
            f"multiple of {reader.step.length} from midnight"
        )
    return selected


def _row(results: ForecastSet, spacing: Spacing) -> dict[str, Any]:
    actual, means = results.actual, results.means
    reference, network = means[metrics.PERSISTENCE], results.forecasts[inference.NAME]
    rmse = metrics.rmse(actual, network.mean)
    baseline_rmse = {
        name: metrics.rmse(actual, forecast)
        for name, forecast in means.items()
        if name not in (inference.NAME, metrics.PREVIOUS)
    }
    best = min(baseline_rmse, key=lambda name: baseline_rmse[name])
    against = significance.compare(actual, network.mean, reference, spacing=spacing)
    mase = None if np.isnan(results.scale) else metrics.mase(actual, network.median, results.scale)
    figures = {
        "rmse_kw": rmse,
        "persistence_kw": baseline_rmse[metrics.PERSISTENCE],
        "mase": mase,
        "skill": against["skill"],
        "ci_low": against["low"],
        "ci_high": against["high"],
        "skill_vs_best": metrics.skill(rmse, baseline_rmse[best]),
    }
    rounded = {name: metrics.round_score(figure) for name, figure in figures.items()}
    return {"windows": len(actual), "best_baseline": best} | rounded


def pool(scores: Mapping[str, MeterScore]) -> Evaluation:
    """Evaluate the forecasts for all meters that the model was trained on, together.

    If there are several meters, the metrics have their summary in `meters` in addition, and the
    predictions a column `meter`.
    """
    in_training = {meter: score for meter, score in scores.items() if score.row["in_training"]}
    pooled = evaluate.evaluate(
        predictions.concat([score.forecasts for score in in_training.values()]),
        max(score.spacing for score in in_training.values()),
    )
    if len(scores) == 1:
        return pooled
    summary = summarize_by_training([score.row for score in scores.values()])
    # The predictions come in the order of the meters.
    sizes = [score.forecasts.actual.size for score in in_training.values()]
    indices = pa.array(np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))
    names = pa.DictionaryArray.from_arrays(indices, pa.array(list(in_training), pa.string()))
    field = pa.field("meter", names.type, nullable=False)
    return pooled._replace(
        metrics=pooled.metrics | {"meters": summary},
        predictions=pooled.predictions.add_column(0, field, [names]),
    )


def to_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return the rows of all meters as a table of SCHEMA."""
    return pa.Table.from_pylist(list(rows), SCHEMA)


def summarize_skill(rows: Sequence[Mapping[str, Any]], seed: int = 0) -> dict[str, Any]:
    """Summarise the skill against persistence over the meters of `rows`.

    Confidence intervals are the 2.5th to 97.5th percentiles over resamples of the meters. Efron
    (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7(1).

    Args:
        rows: One row of SCHEMA for each meter.
        seed: Seeds the resamples.

    Returns:
        `meters`, the number of meters with a skill; its quantiles and mean; `wins`, the share of
        meters with a positive skill; `sure_wins` and `sure_losses`, the shares of meters whose own
        confidence interval lies above or below 0; and `..._low` and `..._high`, the bounds of the
        95 % confidence intervals of median and wins.
    """
    scored = [row for row in rows if row["skill"] is not None]
    skill = np.array([row["skill"] for row in scored])
    if not len(skill):
        return {"meters": 0}
    resamples = np.random.default_rng(seed).integers(len(skill), size=(RESAMPLES, len(skill)))
    medians, wins = np.median(skill[resamples], axis=1), (skill > 0)[resamples].mean(axis=1)
    with_ci = [row for row in scored if row["ci_low"] is not None]
    summary: dict[str, Any] = {
        name: np.quantile(skill, quantile) for name, quantile in QUANTILES.items()
    }
    summary |= {"mean": skill.mean(), "wins": (skill > 0).mean()}
    summary |= _interval("median", medians) | _interval("wins", wins)
    summary["sure_wins"] = sum(row["ci_low"] > 0 for row in with_ci) / len(scored)
    summary["sure_losses"] = sum(row["ci_high"] < 0 for row in with_ci) / len(scored)
    rounded = {name: metrics.round_score(float(figure)) for name, figure in summary.items()}
    return {"meters": len(scored)} | rounded


def _interval(name: str, resampled: Float64) -> dict[str, Any]:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {f"{name}_low": low, f"{name}_high": high}


def summarize_by_training(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Summarise the meters that the model was trained on, and the other ones."""
    by_kind = {
        kind: [row for row in rows if row["in_training"] == in_training]
        for kind, in_training in (("in_training", True), ("held_out", False))
    }
    return {kind: summarize_skill(group) for kind, group in by_kind.items() if group}
