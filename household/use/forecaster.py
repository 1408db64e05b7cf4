"""A trained model, the folder that the train stage leaves, for readings that it has not seen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from household.forecast import baselines, intervals, runtime, scores, trained, windows
from household.forecast.windows import Starts
from household.meter.export import Layout
from household.meter.series import Values
from household.pipeline import arrays
from household.pipeline.failure import Failure
from household.use import readings
from household.use.growing import Growing
from household.use.readings import MINUTE, minute


class Forecaster:
    """Forecasts the power of the minutes after given readings, in kW, without TensorFlow."""

    def __init__(self, folder: Path) -> None:
        """Loads the model in `folder`; raises Failure where there is none."""
        try:
            model = trained.read(folder, trained.GRAPH, trained.INTERVALS)
            self._session = runtime.load(folder / trained.GRAPH)
            self._intervals = intervals.read(folder / trained.INTERVALS)
            self.shape = runtime.shape(self._session)
            self.features = model.features
            self._trained, record = model, model.record
            self._ranges = {each["name"]: each["range"] for each in record["input"]["features"]}
            self._layout = Layout.of(record["parameters"]["layout"])
            self._gaps: str = record["parameters"]["window"]["gaps"]
        except Failure:
            raise
        # ONNX Runtime raises a class of its own for each kind of file that it does not take.
        except Exception as error:
            raise trained.none_there(folder, error) from None

    def read(self, name: str) -> pa.Table:
        """The readings in a file, or in standard input where that is "-": see `readings.read`."""
        return readings.read(name, self.features, self._layout)

    def stream(self, text: Growing, name: str) -> Iterator[pa.Table]:
        """The readings of a text as they come: see `readings.stream`."""
        return readings.stream(text, name, self.features, self._layout)

    def forecast(self, table: pa.Table, name: str = "readings") -> pa.Table:
        """The `horizon` minutes after the last reading: rows (timestamp, power_kw, low_80_kw, ...).

        From `low_80_kw` to `high_80_kw` the power lies in 80 % of the minutes; the same for 95.

        `table` has (timestamp, features) in time order; the last `lookback` minutes of it are read.
        Raises Failure, in which the readings are called `name`, where they cannot be used.
        """
        stamps, values = readings.checked(table, name, self._ranges)
        known: npt.NDArray[np.bool_] = np.all(np.isfinite(values), axis=1)
        if self._gaps == "join":
            stamps, values, known = stamps[known], values[known], known[known]
        lookback = self.shape.lookback
        if len(stamps) < lookback:
            raise Failure(f"{name}: {len(stamps)} minutes; the model reads the last {lookback}")
        if self._gaps == "break":
            _check_gaps(table["timestamp"][-lookback:], known[-lookback:], name)
        power = self._power(values, np.array([len(values) - lookback], np.int32))
        ahead = stamps[-1:, np.newaxis] + np.arange(1, self.shape.horizon + 1) * MINUTE
        return _restore_zone(table, scores.by_minute(ahead, power))

    def backtest(self, table: pa.Table, name: str = "readings") -> pa.Table:
        """A forecast of every minute that can be: rows (timestamp, power_kw, actual_kw, ...).

        Rows of one window after another, with its `step` where the horizon is more than a minute,
        and persistence beside as `persistence_kw`. Raises Failure as `forecast` does.
        """
        stamps, values = readings.checked(table, name, self._ranges)
        known: npt.NDArray[np.bool_] = np.all(np.isfinite(values), axis=1)
        stamps, values = stamps[known], values[known]
        starts = windows.starts(stamps, self.shape, self._gaps)
        if not len(starts):
            raise Failure(
                f"{name}: {len(stamps)} minutes with all values hold no {self.shape.length + 1} in "
                "a row, the fewest with a forecast and its actual power"
            )
        given = baselines.Given(values, stamps, starts, self.shape)
        columns = self._power(values, starts) | {
            "actual_kw": windows.targets(values, starts, self.shape),
            "persistence_kw": baselines.persistence(given, starts),
        }
        due = stamps[windows.target_minutes(starts, self.shape)]
        return _restore_zone(table, scores.by_minute(due, columns))

    def learnt_from(self, stamps: pa.ChunkedArray) -> int:
        """Count the times in `stamps` that are not after the last one that it was trained on."""
        # Those of the training are of the clock that the readings showed.
        return self._trained.learnt_from(arrays.of(pc.local_timestamp(stamps)))

    def _power(self, values: Values, starts: Starts) -> dict[str, npt.NDArray[np.float32]]:
        """The forecast of each window and its intervals: (windows, horizon) each."""
        power = runtime.forecast(self._session, values, starts)
        if self._intervals is None:  # trained without a validation part
            return {"power_kw": power}
        ends = self._intervals.around(values, starts, self.shape.lookback, power)
        return {"power_kw": power} | intervals.named(*ends, "_kw")


def _restore_zone(table: pa.Table, rows: pa.Table) -> pa.Table:
    """Return `rows` with their times, which are in UTC, in the zone of `table` if it has one."""
    kind = table.schema.field("timestamp").type
    return rows.set_column(0, "timestamp", rows["timestamp"].cast(kind))


def _check_gaps(stamps: pa.ChunkedArray, known: npt.NDArray[np.bool_], name: str) -> None:
    """Raises Failure where a minute of a lookback is missing."""
    reads = f"the model reads {len(stamps)} minutes in a row, up to {minute(stamps[-1])}"
    unknown = np.flatnonzero(~known)
    if len(unknown):
        raise Failure(f"{name}: minute {minute(stamps[unknown[-1]])} has no value; {reads}")
    gaps = np.flatnonzero(np.diff(arrays.of(stamps)) != MINUTE)
    if len(gaps):
        before, after = stamps[gaps[-1]], stamps[gaps[-1] + 1]
        raise Failure(f"{name}: no reading between {minute(before)} and {minute(after)}; {reads}")
