"""The whole pipeline in memory, from readings to a trained model and its scores."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from household.forecast import (
    artifact,
    baselines,
    evaluation,
    fitted,
    graph,
    parts,
    pieces,
    runtime,
    scaling,
    trained,
    training,
    windows,
)
from household.forecast.fitted import Fitted
from household.meter import meters, quality, series, source
from household.meter.records import Records
from household.pipeline import arrays, params, paths
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure
from household.pipeline.params import Params
from household.report import figures, summary, verdict
from household.report.tables import Results
from household.use import readings

# The defaults are those of the project that the package is a part of.
SHIPPED = Path(__file__).parents[2] / paths.PARAMS
# Where the data is from, in the `attrs` of a frame.
SOURCE = "source"


class Picture(bytes):
    """A PNG, which a notebook shows."""

    def __repr__(self) -> str:
        return f"<a picture of {len(self):,} bytes>"

    def _repr_png_(self) -> bytes:
        return bytes(self)


@dataclass(frozen=True, repr=False)
class Run:
    """What came of a run: a notebook shows its verdict."""

    data: pd.DataFrame  # the minutes, by their time: each column in its unit, NaN for none
    interrupted: bool  # the training was, and its best epoch so far is kept
    fitted: Fitted
    results: Results

    @property
    def model(self) -> Any:
        """The network of Keras: (windows, lookback, features) to (windows, horizon), in kW."""
        return self.fitted.model

    @property
    def losses(self) -> pd.DataFrame:
        """Rows (epoch, part, loss)."""
        return self.results.losses

    @property
    def scores(self) -> pd.DataFrame:
        """The RMSE and MAE in kW, MASE and skill of each forecaster on the test windows."""
        of_each = {name: self.results.metrics[name] for name in self.results.forecasters}
        return pd.DataFrame(of_each).T

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for each target minute of the test windows: the power and each forecast, in kW."""
        return self.results.predictions

    @property
    def verdict(self) -> list[str]:
        """Whether the network wins, by how much, and how sure that is."""
        predicted = self.results.windows("timestamp")
        simulated = self.results.source["simulated"]
        return verdict.lines(self.results.metrics, len(predicted), self.results.horizon, simulated)

    def plot(self, name: str) -> Picture:
        """A plot of the report by its name, such as "scores"; raises Failure for any other."""
        plots = {plot.name: plot for plot in figures.CHARTS}
        if name not in plots:
            raise Failure(f"no plot {name!r}; there are {', '.join(plots)}")
        household = summary.household(self.results.source)
        table = plots[name].table(self.results).assign(household=household)
        return Picture(plots[name].picture(table))

    def save(self, folder: str | Path) -> Path:
        """Writes the model to `folder`, as the train stage does: what `household.predict` takes."""
        self.fitted.write(Path(folder))
        return Path(folder)

    def __repr__(self) -> str:
        return "\n".join(self.verdict)

    def _repr_markdown_(self) -> str:
        return "\n\n".join(f"{line}." for line in self.verdict)


def run(
    model: str | Path | Run | None, data: pd.DataFrame | None, sections: Mapping[str, Any]
) -> Run:
    """See `household.run`."""
    shipped = params.load(SHIPPED if SHIPPED.exists() else paths.PARAMS)
    given = params.changed(shipped, sections)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        started = given
        if isinstance(model, Run):
            # Its folder is gone when the record is read, which has the lineage.
            earlier = {"warm_start": str(model.save(folder / "earlier"))}
            started = params.changed(given, {"train": earlier})
        elif model is not None:
            started = given = params.changed(given, {"train": {"warm_start": str(model)}})
        if data is None:
            minutes, record, checked = _fetched(given, folder / "zips")
        else:
            minutes = _taken(data)
            record = data.attrs.get(SOURCE, UNKNOWN)
            checked = _measure_quality(minutes, {}, "data", {})
        return _run(given, started, minutes, record, checked, folder / "checkpoint.npz")


UNKNOWN = {"simulated": False, "address": "a frame", "licence": None, "citation": None}


def _run(
    given: Params,
    started: Params,
    minutes: pa.Table,
    record: dict[str, Any],
    checked: dict[str, Any],
    kept: Path,
) -> Run:
    """From the minutes on; `started` are the parameters with the model that it goes on with."""
    window = given.window
    features: list[str] = [
        name for name in window.features if minutes[name].null_count < len(minutes)
    ]
    if TARGET not in features:
        raise Failure(f"no minute has a value for {TARGET}; give readings that have some")
    complete = series.valid(lambda: iter([minutes]), features, window.fraction)
    known = pa.concat_tables(complete).combine_chunks()
    values, stamps = series.values(known), arrays.of(known["timestamp"])
    shape = windows.Shape(window.lookback, window.horizon)
    starts = windows.starts(stamps, shape, window.gaps)
    split = parts.split(starts, shape, given.split, given.seed)
    centered, scaled = scaling.counted(window, starts, split.train)

    earlier = artifact.warm_start(started, features)
    measured = scaling.measure(features, [scaling.Counted(known.column, centered, scaled)], shape)
    learnt = training.Data(
        earlier.scaling if earlier else measured,
        pieces.held(values, split.train),
        pieces.held(values, split.validation),
    )
    network = fitted.started(given, learnt, earlier)
    reported = [pa.table({"epoch": [], "part": [], "loss": []})]
    interrupted = False
    try:
        training.fit(
            network, learnt, given.train, given.seed, kept, reported.append, warm=bool(earlier)
        )
    except KeyboardInterrupt:
        interrupted = True
        print("run: interrupted; the best epoch so far is kept")
    seen = artifact.seen(stamps, values, split.train, shape)
    made = fitted.finished(network, given, learnt, features, [seen], record, earlier)
    against = given.evaluate.against
    every = windows.apart(len(split.test), shape.horizon)
    forecasts = evaluation.forecasts(
        runtime.session(graph.encoded(made.graph)),
        made.intervals,
        baselines.Given(values, stamps, split.train, shape),
        features,
        split.validation,
        split.test[::every],
        given.evaluate.trees,
        trained.read(Path(against).expanduser(), trained.GRAPH) if against else None,
    )
    scored = evaluation.evaluate(forecasts, every)
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
    entities: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    found = quality.Quality()
    found.add(minutes)
    return found.record(skipped, name, entities)


def _fetched(given: Params, folder: Path) -> tuple[pa.Table, dict[str, Any], dict[str, Any]]:
    """The minutes that the parameters ask for, where they are from, and their quality."""
    record = source.fetch(given.fetch, folder)
    if meters.several(folder):
        raise Failure("run takes one meter; of several `dvc repro` makes one model")
    records = Records(sorted(folder.glob("*.zip")), given.parse)
    minutes = pa.concat_tables(records).combine_chunks()
    checked = _measure_quality(minutes, records.skipped, records.name, records.entities)
    return minutes, record, checked


def _taken(data: pd.DataFrame) -> pa.Table:
    """A table of series.SCHEMA from a frame; raises Failure where it holds no minutes in order."""
    if not isinstance(data, pd.DataFrame):
        raise Failure(f"data: expected a frame of pandas, found {data!r:.80}; read it into one")
    frame = data if "timestamp" in data else data.rename_axis("timestamp").reset_index()
    given = pa.Table.from_pandas(frame, preserve_index=False)
    columns = [name for name in series.NAMES if name in given.column_names or name == TARGET]
    table = readings.typed(given, columns, "data")
    if table.schema.field("timestamp").type.tz:  # the pipeline's times are those of a clock
        table = table.set_column(0, "timestamp", pc.local_timestamp(table["timestamp"]))
    if table["timestamp"].null_count or not table.num_rows:
        raise Failure("data: a minute has no timestamp, or there is none at all")
    steps = np.diff(arrays.of(table["timestamp"]))
    if (steps <= np.timedelta64(0, "m")).any():
        raise Failure("data: times go back or stand twice; sort the minutes, each once")
    absent = {
        name: pa.nulls(len(table), pa.float32()) for name in series.NAMES if name not in columns
    }
    held = {name: table[name] for name in table.column_names} | absent
    return pa.table([held[name] for name in series.SCHEMA.names], schema=series.SCHEMA)
