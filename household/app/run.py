"""Run the whole pipeline in a temporary folder, from readings to a trained model and its scores.

This is `household run` and, in Python, `household.run`.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from household.app import recipes
from household.app.input import select_columns
from household.core import arrow, files, meters, params, paths, schema, store
from household.core.errors import UserError, exit_on_error
from household.core.schema import TARGET
from household.core.step import Step
from household.model import keras_file
from household.readings import quality
from household.report import facts, plots, verdict
from household.report.results import Results
from stages import evaluate, fetch, parse, split, train, window

# The key of the record of the source in the `attrs` of a DataFrame.
SOURCE = "source"
UNKNOWN = {"simulated": False, "address": "a frame", "licence": None, "citation": None}
NO_LOSSES = pa.table({"epoch": [], "split": [], "loss": []})


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
        data: The readings by time, or by meter and time if there are several meters; each column in
            its unit, NaN where missing.
        interrupted: Whether the training was interrupted; its best epoch so far is kept then.
        model: The Keras model: (windows, lookback, features) to (windows, horizon), in kW.
        files: The contents of the files of the saved model, by name.
        results: The results that reports are made from.
    """

    data: pd.DataFrame
    interrupted: bool
    model: Any
    files: dict[str, bytes]
    results: Results

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
        """Return a row for each target step of the test windows, in kW."""
        return self.results.predictions

    @property
    def verdict(self) -> list[str]:
        """Return whether the network wins, by how much and how sure that is, in a few lines."""
        results = self.results
        return verdict.lines(
            results.metrics,
            results.meter_rows,
            windows=len(results.windows("timestamp")),
            horizon=results.horizon,
            step=results.step,
            simulated=results.source["simulated"],
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
        for name, content in self.files.items():
            with files.atomic_write(Path(folder) / name) as partial:
                partial.write_bytes(content)
        return Path(folder)

    def __repr__(self) -> str:
        return "\n".join(self.verdict)

    def _repr_markdown_(self) -> str:
        return "\n\n".join(f"{line}." for line in self.verdict)


def run(
    model: str | Path | Run | None, data: pd.DataFrame | None, sections: Mapping[str, Any]
) -> Run:
    """Run the pipeline; see `household.run`."""
    settings = params.with_overrides(params.load(paths.in_project(paths.PARAMS)), sections)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        earlier = None
        if isinstance(model, Run):
            earlier = model.save(root / "earlier")
        elif model is not None:
            settings = params.with_overrides(settings, {"train": {"warm_start": str(model)}})
        if data is None:
            fetch.main(settings, root)
            parse.main(settings, root)
        else:
            _write_parsed(data, settings.step, root)
        window.main(settings, root)
        split.main(settings, root)
        # A training that is interrupted in its first epoch writes none.
        files.write_csv(root / paths.HISTORY, NO_LOSSES)
        interrupted = train.main(settings, root, warm_start=earlier, keep_interrupted=True)
        with redirect_stdout(None):  # the run shows the same lines
            evaluate.main(settings, root)
        folder = (root / paths.NETWORK).parent
        return Run(
            data=_read_parsed(root),
            interrupted=interrupted,
            model=keras_file.load(root / paths.NETWORK),
            files={path.name: path.read_bytes() for path in folder.iterdir()},
            results=Results.read(settings, root),
        )


def main(options: argparse.Namespace) -> None:
    """Run the command `household run`."""
    with exit_on_error("run", file=options.source):
        if options.save and options.save.exists() and not options.save.is_dir():
            raise UserError(f"--save {options.save}: a file of this name exists; name a folder")
        settings = recipes.read(options.recipe) if options.recipe else {}
        settings |= {"fetch.source": options.source} if options.source else {}
        settings |= recipes.parse_settings(options.settings)
        result = run(None, None, recipes.nest(settings))
        print("\n".join(f"run: {line}" for line in result.verdict))
        if options.save:
            result.save(options.save)
            print(f"run: wrote {options.save}; household predict {options.save} READINGS")


def _read_parsed(root: Path) -> pd.DataFrame:
    """Return the output of the parse stage by time, or by meter and time if there are several."""
    frames = {
        meter: pa.concat_tables(store.iter_months(folder)).to_pandas().set_index("timestamp")
        for meter, folder in meters.by_name(root / paths.PARSED).items()
    }
    frame = pd.concat(frames, names=["meter"]) if len(frames) > 1 else next(iter(frames.values()))
    frame.attrs[SOURCE] = files.read_json(root / paths.SOURCE)
    return frame


def _write_parsed(data: pd.DataFrame, step: Step, root: Path) -> None:
    """Write a DataFrame as the output of the fetch and the parse stage.

    Raises:
        UserError: It does not hold steps in time order.
    """
    if not isinstance(data, pd.DataFrame):
        raise UserError(f"data: expected a pandas DataFrame, found {data!r:.80}; convert it to one")
    if data.empty:
        raise UserError("data: no readings; use a frame that has some")
    records = {}
    for meter, table in _tables(data):
        report = quality.QualityReport(step)
        for month in store.write_months(root / paths.PARSED / meter, iter([table])):
            report.add(month)
        records[meter] = report.to_dict({}, "data", {})
    files.write_json(root / paths.QUALITY, quality.combine(records, {}))
    files.write_json(root / paths.SOURCE, data.attrs.get(SOURCE, UNKNOWN))


def _tables(data: pd.DataFrame) -> Iterator[tuple[str, pa.Table]]:
    """Yield the name of each meter and its readings, a table of schema.SCHEMA."""
    if "timestamp" not in data:
        names = data.index.names if data.index.nlevels > 1 else ["timestamp"]
        data = data.rename_axis(names).reset_index()
    if "meter" not in data:
        yield meters.ONE, _to_table(data)
        return
    # A reading without a meter must not be dropped, and 1 and "1" are the same file.
    for meter, frame in data.groupby(data["meter"].astype("string"), dropna=False):
        if pd.isna(meter) or not meters.PLAIN_NAME.fullmatch(meter):
            raise UserError(f"data: meter {meter!r}: use letters, digits, - and _ in its name")
        yield meter, _to_table(frame.drop(columns="meter"))


def _to_table(frame: pd.DataFrame) -> pa.Table:
    """Return the readings of a meter as a table of schema.SCHEMA."""
    readings = pa.Table.from_pandas(frame, preserve_index=False)
    covariates = [
        column.name for column in schema.COVARIATES if column.name in readings.column_names
    ]
    columns = [name for name in schema.NAMES if name in readings.column_names or name == TARGET]
    columns += covariates
    table = select_columns(readings, columns, "data")
    if table["timestamp"].null_count:
        raise UserError("data: a reading has no timestamp; drop it")
    distances = np.diff(arrow.to_numpy(table["timestamp"]))
    if (distances <= np.timedelta64(0)).any():
        raise UserError(
            "data: duplicate times or not in time order; sort the readings, each time once"
        )
    absent = {
        name: pa.nulls(len(table), pa.float32()) for name in schema.NAMES if name not in columns
    }
    by_name = {name: table[name] for name in table.column_names} | absent
    kind = schema.readings(table["timestamp"].type.tz, covariates)
    return pa.table([by_name[name] for name in kind.names], schema=kind)
