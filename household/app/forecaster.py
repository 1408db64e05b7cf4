"""Forecast new readings by a saved model."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from household.app.input import format_minute, read_readings, stream_readings, validate
from household.app.tail import FollowedFile
from household.core import arrow, schema
from household.core.errors import UserError
from household.core.quantiles import column_name, named_intervals, quantile
from household.core.schema import Float32, Mask, Times, Values
from household.core.step import Step
from household.dataset import windows
from household.dataset.inputs import Inputs
from household.dataset.windows import Starts
from household.evaluation import baselines
from household.model import inference, saved_model
from household.readings.text_format import UCI_FORMAT, TextFormat


class Forecaster:
    """Forecast the power after given readings in kW, without TensorFlow.

    Attributes:
        shape: The shape of the windows: the steps that must have a reading, and the horizon.
        history: How many steps before the lookback a forecast takes into account, if they are
            given.
        features: The columns that the model reads, those in `known_ahead` last.
        known_ahead: The columns that it reads of the steps to forecast as well.
        levels: The levels of the quantiles that it forecasts.
        step: The length of a step.
    """

    def __init__(self, folder: Path) -> None:
        """Load the model in `folder`.

        Raises:
            UserError: There is no model.
        """
        try:
            model = saved_model.load(folder, saved_model.GRAPH)
            self._session = inference.load_session(folder / saved_model.GRAPH)
            self.shape = inference.window_shape(self._session)
            self.features, self.levels = model.features, model.levels
            self._trained, record = model, model.record
            self._ranges = {
                feature["name"]: feature["range"] for feature in record["input"]["features"]
            }
            layout = record["parameters"].get("layout")
            self._layout = TextFormat.of(layout) if layout else UCI_FORMAT
            self.step = Step.parse(record["parameters"].get("step", "1min"))
            seconds = record["input"].get("interval_seconds", 60 * self.step.minutes)
            self._interval = round(1000 * seconds)
            self._columns = model.columns
            self.known_ahead = self._columns.known_ahead
            self.history = self._columns.history_days * self.step.per_day
            self._across_gaps: bool = record["parameters"]["window"]["across_gaps"]
        except UserError:
            raise
        # ONNX Runtime raises a different exception for each kind of file that it refuses.
        except Exception as error:
            raise saved_model.not_a_model_error(folder, error) from None

    def read(self, name: str) -> pa.Table:
        """Return the readings in the file `name` as `input.read_readings` does."""
        return read_readings(name, self.features, self.step, self._layout)

    def stream(self, text: FollowedFile, name: str) -> Iterator[pa.Table]:
        """Yield the readings of a text as they arrive; see `input.stream_readings`."""
        return stream_readings(
            text,
            name,
            self.features,
            step=self.step,
            interval=self._interval,
            layout=self._layout,
        )

    def forecast(
        self, table: pa.Table, name: str = "readings", quantiles: Sequence[float] | None = None
    ) -> pa.Table:
        """Forecast the `horizon` steps after the last reading.

        Args:
            table: Readings (timestamp, features) in time order, of which the last `lookback`
                steps must be there, and `history` steps before them should be. The columns in
                `known_ahead` must be there for the next `horizon` steps as well.
            name: The name of the readings in messages.
            quantiles: The levels of the quantiles to return, by default the median and the bounds
                of the 80 and 95 % prediction intervals.

        Returns:
            Rows (timestamp, mean_kw, median_kw, low_80_kw, high_80_kw, low_95_kw, high_95_kw). With
            `quantiles` a column such as q0.1_kw for each of them follows on mean_kw. A model that
            was trained with another loss than `quantile` gives (timestamp, forecast_kw).

        Raises:
            UserError: The readings cannot be used, or the model does not forecast a quantile.
        """
        self._check_levels(quantiles)
        stamps, values = validate(table, name, self._ranges, self.step)
        table, ahead = self._split_ahead(table, values, name)
        stamps, values = stamps[: len(table)], values[: len(table)]
        known: Mask = np.all(np.isfinite(values), axis=1)
        if self._across_gaps:
            stamps, values, known = stamps[known], values[known], known[known]
        lookback = self.shape.lookback
        if len(stamps) < lookback:
            raise UserError(
                f"{name}: {len(stamps)} {self.step.nouns}; the model reads the last {lookback}"
            )
        if not self._across_gaps:
            _check_gaps(table["timestamp"][-lookback:], known[-lookback:], self.step, name=name)
        stamps, values = stamps[known], values[known]
        starts = np.array([len(values) - lookback], np.int32)
        power = self._power(self._inputs(table, stamps, values, ahead), starts, quantiles)
        upcoming = stamps[-1:, np.newaxis] + np.arange(1, self.shape.horizon + 1) * self.step.delta
        return _restore_zone(table, schema.power_table(upcoming, power))

    def backtest(
        self, table: pa.Table, name: str = "readings", quantiles: Sequence[float] | None = None
    ) -> pa.Table:
        """Forecast every step of the readings that has enough readings before it.

        Args:
            table: Readings (timestamp, features) in time order.
            name: The name of the readings in messages.
            quantiles: As in `forecast`.

        Returns:
            The rows of `forecast` for each window, with its `step` if the horizon is more than one
            step, `actual_kw` and `persistence_kw`.

        Raises:
            UserError: As in `forecast`.
        """
        self._check_levels(quantiles)
        stamps, values = validate(table, name, self._ranges, self.step)
        known: Mask = np.all(np.isfinite(values), axis=1)
        stamps, values = stamps[known], values[known]
        starts = windows.find_starts(stamps, self.step, self.shape, across_gaps=self._across_gaps)
        if not len(starts):
            raise UserError(
                f"{name}: no {self.shape.length + 1} consecutive {self.step.nouns} with all "
                f"values, which a forecast and its actual power need, in {len(stamps)} "
                f"{self.step.nouns}"
            )
        inputs = self._inputs(table, stamps, values)
        context = baselines.ForecastContext(table, inputs, starts, self.shape, self.step)
        columns = self._power(inputs, starts, quantiles) | {
            "actual_kw": windows.targets(values, starts, self.shape),
            "persistence_kw": baselines.persistence(context, starts),
        }
        target_times = stamps[windows.target_rows(starts, self.shape)]
        return _restore_zone(table, schema.power_table(target_times, columns))

    def count_training_overlap(self, stamps: pa.ChunkedArray) -> int:
        """Return how many of the times `stamps` are not after the training."""
        # The times of the training are local, as in the readings.
        return self._trained.count_training_overlap(arrow.to_numpy(pc.local_timestamp(stamps)))

    def _check_levels(self, wanted: Sequence[float] | None) -> None:
        """Raise UserError if the model does not forecast a quantile of `wanted`."""
        missing = [level for level in wanted or [] if level not in self.levels]
        if missing:
            known = f"those of {', '.join(map(str, self.levels))}" if self.levels else "none"
            raise UserError(
                f"{self._trained.folder}: no quantile {', '.join(map(str, missing))}; the model "
                f"forecasts {known} (train.quantiles, if train.loss is quantile)"
            )

    def _split_ahead(
        self, table: pa.Table, values: Values, name: str
    ) -> tuple[pa.Table, Values | None]:
        """Return the readings up to the last one, and what is known of the steps after it.

        Raises:
            UserError: The columns in `known_ahead` do not reach as far as the forecast.
        """
        if not self.known_ahead:
            return table, None
        count, horizon = len(self.known_ahead), self.shape.horizon
        measured = np.flatnonzero(np.isfinite(values[:, :-count]).all(axis=1))
        if not len(measured):
            return table, None
        end = int(measured[-1]) + 1
        stamps, ahead = arrow.to_numpy(table["timestamp"]), values[end : end + horizon, -count:]
        upcoming = stamps[end - 1] + np.arange(1, horizon + 1) * self.step.delta
        are_there = np.array_equal(stamps[end : end + horizon], upcoming)
        if not are_there or not np.isfinite(ahead).all():
            raise UserError(
                f"{name}: the model needs {' and '.join(self.known_ahead)} for each of the "
                f"{horizon} {self.step.nouns} after {format_minute(table['timestamp'][end - 1])}, "
                "the last one with a reading; add rows that have no power, but these values"
            )
        return table[:end], ahead

    def _inputs(
        self, table: pa.Table, stamps: Times, values: Values, ahead: Values | None = None
    ) -> Inputs:
        """Return what forecasts read of the complete steps of `table`."""
        return Inputs.of(
            stamps,
            values,
            self._columns,
            step=self.step,
            horizon=self.shape.horizon,
            timezone=table["timestamp"].type.tz,
            ahead=ahead,
        )

    def _power(
        self, inputs: Inputs, starts: Starts, wanted: Sequence[float] | None
    ) -> dict[str, Float32]:
        """Return mean and quantiles, or the only forecast: (windows, horizon) each."""
        forecast = inference.predict(self._session, inputs, starts)
        if forecast.quantiles is None:
            return {"forecast_kw": forecast.mean}
        columns = {"mean_kw": forecast.mean}
        if wanted is not None:
            return columns | {
                f"{column_name(level)}_kw": quantile(forecast.quantiles, self.levels, level)
                for level in wanted
            }
        columns["median_kw"] = forecast.median
        return columns | named_intervals(forecast.quantiles, self.levels, "_kw")


def _restore_zone(table: pa.Table, rows: pa.Table) -> pa.Table:
    """Return `rows` with their UTC times in the time zone of `table`, if it has one."""
    kind = table.schema.field("timestamp").type
    return rows.set_column(0, "timestamp", rows["timestamp"].cast(kind))


def _check_gaps(stamps: pa.ChunkedArray, known: Mask, step: Step, *, name: str) -> None:
    """Raise UserError if a step of the lookback is missing."""
    requirement = (
        f"the model reads {len(stamps)} {step.nouns} in a row, up to {format_minute(stamps[-1])}"
    )
    unknown = np.flatnonzero(~known)
    if len(unknown):
        raise UserError(
            f"{name}: {step.noun} {format_minute(stamps[unknown[-1]])} has no value; {requirement}"
        )
    gaps = np.flatnonzero(np.diff(arrow.to_numpy(stamps)) != step.delta)
    if len(gaps):
        before, after = stamps[gaps[-1]], stamps[gaps[-1] + 1]
        raise UserError(
            f"{name}: no reading between {format_minute(before)} and {format_minute(after)}; "
            f"{requirement}"
        )
