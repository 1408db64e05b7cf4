"""Write the report as Markdown, for example for a pull request."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from household.report import plots


def render(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the report, with pictures in figures/.

    Headings and sentences come from the templates, as on the page of `dvc plots show`.

    Args:
        tables: The table of each plot by its name.
    """
    facts: dict[Any, dict[str, str]] = {
        section: dict(zip(rows["name"], rows["text"], strict=True))
        for section, rows in tables["facts"].groupby("section", sort=False)
    }
    headline, *verdict = facts["verdict"].values()
    sections = itertools.groupby(plots.CHARTS, lambda plot: plot.template["usermeta"]["section"])
    (first, charts), *others = [
        (
            name,
            [_chart(plot, tables[plot.name]) for plot in plots if plot.is_shown(tables[plot.name])],
        )
        for name, plots in sections
    ]
    settings = tables["settings"][["setting", "value"]]
    parts = [
        "# Household power forecast",
        f"**{headline}**",
        *(f"{line}." for line in verdict),
        table(["", ""], (facts["data"] | facts["model"]).items()),
        f"## {first}",
        *charts,
        "## Caveats",
        "\n".join(f"- {caveat}" for caveat in facts["caveats"].values()),
        *(
            ["## Shortcuts of the tutorial", table(["shortcut", "taken"], taken.items())]
            if (taken := facts.get("shortcuts"))
            else []
        ),
        *(_folded(name, *charts) for name, charts in others),
        _folded(
            "Settings",
            table([*settings], settings.to_numpy()),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _chart(plot: plots.Plot, drawn: pd.DataFrame) -> str:
    template = plot.template
    title = plot.axes["title"]
    picture = f"![{title}](figures/{plot.name}.png)"
    parts = [f"### {title}", template["description"], picture]
    if template["usermeta"].get("open"):
        parts.append(data_table(plot, drawn))
    return "\n\n".join(parts)


def data_table(plot: plots.Plot, drawn: pd.DataFrame) -> str:
    """Return the table behind a plot, with the columns that its template names."""
    columns = plot.template["usermeta"]["columns"]
    rows = [
        [_written(row[column["field"]], column) for column in columns]
        for row in drawn.to_dict("records")
    ]
    return table([column["title"] for column in columns], rows)


def _written(value: Any, column: Mapping[str, Any]) -> str:
    if pd.isna(value):
        return ""
    if "percent" in column:
        return f"{value:.{column['percent']}%}"
    return f"{value:.{column['digits']}f}" if "digits" in column else str(value)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _folded(title: str, *parts: str) -> str:
    return "\n\n".join([f"<details><summary>{title}</summary>", *parts, "</details>"])
