"""Describe a run in words."""

from typing import Any

import pandas as pd

from household.core.step import Step
from household.evaluation.metrics import LARGE_CHANGE_KW, PERSISTENCE
from household.report import caveats, tables, verdict
from household.report.results import ACTUAL, LSTM, Results


def source_label(source: dict[str, Any]) -> str:
    """Return the name of the data for people, from the record of the fetch stage."""
    if source["simulated"]:
        return "simulated household"
    return "UCI household" if source["licence"] else source["address"].rsplit("/", 1)[-1]


def facts(results: Results) -> pd.DataFrame:
    """Return rows (section, name, text, detail) on the verdict, data, model and caveats.

    Only the figures, which a report shows large, have a detail.
    """
    figures = verdict.figures(results.metrics)
    shortcuts = caveats.shortcuts(results.params)
    sections = {
        "figures": {name: figure for name, (figure, _) in figures.items()},
        "verdict": _verdict(results),
        "data": _data(results),
        "model": _model(results) | _intervals(results),
        "shortcuts": shortcuts if caveats.list_taken(results.params) else {},
        "caveats": {str(i): text for i, text in enumerate(caveats.caveats(results), 1)},
    }
    return pd.DataFrame(
        [
            (section, name, text, figures[name][1] if section == "figures" else "")
            for section, section_facts in sections.items()
            for name, text in section_facts.items()
        ],
        columns=["section", "name", "text", "detail"],
    )


def settings(results: Results) -> pd.DataFrame:
    """Return rows (setting, value) with each parameter by its dotted key."""
    record = results.params.model_dump(exclude_unset=True)
    (flat,) = pd.json_normalize(record, sep=".").to_dict("records")
    return pd.DataFrame(
        {"setting": flat.keys(), "value": [_text(value) for value in flat.values()]}
    )


def _describe_winner(results: Results) -> str:
    """Compare the LSTM with the reference, or with the best baseline if that beats the LSTM."""
    verdict_record = results.verdict
    persistence, best = verdict_record["persistence_skill"], verdict_record["best_skill"]
    if persistence is None or best is None:
        best_baseline = caveats.capitalized(verdict_record["best_baseline"])
        return f"{best_baseline} makes no error on this test split"
    skill, other, prefix = persistence, PERSISTENCE, "persistence"
    is_reference = verdict.reference_baseline(verdict_record) != PERSISTENCE
    if is_reference or (best <= 0 and verdict_record["best_baseline"] != PERSISTENCE):
        skill, other, prefix = best, f"{verdict_record['best_baseline']}, the best baseline", "best"
    smaller = "smaller" if skill > 0 else "larger"
    doubt = ", which may be chance" if caveats.contains_zero(verdict_record, prefix) else ""
    return f"The LSTM's error is {abs(skill):.1%} {smaller} than that of {other}{doubt}"


def _verdict(results: Results) -> dict[str, str]:
    facts = {"headline": _describe_winner(results)} | verdict.summary(
        results.metrics,
        len(results.windows(ACTUAL)),
        results.horizon,
        results.step,
        simulated=results.source["simulated"],
    )
    if where := _describe_wins(tables.error_by_change(results), results.step):
        facts["where it wins"] = where
    if results.meters is not None:
        facts |= verdict.meter_lines(results.metrics["meters"], results.meter_rows)
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
    step, stride = results.step, results.spacing.stride
    distance = f"a {step.noun}" if stride == 1 else f"{stride} {step.nouns}"
    facts = {
        "source": origin,
        "readings": f"{_when(quality['first'])} to {_when(quality['last'])}, "
        f"{quality['rows']:,} {step.nouns}",
        "missing": f"{missing:,} {step.nouns} without a value, {gaps['missing_rows']:,} without "
        f"a row; {gaps['count']:,} gaps of up to {gaps['longest_minutes']:,} minutes; "
        f"{skipped:,} bad lines skipped",
        "test split": f"{_when(stamps.min())} to {_when(stamps.max())}, "
        f"{len(stamps) // results.horizon:,} "
        + (step.nouns if results.horizon == 1 else f"windows, {distance} apart"),
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
    what = "the power" if train.target == "difference" else "the power itself"
    distribution = f"the mean and {len(train.levels)} quantiles of " if train.levels else ""
    step = results.step
    ahead = (
        f"the next {step.noun}"
        if window.horizon == 1
        else f"each of the next {window.horizon} {step.nouns}"
    )
    reads = f"{window.lookback} {step.nouns} of {columns}"
    if train.difference_inputs:
        reads += " and their changes"
    if known := _known_of_targets(results):
        reads += f"; of each target {known}"
    return {
        "reads": reads,
        "forecasts": f"{distribution}{what} in {ahead}",
        "network": f"{members}, LSTM layers of {layers} units",
        "training": ("1 epoch" if train.epochs == 1 else f"{train.epochs} epochs")
        + f", {train.loss} loss, {train.optimizer}, a loss at "
        + (f"every {step.noun}" if train.loss_at == "every_step" else "the end of each window"),
    }


def _known_of_targets(results: Results) -> str:
    """List what the network reads of each target, if anything."""
    window = results.params.window
    known = []
    if window.lag_days:
        known.append(f"the power {' and '.join(map(str, window.lag_days))} days before")
    if window.calendar:
        known.append(f"the calendar ({', '.join(window.calendar)})")
    known += [f"the {name}" for name in window.known_ahead]
    return ", ".join([f"the profile of {window.profile_days} days", *known]) if known else ""


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
        text = f"covers {scores['coverage']:.1%} of the test {results.step.nouns}"
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


def _describe_wins(by_change: pd.DataFrame, step: Step) -> str | None:
    """Say in which steps persistence is closer, by the size of the change; None if in none."""
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
            f"Persistence is closer in the {share} of the {step.nouns} in which the power changes "
            f"by less than {bound} kW, the LSTM in the others"
        )
    return (
        f"Persistence is closer in {share} of the {step.nouns}, grouped by the size of the change"
    )


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
