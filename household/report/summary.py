"""What the report says in words: the facts of a run, and what to doubt of them."""

from typing import Any

import pandas as pd

from household.forecast.comparison import SWITCHING
from household.forecast.scores import REFERENCE
from household.pipeline.params import Params
from household.report import tables, verdict
from household.report.tables import LSTM, Results

# A shorter test part than this says little of other weeks.
FEW_DAYS = 28
# Of the share of the minutes that an interval holds from the one that it should.
FAR_OFF = 0.03
# Of an LSTM whose error is more than twice that of persistence.
DIVERGED = -1


def household(source: dict[str, Any]) -> str:
    """Whose minutes these are, in plain words, from the record of where the data is from."""
    if source["simulated"]:
        return "simulated household"
    return "UCI household" if source["licence"] else source["address"].rsplit("/", 1)[-1]


def facts(results: Results) -> pd.DataFrame:
    """Rows (section, name, text): verdict, data, model, shortcuts and doubts."""
    sections = {
        "verdict": _verdict(results),
        "data": _data(results),
        "model": _model(results) | _intervals(results),
        "shortcuts": shortcuts(results.params) if _list_taken(results.params) else {},
        "doubts": {str(place): text for place, text in enumerate(doubts(results), 1)},
    }
    return pd.DataFrame(
        [(section, *fact) for section, of in sections.items() for fact in of.items()],
        columns=["section", "name", "text"],
    )


def settings(results: Results) -> pd.DataFrame:
    """Rows (setting, value): every parameter by its dotted key."""
    (flat,) = pd.json_normalize(results.params.model_dump(), sep=".").to_dict("records")
    return pd.DataFrame(
        {"setting": flat.keys(), "value": [_text(value) for value in flat.values()]}
    )


def shortcuts(params: Params) -> dict[str, str]:
    """Which of the tutorial's shortcuts were taken, each with what it does to the score."""
    window, split = params.window, params.split
    taken = {
        "both sides of a gap count as neighbours": (
            window.gaps == "join",
            "windows hold jumps that never were",
        ),
        "the mean of all windows is subtracted": (
            window.center == "all",
            "the test part is used in training",
        ),
        "validation windows are drawn from among the others": (
            split.validation_from == "shuffled" and split.validation > 0,
            "they share all but a few minutes with training windows, and their loss flatters",
        ),
        "windows share minutes across the cut": (
            not split.embargo,
            "training has seen some minutes of the test part",
        ),
        "only the first part of the series is used": (
            window.fraction < 1,
            "the score is of other minutes than that of the whole",
        ),
    }
    return {name: f"yes: {effect}" if on else "no" for name, (on, effect) in taken.items()}


def _list_taken(params: Params) -> list[str]:
    """Return the names of the shortcuts that were taken."""
    return [name for name, text in shortcuts(params).items() if text != "no"]


def doubts(results: Results) -> list[str]:
    """Why the score may not hold elsewhere, the gravest first."""
    found = results.verdict
    meters = results.forecaster["trained_on"].get("meters", 1)
    days = len(results.windows(tables.ACTUAL)) * results.every / 1440 / meters
    gains = tables.gain_by_day(results)
    lost = gains[(gains["series"] == REFERENCE) & (gains["gain"] <= 0)]
    missed = [
        f"{of['coverage']:.1%}, not {level:.0%}"
        for level, of in results.covered("all", "all", LSTM).items()
        if abs(of["coverage"] - level) > FAR_OFF
    ]
    taken = _list_taken(results.params)
    missing = results.quality["missing"]["global_active_power"] / results.quality["rows"]
    drift = verdict.drift(found)
    best = _best_epoch(results.losses)
    epochs = results.losses["epoch"].max()
    checks = [
        *((True, f"The readings: {doubt}.") for doubt in results.quality["doubts"]),
        (
            (found["persistence_skill"] or 0) < DIVERGED,
            "The training diverged: the LSTM's error is more than twice that of persistence. Lower "
            "train.learning_rate.",
        ),
        (drift is not None, f"I{(drift or '')[1:]}."),
        (
            results.source["simulated"],
            "The household is simulated: the score shows that the method works, and says nothing "
            "of a real house.",
        ),
        (
            found["persistence_low"] is None and found["persistence_skill"] is not None,
            "The test part is shorter than two days, so that the gain has no interval.",
        ),
        (
            _holds_zero(found, "persistence"),
            "The interval of the gain over persistence holds 0: the difference may be chance.",
        ),
        (
            found["best_baseline"] != REFERENCE and _holds_zero(found, "best"),
            f"The interval of the gain over {found['best_baseline']}, the best baseline, holds 0: "
            "the difference may be chance.",
        ),
        *((True, text) for text in _describe_lost_meters(results)),
        (
            (found.get("earlier_skill") or 0) < 0,
            "The earlier LSTM has the smaller error: keep that one.",
        ),
        (
            found.get("earlier_learnt_from", 0) > 0,
            f"The earlier LSTM was trained on {found.get('earlier_learnt_from', 0):,} of the test "
            "minutes, so that its score flatters it.",
        ),
        (
            (found["best_skill"] or 0) < 0,
            f"{found['best_baseline'].capitalize()} has the smaller error: a simpler forecaster "
            "does better.",
        ),
        (
            bool(taken),
            f"Shortcuts of the tutorial were taken, which bear on the score: {'; '.join(taken)}.",
        ),
        (
            days < FEW_DAYS,
            f"The test part is {days:.1f} days of one season: other weeks may differ. "
            "“make backtest” tests at other cuts.",
        ),
        (
            not lost.empty,
            f"On {len(lost)} of {gains['day'].nunique()} test days the LSTM does not beat "
            "persistence.",
        ),
        (
            bool(missed),
            "An interval holds another share of the test minutes than it says: "
            f"{'; '.join(missed)}.",
        ),
        (
            best == epochs > 1,
            "The validation loss was smallest after the last epoch: more epochs may help.",
        ),
        (missing > 0.02, f"{missing:.1%} of the minutes have no value."),
        (
            True,
            f"It is one training, with seed {results.params.seed}; another seed gives another "
            "score.",
        ),
    ]
    return [text for holds, text in checks if holds]


def _holds_zero(found: dict[str, Any], prefix: str) -> bool:
    """Whether the interval of a gain, if there is one, holds 0."""
    low, high = found[f"{prefix}_low"], found[f"{prefix}_high"]
    return low is not None and low <= 0 <= high


def _describe_lost_meters(results: Results) -> list[str]:
    """Say on how many meters persistence is better, of those trained on and of the others."""
    if results.meters is None:
        return []
    rows = results.meters.dropna(subset="skill")
    kinds = {"seen": rows[rows["seen"]], "unseen": rows[~rows["seen"]]}
    return [
        f"On {(of['skill'] <= 0).sum()} of {len(of):,} {verdict.CALLED[kind]} the LSTM does not "
        "beat persistence."
        for kind, of in kinds.items()
        if (of["skill"] <= 0).any()
    ]


def _describe_winner(results: Results) -> str:
    """Say how the LSTM compares with persistence, or with the best baseline if that beats it."""
    found = results.verdict
    persistence, best = found["persistence_skill"], found["best_skill"]
    if persistence is None or best is None:
        return f"{found['best_baseline'].capitalize()} makes no error at all on this test part"
    same = "a minute ago" if results.horizon == 1 else "the last minute"
    skill, other = persistence, f"“the same as {same}”"
    if best <= 0 and found["best_baseline"] != REFERENCE:
        skill, other = best, f"{found['best_baseline']}, the best baseline"
    smaller = "smaller" if skill > 0 else "larger"
    return f"The LSTM's error is {abs(skill):.1%} {smaller} than that of {other}"


def _verdict(results: Results) -> dict[str, str]:
    said = verdict.lines(
        results.metrics,
        len(results.windows(tables.ACTUAL)),
        results.horizon,
        results.source["simulated"],
    )
    # persistence may be the best baseline, and have no sentence of its own as such.
    names = ["against persistence", "against the best baseline"]
    if "earlier_skill" in results.verdict:
        names[len(said) - 1 :] = ["against the earlier LSTM"]
    found = {"headline": _describe_winner(results)} | dict(zip(names, said, strict=False))
    if where := _describe_wins(tables.error_by_change(results)):
        found["where it wins"] = where
    if results.meters is not None:
        rows = results.meters.dropna(subset="skill").to_dict("records")
        *kinds, worst = verdict.of_meters(results.metrics["meters"], rows)
        found |= dict(zip(("over the meters", "over unseen meters"), kinds, strict=False))
        found["worst meters"] = worst
    return found


def _data(results: Results) -> dict[str, str]:
    quality, source = results.quality, results.source
    missing, gaps = quality["missing"]["global_active_power"], quality["gaps"]
    skipped = sum(quality["skipped_lines"].values())
    stamps = results.predictions["timestamp"]
    if source["simulated"]:
        origin = f"No real readings: a {source['address']}"
    else:
        licence = f", {source['licence']}" if source["licence"] else ""
        origin = f"Readings of a real meter: {source['address']}{licence}"
    apart = "a minute" if results.every == 1 else f"{results.every} minutes"
    facts = {
        "source": origin,
        "record": f"{_when(quality['first'])} to {_when(quality['last'])}, "
        f"{quality['rows']:,} minutes",
        "missing": f"{missing:,} minutes without a value, {gaps['absent_rows']:,} without a row; "
        f"{gaps['count']:,} gaps, the longest of {gaps['longest_minutes']:,} minutes; "
        f"{skipped:,} lines skipped",
        "test part": f"{_when(stamps.min())} to {_when(stamps.max())}, "
        f"{len(stamps) // results.horizon:,} "
        + ("minutes" if results.horizon == 1 else f"windows that begin {apart} apart"),
    }
    if results.meters is not None:
        unseen = int((~results.meters["seen"]).sum())
        facts["meters"] = f"{len(results.meters):,}, {unseen:,} of them not trained on"
    return facts


def _model(results: Results) -> dict[str, str]:
    window, train = results.params.window, results.params.train
    count = len(results.forecaster["input"]["features"])
    columns = "1 column" if count == 1 else f"{count} columns"
    members = "one network" if train.members == 1 else f"the mean of {train.members} networks"
    layers = " and ".join(map(str, train.units))
    what = "the change of the power" if train.target == "change" else "the power itself"
    ahead = (
        "the next minute" if window.horizon == 1 else f"each of the next {window.horizon} minutes"
    )
    return {
        "reads": f"{window.lookback} minutes of {columns}"
        + (" and their changes" if train.changes else ""),
        "forecasts": f"{what} in {ahead}",
        "network": f"{members}, LSTM layers of {layers} units",
        "training": ("1 epoch" if train.epochs == 1 else f"{train.epochs} epochs")
        + f", {train.loss} loss, {train.optimizer}, a loss at "
        + ("every minute" if train.supervision == "every_minute" else "the end of each window"),
    }


def _intervals(results: Results) -> dict[str, str]:
    """What each interval held, how wide it was, and its score beside that of persistence's.

    The score is that of Winkler (1972), A decision-theoretic approach to interval estimation, JASA
    67(337): the width, and more where the power lies outside.
    """
    ours = results.covered("all", "all", LSTM)
    theirs = results.covered("all", "all", REFERENCE)
    switching = results.covered("minute", "switching", LSTM)
    said = {}
    for level, of in ours.items():
        text = f"holds the power in {of['coverage']:.1%} of the test minutes"
        if level in switching:
            share = switching[level]["coverage"]
            text += f" and in {share:.0%} of those with a change above {SWITCHING:g} kW"
        said[f"{level:.0%} interval"] = (
            f"{text}; {of['width_kw']:.2f} kW wide on average; interval score (Winkler, smaller is "
            f"better) {of['winkler_kw']:.3f} kW"
        )
        # Each meter alone may have too few validation windows for intervals of persistence.
        if level in theirs:
            score = theirs[level]["winkler_kw"]
            said[f"{level:.0%} interval"] += f", {score:.3f} kW around persistence"
    return said


def _describe_wins(by_change: pd.DataFrame) -> str | None:
    """Say in which minutes persistence is closer, by the size of the change; None if in none."""
    groups = by_change.set_index("change")
    ours, theirs = (groups[groups["series"] == name] for name in (LSTM, REFERENCE))
    behind = ours["rmse_kw"] > theirs["rmse_kw"]
    share = f"{ours.loc[behind, 'share'].sum():.0%}"
    if not behind.any():
        return None
    if behind.all():
        return "Persistence has the smaller error whether the power moves much or little"
    # Those of little change come first.
    if behind.is_monotonic_decreasing:
        bound = ours.index[~behind][0].split()[0]
        return (
            f"Persistence is closer in the {share} of the minutes in which the power moves by less "
            f"than {bound} kW, the LSTM in the others"
        )
    return f"Persistence is closer in {share} of the minutes, grouped by how far the power moves"


def _best_epoch(losses: pd.DataFrame) -> float | None:
    validation = losses[losses["part"] == "validation"].sort_values("loss", kind="stable")
    return None if validation.empty else float(validation["epoch"].iloc[0])


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
