"""Read the rows of a delimited text as numbers and times, in the order of the text."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from household.core import arrow
from household.core.errors import UserError
from household.core.schema import TARGET, Float64, Mask
from household.readings import header, lines, numbers, timestamps
from household.readings.order import Readings
from household.readings.rows import split_lines
from household.readings.text_format import TextFormat

# Columns outside the layout that name the sensor of one home, or the meter, in lower case.
SENSORS = (
    *("entity_id", "statistic_id", "sensor_id", "sensor", "device_id", "device"),
    *("_field", "series", "topic", "uuid"),
)
METERS = (
    *("dataid", "lclid", "meter_id", "meter", "meterid", "household_id", "house_id"),
    *("customer_id", "mpan", "prm"),
)
# Number of names to collect from such a column, enough to tell that there are several.
MOST_NAMES = 3
REASONS = {
    "time": "the time is not {}",
    "number": "a value is neither a number nor in the layout's null_values",
    "skipped": "the time does not exist in {}, where clocks skip it",
    "duplicate": "another reading has the same time and other values",
    "out_of_order": "not in time order",
}
# Reports a bad line by its fault, its number, the reason and its text.
Reject = Callable[[str, int, str, bytes], None]


class Rows(NamedTuple):
    """Hold the readings of some lines.

    Attributes:
        readings: The readings. Their times are as in the text, less their offset if they have one
            and the layout has a time zone.
        numbers: The numbers of the lines: (readings,).
        meters: The meter of each reading, if a column names it.
        are_utc: Whether each time is in UTC: (readings,).
    """

    readings: Readings
    numbers: npt.NDArray[np.int64]
    meters: pa.Array | None
    are_utc: Mask

    def select(self, rows: Mask) -> "Rows":
        """Return some of the readings."""
        meters = None if self.meters is None else self.meters.filter(pa.array(rows))
        return Rows(self.readings.select(rows), self.numbers[rows], meters, self.are_utc[rows])


class RowReader:
    """Read the rows of a text once: iterate over it for Rows without bad lines and bad values.

    Attributes:
        entities: Columns that name the sensor or meter of a reading, with the first names in each.
        meter_columns: The columns that are each the power or energy of a meter.
        meters: The names in the column that names the meter, also of meters that are not read.
        good_lines: Number of lines with a time, also of meters that are not read.
        offset: Offset from UTC of the last timestamp read, such as +01:00; None if it has none.
    """

    def __init__(self, text: lines.Text, layout: TextFormat, name: str, reject: Reject) -> None:
        """Prepare to read a text.

        Args:
            text: The text, at its start.
            layout: How the text is written.
            name: The name of the text in messages.
            reject: Reports a bad line.
        """
        self._text, self._layout, self._name, self._reject = text, layout, name, reject
        self.entities: dict[str, list[str]] = {}
        self.meter_columns: list[str] = []
        self.offset: str | None = None
        self.meters: dict[str, None] = {}
        self.good_lines = 0
        self._offsets: set[float] = set()
        self._first_line, self._lines = 1, list[bytes]()  # of the block that is being read

    def __iter__(self) -> Iterator[Rows]:
        found = header.find_header(self._text, self._layout, self._name)
        names = found.names
        for block, line in lines.iter_line_blocks(self._text, self._name, found.line + 1):
            for part, first_line, new_names in self._parts(block, line, found.line > 0):
                names = new_names or names
                if rows := self._read(part, first_line, names):
                    yield rows

    def _parts(
        self, block: bytes, line: int, has_header: bool
    ) -> Iterator[tuple[bytes, int, list[str]]]:
        """Split a block at headers in it, as where several files have been joined.

        Yields:
            Lines, the number of the first of them, and the names in the header before them, [] if
            there is none.
        """
        if self._layout.comment:
            block = re.sub(
                rb"(?m)^" + re.escape(self._layout.comment.encode()) + rb".*$", b"", block
            )
        name, names, begin = self._layout.time_columns[0].encode(), list[str](), 0
        if has_header and name and name in block:
            for match in re.finditer(rb"(?m)^.*" + re.escape(name) + rb".*$", block):
                new_names, absent = header.parse_header(match[0], self._layout)
                if not absent:
                    yield block[begin : match.start()], line, names
                    line += block[begin : match.end() + 1].count(b"\n")
                    begin, names = match.end() + 1, new_names
        yield block[begin:], line, names

    def _read(self, block: bytes, line: int, names: list[str]) -> Rows | None:
        """Return the readings in some lines."""
        layout = self._layout
        if not block:
            return None
        if layout.has_column_per_meter:
            self.meter_columns = header.meter_columns(names, layout)
        columns = [*layout.time_columns, *self._value_columns, *filter(None, [layout.meter])]
        entities = [
            name for name in names if name.lower() in SENSORS + METERS and names.count(name) == 1
        ]
        entities = [name for name in entities if name not in columns]
        split = split_lines(
            block,
            names,
            [*columns, *entities],
            delimiter=layout.delimiter,
            name=self._name,
            line=line,
        )
        self._first_line, self._lines = line, block.split(b"\n")
        offsets_of_lines = np.delete(
            np.arange(len(self._lines) - 1), [row.number - 1 for row in split.malformed]
        )
        malformed = split.malformed
        if layout.header and line == 1 and len(offsets_of_lines):
            # Lines before the first row are about the export.
            malformed = [row for row in malformed if row.number > offsets_of_lines[0]]
        self._reject_malformed(malformed)
        self._collect_entities(split.table.select(entities))
        return self._parse(split.table, line + offsets_of_lines[: split.table.num_rows], columns)

    @property
    def _value_columns(self) -> list[str]:
        if self._layout.has_column_per_meter:
            return self.meter_columns
        return self._layout.headers[len(self._layout.time_columns) :]

    def _parse(
        self, table: pa.Table, numbers_of_lines: npt.NDArray[np.int64], columns: list[str]
    ) -> Rows | None:
        """Return the readings in the columns of some lines, which are strings."""
        layout = self._layout
        texts = pc.binary_join_element_wise(
            *(pc.utf8_trim_whitespace(table[column]) for column in layout.time_columns), " "
        )
        stamps, are_utc = timestamps.parse(texts, layout.time_format, layout.timezone)
        parsed = [self._parse_column(table, name) for name in self._quantities]
        is_wrong = np.any([wrong for _, wrong in parsed], axis=0)
        kinds = np.where(np.isnat(stamps), "time", np.where(is_wrong, "number", ""))
        # An empty line is neither a reading nor a fault.
        is_blank = np.all([arrow.to_numpy(pc.equal(table[each], "")) for each in columns], axis=0)
        self.reject_rows(np.where(is_blank, "", kinds), numbers_of_lines)
        is_good = (kinds != "time") & ~is_blank
        self.good_lines += int(is_good.sum())
        meters = None
        if layout.meter:
            meters = pc.utf8_trim_whitespace(table[layout.meter]).combine_chunks()
            self.meters.update(dict.fromkeys(meters.unique().to_pylist()))
            if layout.meter_names:
                is_good &= arrow.to_numpy(pc.is_in(meters, pa.array(layout.meter_names)))
        values = np.column_stack([values for values, _ in parsed])
        rows = Rows(Readings(stamps, values), numbers_of_lines, meters, are_utc).select(is_good)
        if not len(rows.numbers):
            return None
        last_text = texts[int(np.flatnonzero(is_good)[-1])].as_py()
        if not layout.timezone:
            self.offset = timestamps.parse_offset(last_text, layout.time_format)
            self._check_offsets(texts.filter(pa.array(is_good)))
        return rows

    def _check_offsets(self, texts: pa.ChunkedArray) -> None:
        """Raise UserError if the offset from UTC changes, since the local time then jumps."""
        if self.offset is None or self._layout.time_format != "iso":
            return
        shifts = timestamps.offsets(texts)
        self._offsets.update(np.unique(shifts[np.isfinite(shifts)]).tolist())
        if len(self._offsets) > 1:
            other = int(np.argmax(np.isfinite(shifts) & (shifts != shifts[0])))
            raise UserError(
                f"{self._name}: the offset from UTC changes, as when clocks do (such as at "
                f"{texts[other].as_py()}); set parse.layout.timezone to the zone of the meter, "
                "such as Europe/Paris"
            )

    @property
    def _quantities(self) -> list[str]:
        """Return the columns of values: of the layout, or those of the meters."""
        return self.meter_columns or list(self._layout.columns)

    def _parse_column(self, table: pa.Table, name: str) -> tuple[Float64, Mask]:
        headers = self._layout.columns.get(name, (name,))
        is_target = name == TARGET or bool(self.meter_columns)
        terms = [(table[each.removeprefix("-")], each.startswith("-")) for each in headers]
        factor = self._layout.factor if is_target else self._layout.factors.get(name, 1.0)
        return numbers.parse_sum(terms, self._layout, factor)

    def _reject_malformed(self, malformed: Sequence[Any]) -> None:
        """Reject the lines with a wrong number of fields."""
        for row in malformed:
            if row.text.strip():
                reason = f"{row.actual_columns} fields, expected {row.expected_columns}"
                line = self._first_line + row.number - 1
                self._reject("fields", line, reason, row.text.encode())

    def reject_rows(
        self, kinds: npt.NDArray[np.str_], numbers_of_lines: npt.NDArray[np.int64]
    ) -> None:
        """Reject the rows that have a fault: its kind is "" for none."""
        form = self._layout.time_format
        expected = timestamps.FORMATS.get(form, f"in the format {form}")
        for row in np.flatnonzero(kinds != "").tolist():
            kind, number = str(kinds[row]), int(numbers_of_lines[row])
            place = number - self._first_line
            text = self._lines[place] if 0 <= place < len(self._lines) else b""
            reason = REASONS[kind].format(self._layout.timezone if kind == "skipped" else expected)
            self._reject("time" if kind == "skipped" else kind, number, reason, text)

    def _collect_entities(self, rows: pa.Table) -> None:
        """Keep the first names in each column that names sensors."""
        for column in rows.column_names:
            names = pc.utf8_trim_whitespace(rows[column]).unique().to_pylist()
            known = self.entities.setdefault(column, [])
            new = [name for name in names if name and name not in known]
            known += new[: MOST_NAMES - len(known)]
