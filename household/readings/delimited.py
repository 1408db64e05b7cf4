"""Read the delimited text of any meter or app, in a layout described by parameters."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from household.core import arrow, schema
from household.core.errors import UserError
from household.core.schema import TARGET, Mask, Times
from household.core.step import Step
from household.readings import intervals, lines, order, timestamps
from household.readings.lines import TextReader
from household.readings.order import Readings
from household.readings.row_reader import RowReader, Rows
from household.readings.text_format import TextFormat


class UnsortedError(Exception):
    """Signal that a text is no series in time order, so that `collect` has to read all of it."""


class DelimitedReader(TextReader):
    """Read a text in any layout, with nulls in the columns that the layout lacks.

    Its tables have float64 in place of float32, since the readings are still to be averaged.
    """

    def __init__(
        self,
        text: lines.Text,
        layout: TextFormat,
        step: Step,
        *,
        live: bool = False,
        **options: Any,
    ) -> None:
        """Prepare to read a text.

        Args:
            text: The text, at its start.
            layout: How the text is written.
            step: The step into which the readings are to be averaged.
            live: Whether the text is still being written, so that readings out of order are bad
                lines. Otherwise the first of them raises UnsortedError.
            **options: As in `household.readings.lines.TextReader`.
        """
        super().__init__(text, layout, **options)
        self._milliseconds, self._live = step.minutes * 60_000, live
        self._clock = None
        if layout.timezone:
            self._clock = timestamps.Clock(layout.timezone, are_ends=layout.stamp == "end")
        self._last: Readings | None = None  # the reading before the next block
        columns = len(layout.columns)
        self._pending = Readings(np.zeros(0, "datetime64[ms]"), np.zeros((0, columns)))
        self._last_stamp: np.datetime64 | None = None  # its time as in the text
        self._rows = RowReader(text, layout, self.name, self._reject)

    def _tables(self) -> Iterator[pa.Table]:
        if self.layout.has_several_meters and self._live:
            raise UserError(f"{self.name}: the layout is of several meters; watch a text of one")
        if self.layout.has_several_meters:
            raise UnsortedError
        for rows in self._measured_rows():
            yield to_table(self._in_order(rows), self.layout)
        yield to_table(order.average_equal_times(self._pending), self.layout)

    def collect(self) -> dict[str, Readings]:
        """Read all of the text; return the readings of each meter in time order.

        The name of a single meter is "". Raises UserError as iterating over the reader does.
        """
        parts = defaultdict[str, list[Rows]](list)
        for rows in self._measured_rows():
            for meter, part in self._by_meter(rows):
                parts[meter].append(part)
        if not parts:
            raise UserError(f"{self.name}: header but no readings")
        return {meter: self._sorted(meter, parts[meter]) for meter in sorted(parts)}

    def _by_meter(self, rows: Rows) -> Iterator[tuple[str, Rows]]:
        if self.layout.has_column_per_meter:
            for column, meter in enumerate(self._rows.meter_columns):
                values = rows.readings.values[:, [column]]
                yield meter, rows._replace(readings=Readings(rows.readings.stamps, values))
        elif rows.meters is None or not self.layout.has_several_meters:
            yield "", rows
        else:
            for meter in rows.meters.unique().to_pylist():
                yield meter, rows.select(arrow.to_numpy(pc.equal(rows.meters, meter)))

    def _sorted(self, meter: str, parts: Sequence[Rows]) -> Readings:
        stamps = np.concatenate([part.readings.stamps for part in parts])
        values = np.concatenate([part.readings.values for part in parts])
        numbers_of_lines = np.concatenate([part.numbers for part in parts])
        ahead = slice(None, None, -1 if order.are_newest_first(stamps) else 1)
        readings = Readings(stamps[ahead], values[ahead])
        are_utc = np.concatenate([part.are_utc for part in parts])
        rows = Rows(readings, numbers_of_lines[ahead], None, are_utc[ahead])
        self._last_stamp = None
        # That of the whole text would be shorter, where several meters take turns.
        interval = intervals.usual_interval(np.sort(stamps)) or self._milliseconds
        readings = self._on_clock(rows, interval).readings
        name = f"{self.name}: {meter}" if meter else self.name
        return order.sort(readings, name, average=self._may_average(interval))

    def _measured_rows(self) -> Iterator[Rows]:
        """Yield the rows of the text, once the usual interval is known from the first of them."""
        has_rows, waiting = False, list[Rows]()
        for rows in self._rows:
            has_rows = True
            self.offset, self.entities = self._rows.offset, self._rows.entities
            self.good_lines = self._rows.good_lines
            waiting.append(rows)
            if self.interval is None:
                stamps = np.concatenate([part.readings.stamps for part in waiting])
                self._measure_interval(np.sort(stamps))
            if self.interval or self._live:
                yield from waiting
                waiting = []
        yield from waiting
        if not has_rows and self.layout.meter_names:
            raise UserError(
                f"{self.name}: no reading of {', '.join(self.layout.meter_names)} in the column "
                f"{self.layout.meter}, which has {', '.join(list(self._rows.meters)[:12])}; "
                "correct parse.layout.meter_names"
            )

    def _may_average(self, interval: int) -> bool:
        """Return whether readings with the same time may differ, as several in a step do."""
        return self.layout.quantity == "power" and interval < self._milliseconds

    def _on_clock(self, rows: Rows, interval: int) -> Rows:
        """Return rows with times in UTC if the layout has a time zone, and with 24:00 as such."""
        local, values = rows.readings.stamps[~rows.are_utc], rows.readings.values
        if not len(local):
            return rows
        last = local[0] if self._last_stamp is None else self._last_stamp
        self._last_stamp = local[-1]
        local = order.move_midnights(local, last, interval)
        stamps = rows.readings.stamps.copy()
        stamps[~rows.are_utc] = self._clock.to_utc(local, interval) if self._clock else local
        if not self._clock:
            return rows._replace(readings=Readings(stamps, values))
        is_skipped = np.isnat(stamps)
        # Some exports write lines without a value for the hour that clocks skip.
        has_value = np.isfinite(values).any(axis=1)
        self._rows.reject_rows(np.where(is_skipped & has_value, "skipped", ""), rows.numbers)
        return rows._replace(readings=Readings(stamps, values)).select(~is_skipped)

    def _in_order(self, rows: Rows) -> Readings:
        """Return readings whose times increase and come after those of earlier blocks."""
        interval = self.interval or self._milliseconds
        rows = self._on_clock(rows, interval)
        (stamps, values), average = rows.readings, self._may_average(interval)
        if not len(stamps):
            return rows.readings
        before = self._last or Readings(stamps[:1] - np.timedelta64(1, "D"), values[:1])
        earlier = np.maximum.accumulate(np.append(before.stamps, stamps))[:-1]
        is_late, is_repeated = stamps < earlier, stamps == earlier
        is_same = order.equals_first(
            np.vstack([before.values, values]), np.append(True, stamps > earlier)
        )[1:]
        is_duplicate = is_repeated & ~is_same & (not average)
        self._check_hour(stamps, earlier, is_late | is_duplicate)
        if is_late.any() and not self._live:
            raise UnsortedError
        kinds = np.where(is_late, "out_of_order", np.where(is_duplicate, "duplicate", ""))
        self._rows.reject_rows(kinds, rows.numbers)
        # What a text that is being written repeats may already have been returned.
        is_kept = ~is_repeated | (average & ~(is_same & self._live))
        readings = rows.readings.select((kinds == "") & is_kept)
        if len(readings.stamps):
            self._last = readings.select(slice(-1, None))
        return self._average(readings) if average else readings

    def _average(self, readings: Readings) -> Readings:
        """Return readings, each time once; keep those with the last time for the next block."""
        if self._live:
            return order.average_equal_times(readings)
        stamps = np.append(self._pending.stamps, readings.stamps)
        readings = Readings(stamps, np.vstack([self._pending.values, readings.values]))
        is_last = stamps == stamps[-1:]
        self._pending = readings.select(is_last)
        return order.average_equal_times(readings.select(~is_last))

    def _check_hour(self, stamps: Times, earlier: Times, is_wrong: Mask) -> None:
        """Raise UserError if times go back by an hour, as when clocks do."""
        if self.layout.timezone or not self.interval or not is_wrong.any():
            return
        first = int(np.flatnonzero(is_wrong)[0])
        # The first rows of a text that begins with the newest go back as well.
        is_in_order = self._last is not None or first > 2
        if is_in_order and order.repeats_hour(earlier[first], stamps[first], self.interval):
            raise UserError(
                f"{self.name}: the hour before {earlier[first].astype('datetime64[m]')} stands "
                "twice, as when clocks go back; set parse.layout.timezone to the zone of the "
                "meter, such as Europe/Paris"
            )


def to_table(readings: Readings, layout: TextFormat) -> pa.Table:
    """Return readings as a table with the columns of `schema.readings`, in float64."""
    names = [TARGET] if layout.has_column_per_meter else layout.columns
    by_name = dict(zip(names, readings.values.T, strict=True))
    columns = [
        pa.array(by_name[name], from_pandas=True)
        if name in by_name
        else pa.nulls(len(readings.stamps), pa.float64())
        for name in layout.names
    ]
    kinds = [schema.TIMESTAMP, *(pa.field(name, pa.float64()) for name in layout.names)]
    return pa.table(
        [pa.array(readings.stamps.astype("datetime64[ms]")), *columns], pa.schema(kinds)
    )
