"""Trains variants of the forecaster with several seeds and prints how they score.

    python -m bench.variants [--seeds 3] [--jobs 2] [name ...]

Reads data/parsed/power/, so `dvc repro parse` comes first, or `dvc exp run -S
fetch.source=... parse` for other data. A variant is the parameters in params.yaml, changed at a
few keys. What is done is kept in bench/scores.jsonl: a second run goes on from there, and prints
all of it. The choice among variants is by the validation part; the test part stands beside it.
"""

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench import given
from household.core import paths, store
from household.dataset import series, split, windows
from household.evaluation import metrics
from household.model import inference

SCORES = Path("bench/scores.jsonl")
VARIANTS: dict[str, dict[str, Any]] = json.loads(Path("bench/variants.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    done = {(row["variant"], row["seed"]) for row in rows()}
    due = [
        (name, seed)
        for seed in range(options.seeds)
        for name in options.names
        if (name, seed) not in done
    ]
    # TensorFlow keeps what it was seeded and set with, so each training has a process of its own.
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs, maxtasksperchild=1) as pool:
        for row in pool.imap_unordered(score, due, chunksize=1):
            with SCORES.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, file=sys.stderr)
    print(table())


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SCORES.open()] if SCORES.exists() else []


def score(task: tuple[str, int]) -> dict[str, Any]:
    """Train once; return the scores on the validation and on the test split."""
    name, seed = task
    settings = given.with_settings(VARIANTS[name], seed)
    window = settings.window
    shape = windows.WindowShape.of(window)
    columns = ["timestamp", *window.columns]
    complete = series.complete_steps(
        lambda: store.iter_months(paths.PARSED / "power", columns),
        window.columns,
        window.use_fraction,
    )
    kept = pa.concat_tables(complete)
    starts = windows.find_starts(
        kept["timestamp"].to_numpy(), settings.step, shape, across_gaps=window.across_gaps
    )
    splits = split.split_windows(starts, shape, settings.split, seed=seed)
    data = given.of_series(settings, kept, splits)
    begin = time.monotonic()
    session = given.train_network(data)
    row: dict[str, Any] = {"variant": name, "seed": seed}
    row["seconds"] = round(time.monotonic() - begin, 1)
    for part in ("validation", "test"):
        chosen = np.sort(getattr(splits, part))
        actual = windows.targets(data.values, chosen, shape)
        forecast = inference.predict(session, data.inputs, chosen)
        if forecast.quantiles is not None:
            scores = metrics.crps(actual, forecast.quantiles, settings.train.levels)
            row[f"{part}_crps"] = round(float(scores.mean()), 5)
        row[f"{part}_rmse"] = round(metrics.rmse(actual, forecast.mean), 5)
        row[f"{part}_mae"] = round(metrics.mae(actual, forecast.median), 5)
    return row


def table() -> str:
    lines = [
        "| variant | seeds | validation CRPS (kW) | validation RMSE (kW) | validation MAE (kW) | "
        "test CRPS (kW) | test RMSE (kW) | test MAE (kW) | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["variant"] for row in rows()):
        runs = [row for row in rows() if row["variant"] == name]
        cells = [name, str(len(runs))]
        for part in ("validation", "test"):
            for score in ("crps", "rmse", "mae"):
                found = [row[f"{part}_{score}"] for row in runs if f"{part}_{score}" in row]
                cells.append(f"{np.mean(found):.4f} ± {np.std(found):.4f}" if found else "")
        cells.append(f"{np.median([row['seconds'] for row in runs]):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
