"""Say why the score of a run may not hold elsewhere."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from household.core.params import Params
from household.core.step import Step
from household.evaluation.metrics import PERSISTENCE
from household.report import tables, verdict
from household.report.results import ACTUAL, LSTM, Results

# A shorter test split than this says little about other weeks.
FEW_DAYS = 28
# Tolerated difference between the coverage of an interval and its level.
FAR_OFF = 0.03
# Skill of an LSTM whose error is twice that of persistence.
DIVERGED = -1
# Share of steps without a value from which on a caveat says so.
MANY_MISSING = 0.02


def shortcuts(params: Params) -> dict[str, str]:
    """Return which of the tutorial's shortcuts were taken, each with its effect on the score."""
    window, split, nouns = params.window, params.split, params.step.nouns
    taken = {
        "both sides of a gap count as neighbours": (
            window.across_gaps,
            "windows contain jumps that did not happen",
        ),
        "the mean of all windows is subtracted": (
            params.scaling.center == "all",
            "the test split is used in training",
        ),
        "validation windows are drawn at random": (
            split.validation_sample == "random" and split.validation_fraction > 0,
            "they overlap with training windows, so their loss is too low",
        ),
        f"windows share {nouns} across the cut": (
            not split.purge,
            f"training uses some {nouns} of the test split",
        ),
        "only the first part of the series is used": (
            window.use_fraction < 1,
            f"the scores are of other {nouns} than those of the whole series",
        ),
    }
    return {name: f"yes: {effect}" if on else "no" for name, (on, effect) in taken.items()}


def list_taken(params: Params) -> list[str]:
    """Return the names of the shortcuts that were taken."""
    return [name for name, text in shortcuts(params).items() if text != "no"]


def caveats(results: Results) -> Iterator[str]:
    """Yield why the score may not hold elsewhere, the most serious caveat first."""
    record = results.verdict
    best = record["best_baseline"]
    yield from (f"The readings: {caveat}." for caveat in results.quality["caveats"])
    if (record["persistence_skill"] or 0) < DIVERGED:
        yield (
            "The training diverged: the LSTM's error is more than twice that of persistence. Lower "
            "train.learning_rate."
        )
    if drift := verdict.drift_warning(record):
        yield f"{drift}."
    if results.source["simulated"]:
        yield (
            "The data is simulated. The score shows that the method works, and says nothing about "
            "a real household."
        )
    if record["persistence_low"] is None and record["persistence_skill"] is not None:
        yield "The test split is shorter than two days, so the gain has no confidence interval."
    if contains_zero(record, "persistence"):
        yield (
            "The confidence interval of the gain over persistence contains 0: the difference may "
            "be chance."
        )
    if best != PERSISTENCE and contains_zero(record, "best"):
        yield (
            f"The confidence interval of the gain over {best}, the best baseline, contains 0: the "
            "difference may be chance."
        )
    yield from _describe_lost_meters(results)
    yield from _caveats_of_rivals(record, results.step)
    yield from _caveats_of_setup(results)


def _caveats_of_rivals(record: dict[str, Any], step: Step) -> Iterator[str]:
    """Yield the caveats of a previous LSTM and of the best baseline."""
    if (record.get("previous_skill") or 0) < 0:
        yield "The previous LSTM has a smaller error: keep using it."
    if overlap := record.get("previous_training_overlap", 0):
        yield (
            f"The previous LSTM was trained on {overlap:,} of the test {step.nouns}, so its error "
            "is too low."
        )
    if (record["best_skill"] or 0) < 0:
        best = capitalized(record["best_baseline"])
        yield f"{best} has a smaller error: a simpler forecaster is better."


def _caveats_of_setup(results: Results) -> Iterator[str]:
    """Yield the caveats of data, parameters and training."""
    if taken := list_taken(results.params):
        yield f"Shortcuts of the tutorial affect the score: {'; '.join(taken)}."
    meters = results.forecaster["trained_on"].get("meters", 1)
    days = len(results.windows(ACTUAL)) * results.spacing.stride / results.step.per_day / meters
    if days < FEW_DAYS:
        yield (
            f"The test split covers {days:.1f} days of one season, and other weeks may differ. "
            "“make backtest” tests on more periods."
        )
    gains = tables.gain_by_day(results)
    lost_days = gains[(gains["series"] == PERSISTENCE) & (gains["gain"] <= 0)]
    if not lost_days.empty:
        yield (
            f"On {len(lost_days)} of {gains['day'].nunique()} test days the LSTM does not beat "
            "persistence."
        )
    off_levels = [
        f"{scores['coverage']:.1%}, not {level:.0%}"
        for level, scores in results.interval_scores("all", "all", LSTM).items()
        if abs(scores["coverage"] - level) > FAR_OFF
    ]
    if off_levels:
        yield f"Intervals miss their coverage on the test split: {'; '.join(off_levels)}."
    if _best_epoch(results.losses) == results.losses["epoch"].max() > 1:
        yield "The validation loss was lowest after the last epoch: more epochs may help."
    missing = results.quality["missing"]["global_active_power"] / results.quality["rows"]
    if missing > MANY_MISSING:
        yield f"{missing:.1%} of the {results.step.nouns} have no value."
    yield (
        f"This is one training with seed {results.params.seed}. Another seed gives another score."
    )


def contains_zero(verdict_record: dict[str, Any], prefix: str) -> bool:
    """Return whether the confidence interval of a gain exists and contains 0."""
    low, high = verdict_record[f"{prefix}_low"], verdict_record[f"{prefix}_high"]
    return low is not None and low <= 0 <= high


def _describe_lost_meters(results: Results) -> list[str]:
    """Say on how many meters persistence is better, for training meters and others."""
    if results.meters is None:
        return []
    rows = results.meters.dropna(subset="skill")
    kinds = {"in_training": rows[rows["in_training"]], "held_out": rows[~rows["in_training"]]}
    return [
        f"On {(group['skill'] <= 0).sum()} of {verdict.count_meters(len(group), kind)} the LSTM "
        "does not beat persistence."
        for kind, group in kinds.items()
        if (group["skill"] <= 0).any()
    ]


def _best_epoch(losses: pd.DataFrame) -> float | None:
    validation = losses[losses["split"] == "validation"].sort_values("loss", kind="stable")
    return None if validation.empty else float(validation["epoch"].iloc[0])


def capitalized(text: str) -> str:
    """Return `text` with a capital first letter and the others as they are, as in LightGBM."""
    return text[0].upper() + text[1:]
