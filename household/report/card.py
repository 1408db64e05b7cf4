"""The model card: what the model is, how good it is and where it ends, beside the model itself.

Mitchell et al. (2019), Model cards for model reporting, FAT*.
"""

from typing import Any

import pandas as pd

from household.report import summary
from household.report.figures import CHARTS
from household.report.markdown import numbers, table
from household.report.tables import Results

SCORES = next(plot for plot in CHARTS if plot.name == "scores")
ONE_HOUSE = (
    "It knows the habits of one house in one season; for another one it has to be trained anew."
)
SEVERAL = (
    "It knows the habits of {:,} houses in one season; how it does on others is only known where "
    "split.unseen_households keeps some from the training."
)
INTERVALS = "The intervals hold their share of all minutes together, and less of those that switch."


def card(results: Results, scores: pd.DataFrame) -> str:
    """The card as Markdown; `scores` is the table of `tables.scores`."""
    forecaster = results.forecaster
    facts = summary.facts(results).set_index(["section", "name"])["text"]
    horizon = forecaster["output"]["horizon"]
    ahead = "one minute" if horizon == 1 else f"{horizon} minutes"
    trained = forecaster["trained_on"]
    features = forecaster["input"]["features"]
    meters = trained.get("meters", 1)
    limits = [ONE_HOUSE if meters == 1 else SEVERAL.format(meters), INTERVALS]
    parts = [
        f"# A forecast of {'one' if meters == 1 else 'a'} household's power, {ahead} ahead",
        f"{facts['verdict', 'headline']}. {facts['verdict', 'against persistence']}.",
        "## What it does",
        table(["", ""], facts["model"].items()),
        "## How to use it",
        "```\npython -m household.predict <this folder> <readings>\n```",
        "It takes the readings of a meter, a minute a row with the time in `timestamp`:",
        table(
            ["column", "unit", "in training"],
            [
                [each["name"], each["unit"], "{:g} to {:g}".format(*each["range"])]
                for each in features
            ],
        ),
        "`network.keras` is the same network for Keras; `forecaster.json` says all of this to a "
        "program.",
        "## What it was trained on",
        table(
            ["", ""],
            [
                ["source", facts["data", "source"]],
                ["minutes", _minutes(trained)],
                ["windows", f"{trained['windows']:,}"],
                *([["meters", f"{meters:,}"]] if meters > 1 else []),
                *(
                    ["went on from", f"a model of {_minutes(each['trained_on'])}"]
                    for each in forecaster["lineage"]
                ),
            ],
        ),
        "## How good it is",
        f"On the test part, {facts['data', 'test part']}, which the training has not seen:",
        numbers(SCORES, scores),
        "## Where it ends",
        "\n".join(f"- {limit}" for limit in [*facts["doubts"], *limits]),
        "## Settings",
        table(["setting", "value"], summary.settings(results).to_numpy()),
        "## Licence and citation",
        _licence(results.source),
    ]
    return "\n\n".join(parts) + "\n"


def _minutes(trained: dict[str, Any]) -> str:
    return f"{trained['first']} to {trained['last']}".replace("T", " ")


def _licence(source: dict[str, Any]) -> str:
    if source["simulated"]:
        return "The readings are simulated, so the model is under the licence of the code, MIT."
    if source["licence"]:
        return f"The readings are under {source['licence']}. Cite them as: {source['citation']}"
    return "The code is under the MIT licence; the readings are those of whoever gave them."
