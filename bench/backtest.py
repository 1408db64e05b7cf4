"""Rolling origin: trains up to each of several cuts and tests on what comes after it.

    python -m bench.backtest [--set-param fetch.source=...] [cut ...]

A cut is a share of the series, from which the test part goes on for a tenth of the whole. Each is
an experiment named backtest-<cut>, so what has run before is taken from DVC's cache. Prints a
Markdown table: the verdict at each cut, and mean and standard deviation over the cuts.
"""

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

CUTS = (0.5, 0.6, 0.7, 0.8, 0.9)
TENTH = 0.1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cuts", nargs="*", type=float, default=CUTS)
    parser.add_argument("--set-param", action="append", default=[])
    options = parser.parse_args()
    for cut in options.cuts:
        run(cut, options.set_param)
    print(table({cut: metrics(cut) for cut in options.cuts}))


def name(cut: float) -> str:
    return f"backtest-{round(100 * cut)}"


def run(cut: float, others: list[str]) -> None:
    fraction = round(cut + TENTH, 6)
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
    """Return the metrics of a cut, from the commit in which DVC keeps its experiment."""
    head = git("rev-parse", "HEAD").strip()
    text = git("show", f"refs/exps/{head[:2]}/{head[2:]}/{name(cut)}:reports/metrics.json")
    return json.loads(text)


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
