"""What the report says in words: the facts of a run, and what to doubt of them."""

from typing import Any

import pandas as pd

from household.forecast.scores import REFERENCE
from household.pipeline.params import Params
from household.report import tables, verdict
from household.report.tables import LSTM, Results

# A shorter test part than this says little of other weeks.
FEW_DAYS = 28
# Of the share of the minutes that an interval holds from the one that it should.
FAR_OFF = 0.03


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
        "shortcuts": shortcuts(results.params),
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
    behind = _share_behind(tables.error_by_change(results))
    taken = [name for name, text in shortcuts(results.params).items() if text != "no"]
    missing = results.quality["missing"]["global_active_power"] / results.quality["rows"]
    drift = verdict.drift(found)
    best = _best_epoch(results.losses)
    epochs = results.losses["epoch"].max()
    checks = [
        (drift is not None, f"I{(drift or '')[1:]}."),
        (
            results.source["simulated"],
            "The household is simulated: the score shows that the method works, and says nothing "
            "of a real house.",
        ),
        (
            days < 2,
            "The test part is shorter than two days, so that the gain has no interval.",
        ),
        (
            found["persistence_low"] is not None
            and found["persistence_low"] <= 0 <= found["persistence_high"],
            "The interval of the gain over persistence holds 0: the difference may be chance.",
        ),
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
            behind > 0,
            f"Persistence has the smaller error in {behind:.0%} of the minutes, grouped by how far "
            "the power moved; see the error by the size of the change.",
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


def _verdict(results: Results) -> dict[str, str]:
    skill = results.verdict["persistence_skill"]
    if skill is None:
        headline = "Persistence makes no error at all on this test part"
    else:
        better = "smaller" if skill > 0 else "larger"
        same = "a minute ago" if results.horizon == 1 else "the last minute"
        headline = (
            f"The LSTM's error is {abs(skill):.1%} {better} than that of “the same as {same}”"
        )
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
    found = {"headline": headline} | dict(zip(names, said, strict=False))
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
    return {
        "source": origin,
        "record": f"{_when(quality['first'])} to {_when(quality['last'])}, "
        f"{quality['rows']:,} minutes",
        "without a value": f"{missing:,} minutes, and {gaps['absent_rows']:,} without a row; "
        f"{gaps['count']:,} gaps, the longest of {gaps['longest_minutes']:,} minutes; "
        f"{skipped:,} lines skipped",
        "test part": f"{_when(stamps.iloc[0])} to {_when(stamps.iloc[-1])}, "
        f"{len(stamps) // results.horizon:,} "
        + ("minutes" if results.horizon == 1 else f"windows, {results.every} minutes apart"),
    }


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
    """What each interval held, how wide it was, and its score beside that of persistence's."""
    ours = results.covered("all", "all", LSTM)
    theirs = results.covered("all", "all", REFERENCE)
    switching = results.covered("minute", "switching", LSTM)
    said = {}
    for level, of in ours.items():
        text = f"holds the power in {of['coverage']:.1%} of the test minutes"
        if level in switching:
            text += f" and in {switching[level]['coverage']:.0%} of those that switch"
        said[f"{level:.0%} interval"] = (
            f"{text}; {of['width_kw']:.2f} kW wide on average; Winkler score "
            f"{of['winkler_kw']:.3f} kW, {theirs[level]['winkler_kw']:.3f} kW around persistence"
        )
    return said


def _share_behind(by_change: pd.DataFrame) -> float:
    """The share of the minutes that lie in groups where persistence has the smaller error."""
    groups = by_change.set_index("change")
    ours, theirs = (groups[groups["series"] == name] for name in (LSTM, REFERENCE))
    return float(ours.loc[ours["rmse_kw"] > theirs["rmse_kw"], "share"].sum())


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
