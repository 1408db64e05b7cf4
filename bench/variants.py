"""Trains variants of the forecaster with several seeds and prints how they score.

    python -m bench.variants [--seeds 3] [--jobs 2] [name ...]

Reads data/parsed/power/, so `dvc repro parse` comes first, or `dvc exp run -S
fetch.source=... parse` for other data. A variant is the parameters in params.yaml, changed at a
few keys. What is done is kept in bench/scores.jsonl: a second run goes on from there, and prints
all of it. The choice among variants is by the validation part; the test part stands beside it.
"""

import argparse
import contextlib
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from household.core import params, paths, store
from household.core.params import Params
from household.dataset import scaling, series, split, windows
from household.dataset.inputs import InputReader
from household.evaluation import metrics

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


def changed(overrides: dict[str, Any], seed: int) -> Params:
    record = params.load().model_dump(exclude_unset=True)
    for dotted, value in overrides.items():
        section, key = dotted.split(".")
        record[section][key] = value
    return Params.model_validate(record | {"seed": seed})


def score(task: tuple[str, int]) -> dict[str, Any]:
    """Train once; return the scores on the validation and on the test split."""
    name, seed = task
    settings = changed(VARIANTS[name], seed)
    window = settings.window
    shape = windows.WindowShape.of(window)
    columns = ["timestamp", *window.features]
    complete = series.complete_steps(
        lambda: store.iter_months(paths.PARSED / "power", columns),
        window.features,
        window.use_fraction,
    )
    kept = pa.concat_tables(complete)
    reader = InputReader.of(settings)
    inputs = reader.of_table(kept)
    starts = windows.find_starts(
        kept["timestamp"].to_numpy(), settings.step, shape, across_gaps=window.across_gaps
    )
    splits = split.split_windows(starts, shape, settings.split, seed=seed)
    counted = scaling.MeterWindows(
        kept.column, *scaling.windows_to_use(settings.scaling, starts, splits.train)
    )
    scaled = scaling.fit_scaler(window.features, [counted], shape)
    # Imports TensorFlow, which the process that prints the table does without.
    from household.dataset import batches  # noqa: PLC0415
    from household.model import (  # noqa: PLC0415
        anchor,
        inference,
        loop,
        network,
        onnx_export,
        portability,
    )

    learnt, validation = (
        batches.in_memory(inputs, part) for part in (splits.train, splits.validation)
    )
    if reader.columns.is_anchored:
        scaled = scaled._replace(shares=anchor.fit_shares(learnt, shape))
    design = (shape, scaled, reader.columns, settings.train)
    portability.set_determinism(seed, shape, settings.train)
    model = network.build_model(*design)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        data = loop.TrainingData(scaled, reader.columns, learnt, validation)
        state = Path(folder) / "checkpoint.npz"
        loop.fit(
            model,
            data,
            settings.train,
            seed=seed,
            checkpoint_path=state,
            on_epoch_end=lambda _: None,
        )
    row: dict[str, Any] = {"variant": name, "seed": seed}
    row["seconds"] = round(time.monotonic() - begin, 1)
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    graph = onnx_export.to_onnx(*design, weights=weights)
    session = inference.create_session(onnx_export.serialize(graph))
    for part in ("validation", "test"):
        chosen = np.sort(getattr(splits, part))
        actual = windows.targets(inputs.values, chosen, shape)
        forecast = inference.predict(session, inputs, chosen)
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
