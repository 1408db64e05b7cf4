"""The report as Markdown, fit for a pull request: facts, scores, what to doubt, pictures."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from household.report import figures

SCORES = {
    "series": "forecaster",
    "rmse_kw": "RMSE (kW)",
    "mae_kw": "MAE (kW)",
    "mase": "MASE",
    "skill": "gain over persistence",
    "low": "from",
    "high": "to (95 %)",
}


def report(tables: Mapping[str, pd.DataFrame]) -> str:
    """The report, from the table of each plot by its name; the pictures stand in figures/.

    Headings and sentences are those of the templates, as in the page of `dvc plots show`.
    """
    said: dict[Any, dict[str, str]] = {
        section: dict(zip(rows["name"], rows["text"], strict=True))
        for section, rows in tables["facts"].groupby("section", sort=False)
    }
    headline, *verdict = said["verdict"].values()
    sections = itertools.groupby(
        figures.CHARTS, lambda plot: _template(plot)["usermeta"]["section"]
    )
    (first, charts), *others = [(name, [*map(_chart, plots)]) for name, plots in sections]
    parts = [
        "# Household power: the next minute",
        f"**{headline}**",
        *(f"{line}." for line in verdict),
        _table(["", ""], (said["data"] | said["model"]).items()),
        f"## {first}",
        *charts,
        _scores(tables["scores"]),
        "## What to doubt",
        "\n".join(f"- {doubt}" for doubt in said["doubts"].values()),
        "## Which shortcuts of the tutorial were taken?",
        _table(["shortcut", "taken"], said["shortcuts"].items()),
        *(_folded(name, *charts) for name, charts in others),
        _folded("Settings", _table(["setting", "value"], _rows(tables["settings"].iloc[:, :2]))),
    ]
    return "\n\n".join(parts) + "\n"


def _chart(plot: figures.Plot) -> str:
    says = _template(plot)["description"]
    return f"### {plot.title}\n\n{says}\n\n![{plot.title}](figures/{plot.name}.png)"


def _template(plot: figures.Plot) -> Any:
    return json.loads((figures.TEMPLATES / f"{plot.name}.json").read_text(encoding="utf-8"))


def _scores(scores: pd.DataFrame) -> str:
    shown = scores[list(SCORES)].astype(object)
    for column, form in (("rmse_kw", ".4f"), ("mae_kw", ".4f"), ("mase", ".3f")):
        shown[column] = shown[column].map(lambda value, form=form: _number(value, form))
    for column in ("skill", "low", "high"):
        shown[column] = shown[column].map(lambda value: _number(value, ".1%"))
    return _table(list(SCORES.values()), _rows(shown))


def _number(value: float | None, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)


def _rows(table: pd.DataFrame) -> list[list[Any]]:
    return table.to_numpy().tolist()


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _folded(title: str, *parts: str) -> str:
    return "\n\n".join([f"<details><summary>{title}</summary>", *parts, "</details>"])
