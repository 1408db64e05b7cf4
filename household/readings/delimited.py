"""Read the delimited text of any meter or app, in a layout described by parameters."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from household.core import arrow, schema
from household.core.errors import UserError
from household.core.schema import TARGET, Float64, Mask, Times
from household.core.step import Step
from household.readings import fields, lines
from household.readings.header import parse_header
from household.readings.lines import TextReader
from household.readings.text_format import TextFormat

# Columns outside the layout that name the sensor or meter of a reading.
ENTITIES = ("entity_id", "statistic_id", "sensor_id", "device_id", "meter_id")
# Number of names to collect from such a column, enough to tell that there are several.
MOST_NAMES = 3
REASONS = {
    "time": "the time is not {}",
    "number": "a value is not a number",
    "duplicate": "duplicate time",
    "out_of_order": "not in time order",
}


SCHEMA = pa.schema([schema.TIMESTAMP, *(pa.field(name, pa.float64()) for name in schema.NAMES)])


class DelimitedReader(TextReader):
    """Read a text in any layout, with nulls in the columns that the layout lacks.

    Its tables have float64 in place of float32, since the readings are still to be averaged.
    """

    def __init__(self, text: lines.Text, layout: TextFormat, step: Step, **options: Any) -> None:
        """Prepare to read a text.

        Args:
            text: The text, at its start.
            layout: How the text is written.
            step: The step into which the readings are to be averaged.
            **options: As in `household.readings.lines.TextReader`.
        """
        super().__init__(text, layout, **options)
        self._step = step
        self._last = np.datetime64(lines.BEFORE_ALL, "ms")

    def _tables(self) -> Iterator[pa.Table]:
        header = self._header()
        line = 2
        for block in lines.iter_line_blocks(self._text, self._name):
            yield self._table(*self._readings(block, header, line))
            line += block.count(b"\n")

    def _header(self) -> list[str]:
        line = self._text.readline(lines.BLOCK_BYTES)
        header, absent = parse_header(line, self.layout)
        if absent:
            expected = self.layout.headers
            raise UserError(
                f"{self._name} line 1: header must contain {', '.join(expected)} exactly once, "
                f"separated by {self.layout.delimiter!r}; missing or repeated: "
                f"{', '.join(absent)} (found {lines.preview(line)}). Correct parse.layout "
                "(docs/meters.md)"
            )
        return header

    def _readings(self, block: bytes, header: list[str], line: int) -> tuple[Times, Float64]:
        """Return times (readings,) and values (readings, columns), NaN where missing."""
        layout = self.layout
        columns = layout.headers
        others = [name for name in header if name.lower() in ENTITIES and header.count(name) == 1]
        entities = [name for name in others if name not in columns]
        rows, malformed = self._rows(block, header, [*columns, *entities], line=line)
        self._collect_entities(rows.select(entities))
        texts = pc.binary_join_element_wise(*(rows[column] for column in layout.time_columns), " ")
        stamps = fields.parse_timestamps(texts, layout.time_format)
        numbers = [
            fields.parse_sum(
                [(rows[header.removeprefix("-")], header.startswith("-")) for header in headers],
                layout,
                layout.factor if name == TARGET else 1.0,
            )
            for name, headers in layout.columns.items()
        ]
        kinds = self._classify(stamps, [wrong for _, wrong in numbers])
        # An empty line is neither a reading nor a fault.
        blank = np.all([arrow.to_numpy(pc.equal(rows[column], "")) for column in columns], axis=0)
        good = (kinds == "") & ~blank
        self._reject_rows(np.where(blank, "", kinds), block, line, malformed=malformed)
        stamps = stamps[good]
        values = np.column_stack([values for values, _ in numbers])[good]
        if len(stamps):
            self._last = stamps[-1]
            self.offset = fields.parse_utc_offset(
                texts[int(np.flatnonzero(good)[-1])].as_py(), layout.time_format
            )
        return stamps, values

    def _reject_rows(
        self, kinds: npt.NDArray[np.str_], block: bytes, line: int, *, malformed: list[Any]
    ) -> None:
        """Reject the rows with a wrong number of fields, and then those with another fault.

        Args:
            kinds: The fault of each other row, "" for none.
            block: The text of the rows.
            line: The line of the first.
            malformed: The rows with a wrong number of fields.
        """
        for row in malformed:
            if row.text.strip():
                reason = f"{row.actual_columns} fields, expected {row.expected_columns}"
                self._reject("fields", line + row.number - 1, reason, text=row.text.encode())
        faulty = np.flatnonzero(kinds != "")
        if not len(faulty):
            return
        form = self.layout.time_format
        expected = fields.FORMATS.get(form, f"in the format {form}")
        texts = block.split(b"\n")
        line_numbers = np.delete(np.arange(len(texts)), [row.number - 1 for row in malformed])
        for i, kind in zip(line_numbers[faulty].tolist(), kinds[faulty].tolist(), strict=True):
            self._reject(kind, line + i, REASONS[kind].format(expected), text=texts[i])

    def _collect_entities(self, rows: pa.Table) -> None:
        """Keep the first names in each column that names sensors."""
        for column in rows.column_names:
            names = pc.utf8_trim_whitespace(rows[column]).unique().to_pylist()
            known = self.entities.setdefault(column, [])
            new = [name for name in names if name and name not in known]
            known += new[: MOST_NAMES - len(known)]

    def _rows(
        self, block: bytes, header: list[str], columns: list[str], *, line: int
    ) -> tuple[pa.Table, list[Any]]:
        """Return `columns` as strings, and the rows with a wrong number of fields."""
        malformed: list[Any] = []

        def skip_row(row: Any) -> str:
            malformed.append(row)
            return "skip"

        # pyarrow would also end a line at a lone \r.
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b" ")
        size = 2 * len(block)
        try:
            rows = pa.csv.read_csv(
                pa.py_buffer(block),
                # With several threads pyarrow does not number the rows.
                pa.csv.ReadOptions(column_names=header, block_size=size, use_threads=False),
                pa.csv.ParseOptions(
                    delimiter=self.layout.delimiter,
                    ignore_empty_lines=False,
                    invalid_row_handler=skip_row,
                ),
                pa.csv.ConvertOptions(
                    include_columns=columns,
                    column_types=dict.fromkeys(columns, pa.string()),
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            end = line + block.count(b"\n") - 1
            raise UserError(
                f"{self._name} lines {line} to {end}: not delimited UTF-8 text ({error})"
            ) from None
        return rows, malformed

    def _classify(self, stamps: Times, wrong: list[Mask]) -> npt.NDArray[np.str_]:
        """Return the fault of each reading, "" if it has none."""
        kinds = np.full(len(stamps), "", "U12")
        # A time that cannot be read must not make the readings after it look out of order.
        known = np.where(np.isnat(stamps), np.datetime64(lines.BEFORE_ALL, "ms"), stamps)
        earlier = np.maximum.accumulate(np.append(self._last, known))[:-1]
        self._measure_interval(np.sort(stamps[~np.isnat(stamps)]))
        # Of several readings in a step, two may have the same time.
        if self.interval and self.interval >= self._step.minutes * 60_000:
            kinds[stamps == earlier] = "duplicate"
        kinds[stamps < earlier] = "out_of_order"
        kinds[np.isnat(stamps)] = "time"
        kinds[np.any(wrong, axis=0)] = "number"
        return kinds

    def _table(self, stamps: Times, values: Float64) -> pa.Table:
        by_name = dict(zip(self.layout.columns, values.T, strict=True))
        columns = [
            pa.array(by_name[name], from_pandas=True)
            if name in by_name
            else pa.nulls(len(stamps), pa.float64())
            for name in schema.NAMES
        ]
        return pa.table([pa.array(stamps.astype("datetime64[ms]")), *columns], SCHEMA)
