"""Run the whole pipeline in memory, from readings to a trained model and its scores."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from household.app.input import select_columns
from household.core import arrow, meters, params, paths, schema
from household.core.errors import UserError
from household.core.params import Params
from household.core.schema import TARGET
from household.dataset import batches, scaling, series, split, windows
from household.evaluation import baselines, evaluate, predictions
from household.model import inference, loop, onnx_export, saved_model, trainer
from household.model.trainer import TrainedModel
from household.readings import quality, source
from household.readings.parse import MeterReader
from household.report import facts, plots, verdict
from household.report.results import Results

# The defaults are those of the project that contains the package.
SHIPPED = Path(__file__).parents[2] / paths.PARAMS
# The key of the record of the source in the `attrs` of a DataFrame.
SOURCE = "source"


class Picture(bytes):
    """Hold a PNG that a notebook shows."""

    def __repr__(self) -> str:
        return f"<a picture of {len(self):,} bytes>"

    def _repr_png_(self) -> bytes:
        return bytes(self)


@dataclass(frozen=True, repr=False)
class Run:
    """Hold the results of a run. A notebook shows the verdict.

    Attributes:
        data: The readings by time, each column in its unit, NaN where missing.
        interrupted: Whether the training was interrupted; its best epoch so far is kept then.
        fitted: The trained model.
        results: The results that reports are made from.
    """

    data: pd.DataFrame
    interrupted: bool
    trained: TrainedModel
    results: Results

    @property
    def model(self) -> Any:
        """Return the Keras model: (windows, lookback, features) to (windows, horizon), in kW."""
        return self.trained.model

    @property
    def losses(self) -> pd.DataFrame:
        """Return rows (epoch, part, loss)."""
        return self.results.losses

    @property
    def scores(self) -> pd.DataFrame:
        """Return RMSE and MAE in kW, MASE and skill of each forecaster on the test windows."""
        by_forecaster = {name: self.results.metrics[name] for name in self.results.forecasters}
        return pd.DataFrame(by_forecaster).T

    @property
    def predictions(self) -> pd.DataFrame:
        """Return a row for each target minute of the test windows, in kW."""
        return self.results.predictions

    @property
    def verdict(self) -> list[str]:
        """Return whether the network wins, by how much and how sure that is, in a few lines."""
        predicted = self.results.windows("timestamp")
        simulated = self.results.source["simulated"]
        return verdict.summary_lines(
            self.results.metrics, len(predicted), self.results.horizon, simulated=simulated
        )

    def plot(self, name: str) -> Picture:
        """Return a plot of the report by name, such as "scores".

        Raises:
            UserError: There is no such plot.
        """
        by_name = {plot.name: plot for plot in plots.CHARTS}
        if name not in by_name:
            raise UserError(f"no plot {name!r}; use one of {', '.join(by_name)}")
        household = facts.source_label(self.results.source)
        table = by_name[name].table(self.results).assign(household=household)
        return Picture(by_name[name].to_png(table))

    def save(self, folder: str | Path) -> Path:
        """Write the model to `folder`, for `household.predict`; return the folder."""
        self.trained.write(Path(folder))
        return Path(folder)

    def __repr__(self) -> str:
        return "\n".join(self.verdict)

    def _repr_markdown_(self) -> str:
        return "\n\n".join(f"{line}." for line in self.verdict)


def run(
    model: str | Path | Run | None, data: pd.DataFrame | None, sections: Mapping[str, Any]
) -> Run:
    """Run the pipeline; see `household.run`."""
    shipped = params.load(SHIPPED if SHIPPED.exists() else paths.PARAMS)
    given = params.with_overrides(shipped, sections)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        started = given
        if isinstance(model, Run):
            # The record of the results must not name a temporary folder.
            earlier = {"warm_start": str(model.save(folder / "earlier"))}
            started = params.with_overrides(given, {"train": earlier})
        elif model is not None:
            started = given = params.with_overrides(given, {"train": {"warm_start": str(model)}})
        if data is None:
            minutes, record, checked = _fetched(given, folder / "zips")
        else:
            minutes = _taken(data)
            record = data.attrs.get(SOURCE, UNKNOWN)
            checked = _measure_quality(minutes, {}, "data", entities={})
        return _run(
            given, started, minutes, record=record, checked=checked, kept=folder / "checkpoint.npz"
        )


UNKNOWN = {"simulated": False, "address": "a frame", "licence": None, "citation": None}


def _run(
    given: Params,
    started: Params,
    minutes: pa.Table,
    *,
    record: dict[str, Any],
    checked: dict[str, Any],
    kept: Path,
) -> Run:
    """Run the stages after parse; `started` are the parameters with the model of a warm start."""
    window = given.window
    features: list[str] = [
        name for name in window.features if minutes[name].null_count < len(minutes)
    ]
    if TARGET not in features:
        raise UserError(f"no minute has a value for {TARGET}; use readings that have some")
    complete = series.complete_minutes(lambda: iter([minutes]), features, window.use_fraction)
    known = pa.concat_tables(complete).combine_chunks()
    values, stamps = series.to_array(known), arrow.to_numpy(known["timestamp"])
    shape = windows.WindowShape(window.lookback, window.horizon)
    starts = windows.find_starts(stamps, shape, window.across_gaps)
    splits = split.split_windows(starts, shape, given.split, seed=given.seed)
    centered, scaled = scaling.windows_to_use(given.scaling, starts, splits.train)

    earlier = saved_model.warm_start(started, features)
    measured = scaling.fit_scaler(
        features, [scaling.MeterWindows(known.column, centered, scaled)], shape
    )
    learnt = loop.TrainingData(
        earlier.scaling if earlier else measured,
        batches.in_memory(values, splits.train),
        batches.in_memory(values, splits.validation),
    )
    network = trainer.build_or_warm_start(given, learnt, earlier)
    reported = [pa.table({"epoch": [], "split": [], "loss": []})]
    interrupted = False
    try:
        loop.fit(
            network,
            learnt,
            given.train,
            seed=given.seed,
            checkpoint_path=kept,
            on_epoch_end=reported.append,
            warm_start=bool(earlier),
        )
    except KeyboardInterrupt:
        interrupted = True
        print("run: interrupted; kept the best epoch so far")
    seen = saved_model.training_extent(stamps, values, splits.train, shape=shape)
    made = trainer.package(
        network,
        given,
        learnt,
        features=features,
        trained_on=[seen],
        source=record,
        warm_start_model=earlier,
    )
    previous = given.evaluate.previous_model
    every = windows.evaluation_stride(len(splits.test), shape.horizon)
    forecasts = predictions.run_forecasters(
        inference.create_session(onnx_export.serialize(made.graph)),
        made.intervals,
        baselines.ForecastContext(values, stamps, splits.train, shape),
        features=features,
        validation=splits.validation,
        test=splits.test[::every],
        with_lightgbm=given.evaluate.lightgbm,
        previous=saved_model.load(Path(previous).expanduser(), saved_model.GRAPH)
        if previous
        else None,
    )
    scored = evaluate.evaluate(forecasts, every)
    frame = minutes.to_pandas().set_index("timestamp")
    frame.attrs[SOURCE] = record
    results = Results(
        predictions=scored.predictions.to_pandas(),
        coverage=scored.coverage.to_pandas(),
        losses=reported[-1].to_pandas(),
        metrics=scored.metrics,
        quality=checked,
        source=record,
        forecaster=made.record,
        params=given,
    )
    return Run(frame, interrupted, made, results)


def _measure_quality(
    minutes: pa.Table,
    skipped: Mapping[str, int],
    name: str,
    *,
    entities: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    found = quality.QualityReport()
    found.add(minutes)
    return found.to_dict(skipped, name, entities)


def _fetched(given: Params, folder: Path) -> tuple[pa.Table, dict[str, Any], dict[str, Any]]:
    """Return the minutes of `fetch.source`, the record of the source and the quality record."""
    record = source.fetch(given.fetch, folder)
    zips = meters.by_name(folder)
    if len(zips) > 1:
        raise UserError("run needs one meter; use `dvc repro` for several")
    (meter_folder,) = zips.values()
    records = MeterReader(
        sorted(meter_folder.glob("*.zip")), given.parse, skip=given.on_error == "skip"
    )
    minutes = pa.concat_tables(records).combine_chunks()
    checked = _measure_quality(minutes, records.skipped, records.name, entities=records.entities)
    return minutes, record, checked


def _taken(data: pd.DataFrame) -> pa.Table:
    """Return a DataFrame as a table of schema.SCHEMA.

    Raises:
        UserError: It does not hold minutes in time order.
    """
    if not isinstance(data, pd.DataFrame):
        raise UserError(f"data: expected a pandas DataFrame, found {data!r:.80}; convert it to one")
    frame = data if "timestamp" in data else data.rename_axis("timestamp").reset_index()
    given = pa.Table.from_pandas(frame, preserve_index=False)
    columns = [name for name in schema.NAMES if name in given.column_names or name == TARGET]
    table = select_columns(given, columns, "data")
    if table.schema.field("timestamp").type.tz:  # the pipeline uses local times
        table = table.set_column(0, "timestamp", pc.local_timestamp(table["timestamp"]))
    if table["timestamp"].null_count or not table.num_rows:
        raise UserError("data: a minute has no timestamp, or there are no minutes")
    steps = np.diff(arrow.to_numpy(table["timestamp"]))
    if (steps <= np.timedelta64(0, "m")).any():
        raise UserError("data: duplicate times or not in time order; sort the minutes, each once")
    absent = {
        name: pa.nulls(len(table), pa.float32()) for name in schema.NAMES if name not in columns
    }
    held = {name: table[name] for name in table.column_names} | absent
    return pa.table([held[name] for name in schema.SCHEMA.names], schema=schema.SCHEMA)
