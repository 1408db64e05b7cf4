"""Describe a run in words: its facts and its caveats."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from household.core.params import Params
from household.evaluation.breakdown import LARGE_CHANGE_KW
from household.evaluation.metrics import PERSISTENCE
from household.report import tables, verdict
from household.report.results import ACTUAL, LSTM, Results

# A shorter test split than this says little about other weeks.
FEW_DAYS = 28
# Tolerated difference between the coverage of an interval and its level.
FAR_OFF = 0.03
# Skill of an LSTM whose error is twice that of persistence.
DIVERGED = -1
# Share of minutes without a value from which on a caveat says so.
MANY_MISSING = 0.02


def source_label(source: dict[str, Any]) -> str:
    """Return the name of the data for people, from the record of the fetch stage."""
    if source["simulated"]:
        return "simulated household"
    return "UCI household" if source["licence"] else source["address"].rsplit("/", 1)[-1]


def facts(results: Results) -> pd.DataFrame:
    """Return rows (section, name, text) on the verdict, data, model, shortcuts and caveats."""
    sections = {
        "verdict": _verdict(results),
        "data": _data(results),
        "model": _model(results) | _intervals(results),
        "shortcuts": shortcuts(results.params) if _list_taken(results.params) else {},
        "caveats": {str(i): text for i, text in enumerate(caveats(results), 1)},
    }
    return pd.DataFrame(
        [
            (section, *fact)
            for section, section_facts in sections.items()
            for fact in section_facts.items()
        ],
        columns=["section", "name", "text"],
    )


def settings(results: Results) -> pd.DataFrame:
    """Return rows (setting, value) with each parameter by its dotted key."""
    (flat,) = pd.json_normalize(results.params.model_dump(), sep=".").to_dict("records")
    return pd.DataFrame(
        {"setting": flat.keys(), "value": [_text(value) for value in flat.values()]}
    )


def shortcuts(params: Params) -> dict[str, str]:
    """Return which of the tutorial's shortcuts were taken, each with its effect on the score."""
    window, split = params.window, params.split
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
        "windows share minutes across the cut": (
            not split.purge,
            "training uses some minutes of the test split",
        ),
        "only the first part of the series is used": (
            window.use_fraction < 1,
            "the scores are of other minutes than those of the whole series",
        ),
    }
    return {name: f"yes: {effect}" if on else "no" for name, (on, effect) in taken.items()}


def _list_taken(params: Params) -> list[str]:
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
    if _contains_zero(record, "persistence"):
        yield (
            "The confidence interval of the gain over persistence contains 0: the difference may "
            "be chance."
        )
    if best != PERSISTENCE and _contains_zero(record, "best"):
        yield (
            f"The confidence interval of the gain over {best}, the best baseline, contains 0: the "
            "difference may be chance."
        )
    yield from _describe_lost_meters(results)
    yield from _caveats_of_rivals(record)
    yield from _caveats_of_setup(results)


def _caveats_of_rivals(record: dict[str, Any]) -> Iterator[str]:
    """Yield the caveats of a previous LSTM and of the best baseline."""
    if (record.get("previous_skill") or 0) < 0:
        yield "The previous LSTM has a smaller error: keep using it."
    if learnt := record.get("previous_training_overlap", 0):
        yield (
            f"The previous LSTM was trained on {learnt:,} of the test minutes, so its error is too "
            "low."
        )
    if (record["best_skill"] or 0) < 0:
        best = _capitalized(record["best_baseline"])
        yield f"{best} has a smaller error: a simpler forecaster is better."


def _caveats_of_setup(results: Results) -> Iterator[str]:
    """Yield the caveats of data, parameters and training."""
    if taken := _list_taken(results.params):
        yield f"Shortcuts of the tutorial affect the score: {'; '.join(taken)}."
    meters = results.forecaster["trained_on"].get("meters", 1)
    days = len(results.windows(ACTUAL)) * results.stride / 1440 / meters
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
        yield f"{missing:.1%} of the minutes have no value."
    yield (
        f"This is one training with seed {results.params.seed}. Another seed gives another score."
    )


def _contains_zero(verdict_record: dict[str, Any], prefix: str) -> bool:
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
        f"On {(group['skill'] <= 0).sum()} of {len(group):,} {verdict.CALLED[kind]} the LSTM does "
        "not beat persistence."
        for kind, group in kinds.items()
        if (group["skill"] <= 0).any()
    ]


def _describe_winner(results: Results) -> str:
    """Compare the LSTM with persistence, or with the best baseline if that beats the LSTM."""
    verdict_record = results.verdict
    persistence, best = verdict_record["persistence_skill"], verdict_record["best_skill"]
    if persistence is None or best is None:
        return f"{_capitalized(verdict_record['best_baseline'])} makes no error on this test split"
    skill, other = persistence, "persistence"
    if best <= 0 and verdict_record["best_baseline"] != PERSISTENCE:
        skill, other = best, f"{verdict_record['best_baseline']}, the best baseline"
    smaller = "smaller" if skill > 0 else "larger"
    return f"The LSTM's error is {abs(skill):.1%} {smaller} than that of {other}"


def _verdict(results: Results) -> dict[str, str]:
    lines = verdict.summary_lines(
        results.metrics,
        len(results.windows(ACTUAL)),
        results.horizon,
        simulated=results.source["simulated"],
    )
    # If persistence is the best baseline, there is no separate sentence on the best baseline.
    names = ["against persistence", "against the best baseline"]
    if "previous_skill" in results.verdict:
        names[len(lines) - 1 :] = ["against the previous LSTM"]
    facts = {"headline": _describe_winner(results)} | dict(zip(names, lines, strict=False))
    if where := _describe_wins(tables.error_by_change(results)):
        facts["where it wins"] = where
    if results.meters is not None:
        rows = results.meters.dropna(subset="skill").to_dict("records")
        *kinds, worst = verdict.meter_lines(results.metrics["meters"], rows)
        facts |= dict(zip(("over the meters", "over held-out meters"), kinds, strict=False))
        facts["worst meters"] = worst
    return facts


def _data(results: Results) -> dict[str, str]:
    quality, source = results.quality, results.source
    missing, gaps = quality["missing"]["global_active_power"], quality["gaps"]
    skipped = sum(quality["skipped_lines"].values())
    stamps = results.predictions["timestamp"]
    if source["simulated"]:
        origin = f"Simulated, not real: {source['address']}"
    else:
        licence = f", {source['licence']}" if source["licence"] else ""
        origin = f"Readings of a real meter: {source['address']}{licence}"
    stride = "a minute" if results.stride == 1 else f"{results.stride} minutes"
    facts = {
        "source": origin,
        "readings": f"{_when(quality['first'])} to {_when(quality['last'])}, "
        f"{quality['rows']:,} minutes",
        "missing": f"{missing:,} minutes without a value, {gaps['missing_rows']:,} without a row; "
        f"{gaps['count']:,} gaps of up to {gaps['longest_minutes']:,} minutes; "
        f"{skipped:,} bad lines skipped",
        "test split": f"{_when(stamps.min())} to {_when(stamps.max())}, "
        f"{len(stamps) // results.horizon:,} "
        + ("minutes" if results.horizon == 1 else f"windows, {stride} apart"),
    }
    if results.meters is not None:
        held_out = int((~results.meters["in_training"]).sum())
        facts["meters"] = f"{len(results.meters):,}, {held_out:,} of them not used for training"
    return facts


def _model(results: Results) -> dict[str, str]:
    window, train = results.params.window, results.params.train
    count = len(results.forecaster["input"]["features"])
    columns = "1 column" if count == 1 else f"{count} columns"
    members = (
        "one network" if train.ensemble_size == 1 else f"the mean of {train.ensemble_size} networks"
    )
    layers = " and ".join(map(str, train.units))
    what = "the change of the power" if train.target == "difference" else "the power itself"
    ahead = (
        "the next minute" if window.horizon == 1 else f"each of the next {window.horizon} minutes"
    )
    return {
        "reads": f"{window.lookback} minutes of {columns}"
        + (" and their changes" if train.difference_inputs else ""),
        "forecasts": f"{what} in {ahead}",
        "network": f"{members}, LSTM layers of {layers} units",
        "training": ("1 epoch" if train.epochs == 1 else f"{train.epochs} epochs")
        + f", {train.loss} loss, {train.optimizer}, a loss at "
        + ("every minute" if train.loss_at == "every_step" else "the end of each window"),
    }


def _intervals(results: Results) -> dict[str, str]:
    """Describe coverage, width and score of each prediction interval.

    The score is that of Winkler (1972), A decision-theoretic approach to interval estimation, JASA
    67(337).
    """
    lstm = results.interval_scores("all", "all", LSTM)
    persistence = results.interval_scores("all", "all", PERSISTENCE)
    switching = results.interval_scores("minute", "switching", LSTM)
    facts = {}
    for level, scores in lstm.items():
        text = f"covers {scores['coverage']:.1%} of the test minutes"
        if level in switching:
            share = switching[level]["coverage"]
            text += f" and {share:.0%} of those with a change above {LARGE_CHANGE_KW:g} kW"
        facts[f"{level:.0%} interval"] = (
            f"{text}; mean width {scores['width_kw']:.2f} kW; Winkler score (lower is better) "
            f"{scores['winkler_kw']:.3f} kW"
        )
        # A meter may have too few validation windows for intervals of persistence.
        if level in persistence:
            score = persistence[level]["winkler_kw"]
            facts[f"{level:.0%} interval"] += f", persistence {score:.3f} kW"
    return facts


def _describe_wins(by_change: pd.DataFrame) -> str | None:
    """Say in which minutes persistence is closer, by the size of the change; None if in none."""
    groups = by_change.set_index("change")
    lstm, persistence = (groups[groups["series"] == name] for name in (LSTM, PERSISTENCE))
    behind = lstm["rmse_kw"] > persistence["rmse_kw"]
    share = f"{lstm.loc[behind, 'share'].sum():.0%}"
    if not behind.any():
        return None
    if behind.all():
        return "Persistence has the smaller error at any size of change"
    # Groups are in the order of the change, the smallest first.
    if behind.is_monotonic_decreasing:
        bound = lstm.index[~behind][0].split()[0]
        return (
            f"Persistence is closer in the {share} of the minutes in which the power changes by "
            f"less than {bound} kW, the LSTM in the others"
        )
    return f"Persistence is closer in {share} of the minutes, grouped by the size of the change"


def _best_epoch(losses: pd.DataFrame) -> float | None:
    validation = losses[losses["split"] == "validation"].sort_values("loss", kind="stable")
    return None if validation.empty else float(validation["epoch"].iloc[0])


def _capitalized(text: str) -> str:
    """Return `text` with a capital first letter and the others as they are, as in LightGBM."""
    return text[0].upper() + text[1:]


def _when(stamp: Any) -> str:
    return f"{pd.Timestamp(stamp):%Y-%m-%d %H:%M}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
