"""One model on many meters: the scores on each, and how they are distributed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.forecast import (
    baselines,
    comparison,
    evaluation,
    intervals,
    runtime,
    scores,
    trained,
    windows,
)
from household.forecast.evaluation import Forecasts
from household.meter import series
from household.pipeline import arrays, files

RESAMPLES = 2000
QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
NONE = np.empty(0, np.int32)
SCHEMA = pa.schema(
    [
        ("meter", pa.string()),
        ("seen", pa.bool_()),  # whether the training saw it
        ("windows", pa.int64()),
        ("rmse_kw", pa.float64()),
        ("persistence_kw", pa.float64()),
        ("mase", pa.float64()),
        ("skill", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("best_baseline", pa.string()),
        ("best_skill", pa.float64()),
    ]
)


class Job(NamedTuple):
    """A meter on which a model is to be scored."""

    meter: str
    series: Path
    train: Path | None  # the starts of its windows; None where the training did not see it
    validation: Path | None
    test: Path
    graph: Path
    intervals: Path
    with_trees: bool
    against: str | None  # a folder
    kept: int  # of the windows, every so many go into what is said of all meters together


class Scored(NamedTuple):
    row: dict[str, Any]  # of SCHEMA
    forecasts: Forecasts
    every: int  # minutes from window to window in them


def score(job: Job) -> Scored:
    """Scores a model on one meter; raises Failure as `evaluation.forecasts` does."""
    session = runtime.load(job.graph)
    minutes = files.read_table(job.series)
    shape, test = runtime.shape(session), windows.read(job.test)
    train, validation = (
        NONE if path is None else windows.read(path) for path in (job.train, job.validation)
    )
    every = windows.apart(len(test), shape.horizon)
    found = evaluation.forecasts(
        session,
        intervals.read(job.intervals),
        baselines.Given(series.values(minutes), arrays.of(minutes["timestamp"]), train, shape),
        minutes.column_names[1:],
        validation,
        test[::every],
        job.with_trees,
        trained.read(Path(job.against).expanduser(), trained.GRAPH) if job.against else None,
    )
    row = {"meter": job.meter, "seen": job.train is not None} | _row(found, every)
    further = max(1, job.kept // every)
    return Scored(row, found.every(further), every * further)


def _row(of: Forecasts, every: int) -> dict[str, Any]:
    actual, found = of.actual, of.forecasts
    reference = found[scores.REFERENCE]
    own = scores.rmse(actual, found[runtime.NAME])
    others = {
        name: scores.rmse(actual, each)
        for name, each in found.items()
        if name not in (runtime.NAME, scores.EARLIER)
    }
    best = min(others, key=lambda name: others[name])
    day = comparison.day(every)
    interval = comparison.skill_interval(actual, found[runtime.NAME], reference, day)
    low, high = interval or (None, None)
    mase = None if np.isnan(of.scale) else scores.mase(actual, found[runtime.NAME], of.scale)
    figures = {
        "rmse_kw": own,
        "persistence_kw": others[scores.REFERENCE],
        "mase": mase,
        "skill": scores.skill(own, others[scores.REFERENCE]),
        "low": low,
        "high": high,
        "best_skill": scores.skill(own, others[best]),
    }
    rounded = {name: scores.rounded(figure) for name, figure in figures.items()}
    return {"windows": len(actual), "best_baseline": best} | rounded


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A row a meter, of SCHEMA."""
    return pa.Table.from_pylist(list(rows), SCHEMA)


def distribution(rows: Sequence[Mapping[str, Any]], seed: int = 0) -> dict[str, Any]:
    """How the skill against persistence is distributed over the meters of `rows`.

    `meters` that have one, quantiles and the mean, the share `wins` of meters on which the model is
    better, the shares whose own interval is all above 0, `sure_wins`, or below, `sure_losses`; and
    the 95 % intervals, `..._low` to `..._high`, of the median and of the wins, over the meters that
    might have been others: their percentiles in resamples of the meters.
    Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7(1).
    """
    known = [row for row in rows if row["skill"] is not None]
    skill = np.array([row["skill"] for row in known])
    if not len(skill):
        return {"meters": 0}
    drawn = np.random.default_rng(seed).integers(len(skill), size=(RESAMPLES, len(skill)))
    medians, wins = np.median(skill[drawn], axis=1), (skill > 0)[drawn].mean(axis=1)
    sure = [row for row in known if row["low"] is not None]
    found: dict[str, Any] = {
        name: np.quantile(skill, quantile) for name, quantile in QUANTILES.items()
    }
    found |= {"mean": skill.mean(), "wins": (skill > 0).mean()}
    found |= _interval("median", medians) | _interval("wins", wins)
    found["sure_wins"] = sum(row["low"] > 0 for row in sure) / len(known)
    found["sure_losses"] = sum(row["high"] < 0 for row in sure) / len(known)
    rounded = {name: scores.rounded(float(figure)) for name, figure in found.items()}
    return {"meters": len(known)} | rounded


def _interval(name: str, resampled: npt.NDArray[np.float64]) -> dict[str, Any]:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {f"{name}_low": low, f"{name}_high": high}


def of_each_kind(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The distribution over the meters that the training saw, and over those that it did not."""
    kinds = {"seen": True, "unseen": False}
    of = {kind: [row for row in rows if row["seen"] == seen] for kind, seen in kinds.items()}
    return {kind: distribution(some) for kind, some in of.items() if some}


def named(predictions: pa.Table, scored: Mapping[str, Scored], horizon: int) -> pa.Table:
    """Predictions of several meters, one after the other, with the meter of each row."""
    counts = [len(each.forecasts.actual) * horizon for each in scored.values()]
    place = pa.array(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
    meter = pa.DictionaryArray.from_arrays(place, pa.array(list(scored), pa.string()))
    return predictions.add_column(0, pa.field("meter", meter.type, nullable=False), [meter])
