"""Describe the trials of a search: in a line each, as a table and as plots."""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from household.core import files
from household.report import markdown, plots

TEMPLATES = Path(__file__).parent / "templates"
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
# Trials before the first that may be pruned, when there is no median yet.
STARTUP_TRIALS = 4


def values(trial: FrozenTrial | optuna.Trial) -> dict[str, Any]:
    """Return the values of a trial by dotted key."""
    return {
        key: json.loads(value)
        if isinstance(trial.distributions[key], CategoricalDistribution)
        else value
        for key, value in trial.params.items()
    }


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended, the best first."""
    return sorted(study.get_trials(states=ENDED), key=lambda trial: (trial.state, best_loss(trial)))


def best_loss(trial: FrozenTrial) -> float:
    """Return the lowest validation loss of a trial, also of a pruned one."""
    return min(trial.intermediate_values.values(), default=math.inf)


def duration_seconds(trial: FrozenTrial) -> float:
    """Return the duration of a trial."""
    return trial.duration.total_seconds() if trial.duration else math.nan


def describe(trial: FrozenTrial) -> str:
    """Describe a trial in a line."""
    if not trial.intermediate_values:
        outcome = "diverged"
    else:
        pruned = ", pruned" if trial.state == TrialState.PRUNED else ""
        count = len(trial.intermediate_values)
        epochs = "1 epoch" if count == 1 else f"{count} epochs"
        outcome = f"val_loss {best_loss(trial):.5f} after {epochs}{pruned}"
    settings = " ".join(f"{_name(key)}={_short(value)}" for key, value in values(trial).items())
    return f"trial {trial.number}: {outcome}, {duration_seconds(trial):.0f} s; {settings}"


def write(study: optuna.Study, folder: Path) -> str:
    """Write the report to `folder`; return its table as Markdown."""
    trials = finished_trials(study)
    rows = [
        {
            "trial": trial.number,
            "validation loss": f"{best_loss(trial):.6f}",
            "epochs": len(trial.intermediate_values),
            "pruned": "yes" if trial.state == TrialState.PRUNED else "no",
            "seconds": round(duration_seconds(trial)),
        }
        | {key: _plain(value) for key, value in values(trial).items()}
        for trial in trials
    ]
    files.write_csv(folder / "trials.csv", pa.Table.from_pylist(rows))
    cells = [[_short(value) for value in row.values()] for row in rows]
    table = markdown.table([_name(key) for key in rows[0]], cells)
    parts = [f"# Search: {len(rows)} trials over {', '.join(trials[0].params)}", table]
    shares = [{"key": key, "share": share} for key, share in importance(study).items()]
    for name, plotted in (("history", history(trials)), ("importance", shares)):
        title = _draw(name, plotted, folder)
        parts.append(f"## {title}\n\n![{title}]({name}.png)")
    files.write_text(folder / "report.md", "\n\n".join(parts) + "\n")
    return table


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float) else json.dumps(value)


def _name(key: str) -> str:
    """Return a key without its section, so that a line fits a terminal."""
    return key.removeprefix("train.")


def _short(value: Any) -> str:
    """Return a value with at most four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace(", ", ",")


def importance(study: optuna.Study) -> dict[str, float]:
    """Return the importance of each key for the loss, in shares of 1; empty for too few trials.

    Watanabe, Bansal and Hutter (2023), PED-ANOVA: efficiently quantifying hyperparameter importance
    in arbitrary subspaces, IJCAI.
    """
    complete = study.get_trials(states=[TrialState.COMPLETE])
    if len(complete) < STARTUP_TRIALS:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


def history(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """Return rows (trial, loss, outcome, lowest), in the order of the trials.

    `lowest` is the lowest loss of a complete trial so far, and absent before the first.
    """
    lowest, rows = math.inf, []
    for trial in sorted(trials, key=lambda trial: trial.number):
        is_pruned = trial.state == TrialState.PRUNED
        lowest = lowest if is_pruned else min(lowest, best_loss(trial))
        outcome = "pruned" if is_pruned else "complete"
        row = {"trial": trial.number, "loss": best_loss(trial), "outcome": outcome}
        rows.append(row | ({"lowest": lowest} if math.isfinite(lowest) else {}))
    return rows


def _draw(name: str, rows: list[dict[str, Any]], folder: Path) -> str:
    """Draw `rows` with a template; return the title of the plot."""
    spec = json.loads((TEMPLATES / f"search_{name}.json").read_text(encoding="utf-8"))
    title: str = spec["title"]["text"]
    spec = spec | {"data": {"values": rows}} if rows else plots.without_data(title)
    with files.atomic_write(folder / f"{name}.png") as partial:
        partial.write_bytes(plots.to_png(spec))
    return title
