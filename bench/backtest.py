"""Rolling origin: trains up to each of several cuts and tests on what comes after it.

    python -m bench.backtest [--recipe day_ahead] [--retrain 5] [--set-param key=value] [cut ...]

A cut is a share of the series. By default the network is trained at the half of the series and at
each tenth after it, and tested until the next training; --retrain sets how often in the second
half. With --set-param evaluate.origin=06:00 one forecast a day counts, as it would have been made.

Each cut is an experiment named backtest-<cut>, so what has run before is taken from DVC's cache.
Prints Markdown tables: the verdict at each cut, with mean and standard deviation over the cuts, and
all test forecasts together by how far ahead they are, by hour and by month.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from dvc.api import DVCFileSystem
from ruamel.yaml import YAML

from household.core import paths
from household.core.step import Step
from household.evaluation import metrics as score
from household.evaluation import significance
from household.evaluation.metrics import PREVIOUS

HALF = 0.5
# Times ahead in a table.
MAX_LEADS = 8


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cuts", nargs="*", type=float)
    parser.add_argument("--recipe")
    parser.add_argument("--retrain", type=int, default=5)
    parser.add_argument("--set-param", action="append", default=[])
    options = parser.parse_args()
    length = HALF / options.retrain
    cuts = options.cuts or [round(HALF + i * length, 6) for i in range(options.retrain)]
    recipe = read_recipe(options.recipe) if options.recipe else []
    for cut in cuts:
        run(cut, length, [*recipe, *options.set_param])
    records = {cut: metrics(cut) for cut in cuts}
    print(table(records))
    forecasts = pd.concat([predictions(cut) for cut in cuts])
    step = Step.parse(YAML(typ="safe").load(show(cuts[0], paths.PARAMS))["parse"]["step"])
    print(f"\n{table_of_groups(forecasts, list(records[cuts[0]]), step)}")


def read_recipe(recipe: str) -> list[str]:
    """Return the settings of a recipe as DVC takes them."""
    lines = Path(f"recipes/{recipe}.yaml").read_text().splitlines()
    return [line.replace(": ", "=", 1) for line in lines if line and line[0] != "#"]


def name(cut: float) -> str:
    return f"backtest-{100 * cut:g}".replace(".", "_")


def run(cut: float, length: float, others: list[str]) -> None:
    fraction = round(cut + length, 6)
    settings = [
        f"window.use_fraction={fraction}",
        f"split.train_fraction={round(cut / fraction, 6)}",
        *others,
    ]
    # An experiment of the same name is in the way; a forced run would not take from the cache.
    dvc("exp", "remove", "--quiet", name(cut), check=False)
    dvc("exp", "run", "--temp", "--name", name(cut), *(f"--set-param={each}" for each in settings))


def dvc(*arguments: str, check: bool = True) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    errors = None if check else subprocess.DEVNULL
    subprocess.run(command, stdout=sys.stderr, stderr=errors, check=check)


def metrics(cut: float) -> dict[str, Any]:
    """Return the metrics of a cut."""
    return json.loads(show(cut, paths.METRICS))


def predictions(cut: float) -> pd.DataFrame:
    """Return the test forecasts of a cut, with local times."""
    commit = git("rev-parse", reference(cut)).strip()
    with DVCFileSystem(rev=commit).open(str(paths.PREDICTIONS), "rb") as file:
        rows = pq.read_table(file).to_pandas()
    rows["timestamp"] = rows["timestamp"].dt.tz_localize(None)
    return rows


def show(cut: float, path: Path) -> str:
    return git("show", f"{reference(cut)}:{path}")


def reference(cut: float) -> str:
    """Return the commit in which DVC keeps the experiment of a cut."""
    head = git("rev-parse", "HEAD").strip()
    return f"refs/exps/{head[:2]}/{head[2:]}/{name(cut)}"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def table(found: dict[float, dict[str, Any]]) -> str:
    lines = [
        "| trained on | LSTM RMSE | LSTM MAE | persistence RMSE | persistence MAE | "
        "gain over persistence | best baseline | gain over it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cut, record in found.items():
        verdict = record["verdict"]
        cells = [f"first {cut:.0%}", *(f"{figure:.4f}" for figure in errors(record))]
        cells += [gain(verdict, "persistence"), verdict["best_baseline"], gain(verdict, "best")]
        lines.append(f"| {' | '.join(cells)} |")
    columns = zip(*(errors(record) for record in found.values()), strict=True)
    gains = {
        prefix: spread([record["verdict"][f"{prefix}_skill"] for record in found.values()], ".1%")
        for prefix in ("persistence", "best")
    }
    cells = ["mean ± deviation", *(spread(column, ".4f") for column in columns)]
    cells += [gains["persistence"], "", gains["best"]]
    return "\n".join([*lines, f"| {' | '.join(cells)} |"])


def table_of_groups(forecasts: pd.DataFrame, names: Sequence[str], step: Step) -> str:
    """Compare the LSTM with the best baseline over all forecasts in each group."""
    others = [each for each in names if each in forecasts and each not in ("LSTM", PREVIOUS)]
    squares = forecasts[others].sub(forecasts["actual"], axis=0) ** 2
    best = str(squares.mean().idxmin())
    lines = [
        f"| scored by | group | LSTM RMSE | {best} RMSE | gain over it |",
        "|---|---|---|---|---|",
    ]
    for by, group, rows in groups(forecasts, step):
        actual, lstm, other = (rows[each].to_numpy() for each in ("actual", "LSTM", best))
        rmse = score.rmse(actual, lstm), score.rmse(actual, other)
        # A block of the bootstrap is a day.
        block = max(1, round(len(rows) / rows["timestamp"].dt.floor("D").nunique()))
        ci = significance.skill_ci(actual, lstm, other, block=block)
        proven = ci and (ci.low > 0 or ci.high < 0)
        skill = f"{score.skill(*rmse) or 0:.1%}"
        gained = f"{skill} ({ci.low:.1%} to {ci.high:.1%})" if ci and proven else "not proven"
        cells = [by, group, *(f"{error:.4f}" for error in rmse), gained]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def groups(forecasts: pd.DataFrame, step: Step) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield what the forecasts are grouped by, the name of each group and its rows."""
    yield "all", "all", forecasts
    if "step" in forecasts:
        leads = range(1, forecasts["step"].max() + 1)
        for part in np.array_split(leads, min(MAX_LEADS, len(leads))):
            first, last = step.ahead(int(part[0])), step.ahead(int(part[-1]))
            group = first if first == last else f"{first} to {last}"
            yield "time ahead", group, forecasts[forecasts["step"].isin(part)]
    times = forecasts["timestamp"].dt
    for by, keys in (("hour", times.hour), ("month", times.strftime("%Y-%m"))):
        for group, rows in forecasts.groupby(keys):
            yield by, str(group), rows


def errors(record: dict[str, Any]) -> list[float]:
    return [record[of][key] for of in ("LSTM", "persistence") for key in ("rmse_kw", "mae_kw")]


def gain(verdict: dict[str, Any], prefix: str) -> str:
    skill, low, high = (verdict[f"{prefix}_{key}"] for key in ("skill", "low", "high"))
    return f"{skill:.1%}" + ("" if low is None else f" ({low:.1%} to {high:.1%})")


def spread(figures: Any, form: str) -> str:
    """Return mean and sample standard deviation as text."""
    mean = statistics.fmean(figures)
    return f"{mean:{form}} ± {statistics.stdev(figures) if len(figures) > 1 else 0:{form}}"


if __name__ == "__main__":
    main()
