"""Write the model card: what the model does, its accuracy and its limitations.

Mitchell et al. (2019), Model cards for model reporting, FAT*.
"""

from typing import Any

import pandas as pd

from household.report import facts
from household.report.markdown import data_table, table
from household.report.plots import CHARTS
from household.report.results import Results

SCORES = next(plot for plot in CHARTS if plot.name == "scores")
ONE_HOUSE = "It was trained on one household in one season. Retrain it for another household."
SEVERAL = (
    "It was trained on {:,} meters in one season. Its accuracy on other meters is only known if "
    "split.holdout_meters holds some out."
)
INTERVALS = (
    "The coverage of the intervals holds over all {nouns} together. It is lower in {nouns} with a "
    "large change."
)


def render(results: Results, scores: pd.DataFrame) -> str:
    """Return the card as Markdown.

    Args:
        results: The results of a run.
        scores: The table of `tables.scores`.
    """
    forecaster = results.forecaster
    texts = facts.facts(results).set_index(["section", "name"])["text"]
    horizon = forecaster["output"]["horizon"]
    step = results.step
    ahead = f"one {step.noun}" if horizon == 1 else f"{horizon} {step.nouns}"
    meters = forecaster["trained_on"].get("meters", 1)
    limits = [
        ONE_HOUSE if meters == 1 else SEVERAL.format(meters),
        INTERVALS.format(nouns=step.nouns),
    ]
    headline, first_line, *_ = texts["verdict"]
    parts = [
        f"# Forecast of a household's power, {ahead} ahead",
        f"{headline}. {first_line}.",
        "## Model",
        table(["", ""], texts["model"].items()),
        "## Usage",
        "```\nhousehold predict <this folder> <readings>\n```",
        f"Give it readings of a meter, one row a {step.noun}, with the time in `timestamp`:",
        _features(forecaster),
        _outputs(forecaster),
        "## Training data",
        _training_data(forecaster, texts["data", "source"]),
        "## Evaluation",
        f"On the test split, {texts['data', 'test split']}, which was not used for training:",
        data_table(SCORES, scores),
        "## Limitations",
        "\n".join(f"- {limit}" for limit in [*texts["caveats"], *limits]),
        "## Settings",
        table(["setting", "value"], facts.settings(results).to_numpy()),
        "## Licence and citation",
        _licence(results.source),
    ]
    return "\n\n".join(parts) + "\n"


def _outputs(forecaster: dict[str, Any]) -> str:
    levels = forecaster["output"]["quantiles"]
    outputs = "the power in kW (windows, horizon)"
    if levels:
        outputs = (
            "`mean` (windows, horizon) and `quantiles` (windows, horizon, levels) in kW, at the "
            f"levels {', '.join(map(str, levels))}"
        )
    return (
        f"`model.onnx` and `model.keras` are the same network. It gives {outputs}. `metadata.json` "
        "has this information for programs."
    )


def _features(forecaster: dict[str, Any]) -> str:
    rows = [
        [feature["name"], feature["unit"], "{:g} to {:g}".format(*feature["range"])]
        for feature in forecaster["input"]["features"]
    ]
    return table(["column", "unit", "in training"], rows)


def _training_data(forecaster: dict[str, Any], source: str) -> str:
    trained = forecaster["trained_on"]
    rows = [
        ["source", source],
        ["readings", _period(trained)],
        ["windows", f"{trained['windows']:,}"],
    ]
    if "meters" in trained:
        rows.append(["meters", f"{trained['meters']:,}"])
    rows += [
        ["continued from", f"a model of {_period(earlier['trained_on'])}"]
        for earlier in forecaster["lineage"]
    ]
    return table(["", ""], rows)


def _period(trained: dict[str, Any]) -> str:
    return f"{trained['first']} to {trained['last']}".replace("T", " ")


def _licence(source: dict[str, Any]) -> str:
    if source["simulated"]:
        return "The readings are simulated, so the model has the licence of the code, MIT."
    if source["licence"]:
        return f"The readings are under {source['licence']}. Cite them as: {source['citation']}"
    return "The code is under the MIT licence. The readings belong to their owner."
