"""How soon a forecast fits a new home: its error after so many days of its own history.

    python -m bench.cold_start

Reads the steps of several meters in data/parsed/, so run `dvc repro parse` for them first. A model
learns from the meters that are not held out (`split.holdout_meters`), by the settings of
params.yaml. For each of the others it forecasts four weeks, with that many days before each
forecast: as it is, and trained further on the days before the four weeks (a warm start).

The errors are pooled over the meters, each in units of its mean power, so that no home counts more.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bench import given, measure
from household.core import meters, params, paths, store
from household.core.params import Params
from household.core.schema import Float64, Power
from household.dataset import batches, scaling, series, split, windows
from household.dataset.batches import WindowDataset
from household.dataset.inputs import InputReader
from household.dataset.scaling import MeterWindows
from household.evaluation import baselines
from household.model import anchor, inference

DAYS = (0, 3, 7, 14, 28, 90)
TEST_DAYS = 28
# Hours from a forecast of the test to the next.
EVERY = 6
# What is learnt from a few days should not undo what many homes have taught.
WARM_START = {"train.epochs": 4, "train.learning_rate": 0.001}


class Errors(NamedTuple):
    """Hold the errors of test windows in units of the mean power: (windows, horizon)."""

    model: Float64
    warm_start: Float64
    profile: Float64


def main() -> None:
    settings, parsed = params.load(), meters.by_name(paths.PARSED)
    names = sorted(parsed)
    unseen = split.holdout_meters(names, settings.split, settings.seed)
    columns = series.available_features(
        (each for path in parsed.values() for each in store.read_metadata(path)),
        settings.window.columns,
    )
    tables = {name: read_series(name, columns) for name in names}
    needed = (DAYS[-1] + TEST_DAYS + 2) * settings.step.per_day + settings.window.lookback
    tables = {name: table for name, table in tables.items() if len(table) >= needed}
    trained = train_on([tables[name] for name in tables if name not in unseen], settings)
    rows = []
    for days in DAYS:
        found = [
            errors_of_home(tables[name], days, trained, settings)
            for name in tables
            if name in unseen
        ]
        pooled = Errors(*map(np.concatenate, zip(*found, strict=True)))
        scores = (
            f"{np.sqrt(np.mean(each**2)):.3f} / {np.mean(np.abs(each)):.3f}" for each in pooled
        )
        rows.append([days, *scores])
    head = ["days of own history", "model of the others", "with a warm start", "profile"]
    count = sum(name in unseen for name in tables)
    about = f"RMSE / MAE in units of the mean power, of {count} homes that the model has not seen"
    print(f"{about}\n\n{measure.table(head, rows)}")


def read_series(name: str, columns: Sequence[str]) -> pa.Table:
    """Return the complete steps of a meter."""
    parts = series.complete_steps(
        lambda: store.iter_months(paths.PARSED / name, ["timestamp", *columns]), columns
    )
    return pa.concat_tables(parts)


def windows_of(table: pa.Table, settings: Params) -> WindowDataset:
    """Return all windows of a series."""
    reader = InputReader.of(settings)
    starts = windows.find_starts(
        table["timestamp"].to_numpy(), settings.step, reader.shape, across_gaps=False
    )
    return batches.in_memory(reader.of_table(table), starts)


def train_on(tables: list[pa.Table], settings: Params) -> given.Trained:
    """Train a model on all windows of several series, with one scaling."""
    parts = [windows_of(table, settings) for table in tables]
    whole = WindowDataset(
        [shard for part in parts for shard in part.shards],
        [key for part in parts for key in part.key],
    )
    shape = windows.WindowShape.of(settings.window)
    counted = [
        MeterWindows(table.column, starts, starts)
        for table, part in zip(tables, parts, strict=True)
        for starts in [np.sort(next(part.read()).starts)]
    ]
    scaler = scaling.fit_scaler(tables[0].column_names[1:], counted, shape)
    scaler = scaler._replace(shares=anchor.fit_shares(whole, shape))
    return given.train(settings, scaler, whole, WindowDataset([], []))


def errors_of_home(table: pa.Table, days: int, trained: given.Trained, settings: Params) -> Errors:
    """Return the errors of four weeks of forecasts, with that many days of history."""
    lookback, per_day = settings.window.lookback, settings.step.per_day
    # All numbers of days have the same test.
    cut = (max(DAYS) + 1) * per_day + lookback
    before = table[cut - days * per_day - lookback : cut]
    session = trained.session
    if days:
        tuned = given.with_settings(WARM_START)
        session = given.train(
            tuned,
            trained.scaler,
            windows_of(before, settings),
            WindowDataset([], []),
            trained.weights,
        ).session
    scale = float(series.to_array(table)[:, 0].mean())
    hours = EVERY * per_day // 24
    errors = [
        [(power - actual) / scale for power in powers]
        for end in range(cut, cut + TEST_DAYS * per_day, hours)
        for actual, powers in [forecast_at(table, end, days, [trained.session, session], settings)]
    ]
    return Errors(*map(np.concatenate, zip(*errors, strict=True)))


def forecast_at(
    table: pa.Table, end: int, days: int, sessions: list[Any], settings: Params
) -> tuple[Power, list[Power]]:
    """Return the power after the row `end`, and its forecasts from the days before it."""
    reader, lookback = InputReader.of(settings), settings.window.lookback
    begin = end - days * settings.step.per_day - lookback
    rows = table[begin : end + reader.shape.horizon]
    inputs = reader.of_table(rows)
    start = np.array([end - begin - lookback], np.int32)
    context = baselines.ForecastContext(rows, inputs, start, reader.shape, settings.step)
    powers = [inference.predict(session, inputs, start).mean for session in sessions]
    actual = windows.targets(inputs.values, start, reader.shape)
    return actual, [*powers, baselines.profile(context, start)]


if __name__ == "__main__":
    main()
