"""Read the delimited text of any meter or app, in a layout described by parameters."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from household.core import arrow, schema
from household.core.errors import UserError
from household.core.schema import TARGET
from household.readings import archive, lines

NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"
# A timestamp as ISO 8601: date and local time, then a fraction and an offset, which are dropped.
ISO = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(:[0-9]{2})?).*$"
ZONE = re.compile(r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$")
TICKS = {"epoch": 1, "epoch_ms": 1000}
UTC = "+00:00"
# Descriptions for messages of the formats that are not strptime formats.
FORMATS = {
    "iso": "written like 2007-03-31 23:59",
    "epoch": "a number of seconds since 1970",
    "epoch_ms": "a number of milliseconds since 1970",
}
# Columns outside the layout that name the sensor or meter of a reading.
ENTITIES = ("entity_id", "statistic_id", "sensor_id", "device_id", "meter_id")
# Number of names to collect from such a column, enough to tell that there are several.
MOST_NAMES = 3
HINTS = {"minute": "set parse.layout.resample_to_minutes to true to average them"}


class TextFormat(NamedTuple):
    """Describe how a text of readings is written; see `parse.layout` in params.yaml."""

    delimiter: str
    decimal: str
    time_columns: tuple[str, ...]
    time_format: str
    columns: Mapping[str, str]  # header by column name, without the columns that the meter lacks
    kw_per_unit: float
    null_values: tuple[str, ...]
    resample_to_minutes: bool

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "TextFormat":
        """Return the layout of a record as in params.yaml, where a missing column is null."""
        columns = {name: header for name, header in record["columns"].items() if header}
        tuples = {
            "time_columns": tuple(record["time_columns"]),
            "null_values": tuple(record["null_values"]),
        }
        return cls(**{**record, **tuples, "columns": columns})


UCI_FORMAT = TextFormat(
    delimiter=";",
    decimal=".",
    time_columns=("Date", "Time"),
    time_format="%d/%m/%Y %H:%M:%S",
    columns={column.name: column.source for column in schema.COLUMNS},
    kw_per_unit=1.0,
    null_values=("?", ""),
    resample_to_minutes=False,
)


class DelimitedReader:
    """Read a text in `layout` once from start to end.

    Iterate over it for tables of schema.SCHEMA in time order, with nulls in the columns that the
    layout lacks. Bad lines are handled as by `household.readings.uci.UciReader`.

    Attributes:
        skipped: Number of bad lines skipped, by fault.
        offset: Offset from UTC of the last timestamp read, such as +01:00; None if the text has
            none.
        entities: Columns that name the sensor or meter of a reading, with the first names in each.
    """

    def __init__(
        self,
        text: lines.Text,
        layout: TextFormat,
        *,
        skip: bool,
        name: str = archive.TEXT_NAME,
        remedy: str = lines.DEFAULT_REMEDY,
        hints: Mapping[str, str] = HINTS,
    ) -> None:
        """Prepare to read a text.

        Args:
            text: The text, at its start.
            layout: How the text is written.
            skip: Whether to skip bad lines instead of raising UserError.
            name: The name of the text in messages.
            remedy: What messages advise to do about a bad line.
            hints: Further advice by fault.
        """
        self.skipped: Counter[str] = Counter()
        self.offset: str | None = None
        self._text, self._layout, self._skip = text, layout, skip
        self.entities: dict[str, list[str]] = {}
        self._name, self._remedy, self._hints = name, remedy, hints
        self._last = np.datetime64(lines.BEFORE_ALL, "ms")

    def __iter__(self) -> Iterator[pa.Table]:
        header = self._header()
        line, pending, has_readings = 2, None, False
        for block in lines.iter_line_blocks(self._text, self._name):
            stamps, values = self._readings(block, header, line)
            line += block.count(b"\n")
            if self._layout.resample_to_minutes:
                if pending is not None:
                    stamps, values = np.append(pending[0], stamps), np.vstack([pending[1], values])
                minutes = stamps.astype("datetime64[m]")
                # The last minute may continue in the next block.
                n_complete = int(np.searchsorted(minutes, minutes[-1])) if len(minutes) else 0
                pending = stamps[n_complete:], values[n_complete:]
                stamps, values = resample_to_minutes(stamps[:n_complete], values[:n_complete])
            if len(stamps):
                has_readings = True
                yield self._table(stamps, values)
        if pending is not None and len(pending[0]):
            has_readings = True
            yield self._table(*resample_to_minutes(*pending))
        if not has_readings:
            raise UserError(f"{self._name}: header but no readings")

    def _header(self) -> list[str]:
        line = self._text.readline(lines.BLOCK_BYTES)
        header, absent = parse_header(line, self._layout)
        if absent:
            expected = [*self._layout.time_columns, *self._layout.columns.values()]
            raise UserError(
                f"{self._name} line 1: header must contain {', '.join(expected)} exactly once, "
                f"separated by {self._layout.delimiter!r}; missing or repeated: "
                f"{', '.join(absent)} (found {lines.preview(line)}). Correct parse.layout "
                "(docs/meters.md)"
            )
        return header

    def _readings(
        self, block: bytes, header: list[str], line: int
    ) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
        """Return times (readings,) and values (readings, columns), NaN where missing."""
        layout = self._layout
        columns = [*layout.time_columns, *layout.columns.values()]
        others = [name for name in header if name.lower() in ENTITIES and header.count(name) == 1]
        entities = [name for name in others if name not in columns]
        rows, malformed = self._rows(block, header, [*columns, *entities], line=line)
        for column in entities:
            names = pc.utf8_trim_whitespace(rows[column]).unique().to_pylist()
            known = self.entities.setdefault(column, [])
            new = [name for name in names if name and name not in known]
            known += new[: MOST_NAMES - len(known)]
        for row in malformed:
            if row.text.strip():
                reason = f"{row.actual_columns} fields, expected {len(header)}"
                self._reject("fields", line + row.number - 1, reason, text=row.text.encode())
        texts = pc.binary_join_element_wise(*(rows[column] for column in layout.time_columns), " ")
        stamps = parse_timestamps(texts, layout.time_format)
        numbers = [
            parse_numbers(rows[header], layout, layout.kw_per_unit if name == TARGET else 1.0)
            for name, header in layout.columns.items()
        ]
        kinds = self._classify(stamps, [wrong for _, wrong in numbers])
        # An empty line is neither a reading nor a fault.
        blank = np.all([arrow.to_numpy(pc.equal(rows[column], "")) for column in columns], axis=0)
        good = (kinds == "") & ~blank
        faulty = ~good & ~blank
        if faulty.any():
            lines = block.split(b"\n")
            line_numbers = np.delete(np.arange(len(lines)), [row.number - 1 for row in malformed])
            for row in np.flatnonzero(faulty):
                i, kind = int(line_numbers[row]), str(kinds[row])
                expected = FORMATS.get(layout.time_format, f"in the format {layout.time_format}")
                reason = REASONS[kind].format(expected)
                self._reject(kind, line + i, reason, text=lines[i])
        stamps = stamps[good]
        values = np.column_stack([values for values, _ in numbers])[good]
        if len(stamps):
            self._last = stamps[-1]
            self.offset = parse_utc_offset(
                texts[int(np.flatnonzero(good)[-1])].as_py(), layout.time_format
            )
        return stamps, values

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
                    delimiter=self._layout.delimiter,
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

    def _classify(
        self, stamps: npt.NDArray[np.datetime64], wrong: list[npt.NDArray[np.bool_]]
    ) -> npt.NDArray[np.str_]:
        """Return the fault of each reading, "" if it has none."""
        kinds = np.full(len(stamps), "", "U12")
        # A time that cannot be read must not make the readings after it look out of order.
        known = np.where(np.isnat(stamps), np.datetime64(lines.BEFORE_ALL, "ms"), stamps)
        earlier = np.maximum.accumulate(np.append(self._last, known))[:-1]
        if not self._layout.resample_to_minutes:
            kinds[stamps == earlier] = "duplicate"
            kinds[stamps != stamps.astype("datetime64[m]")] = "minute"
        kinds[stamps < earlier] = "out_of_order"
        kinds[np.isnat(stamps)] = "time"
        kinds[np.any(wrong, axis=0)] = "number"
        return kinds

    def _reject(self, kind: str, line: int, reason: str, *, text: bytes) -> None:
        if not self._skip:
            hint = f"{self._hints[kind]}, or " if kind in self._hints else ""
            raise UserError(
                f"{self._name} line {line}: {reason} in {lines.preview(text)}; {hint}{self._remedy}"
            )
        self.skipped["time" if kind == "minute" else kind] += 1

    def _table(
        self, stamps: npt.NDArray[np.datetime64], values: npt.NDArray[np.float64]
    ) -> pa.Table:
        by_name = dict(zip(self._layout.columns, values.T, strict=True))
        columns = [
            pa.array(by_name[name].astype(np.float32), from_pandas=True)
            if name in by_name
            else pa.nulls(len(stamps), pa.float32())
            for name in schema.NAMES
        ]
        return pa.table([pa.array(stamps.astype("datetime64[ms]")), *columns], schema.SCHEMA)


def parse_header(line: bytes, layout: TextFormat) -> tuple[list[str], list[str]]:
    """Return the fields of a header, and those of the layout that are missing or repeated."""
    text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "backslashreplace").strip()
    header = [name.strip() for name in next(csv.reader([text], delimiter=layout.delimiter), [])]
    expected = [*layout.time_columns, *layout.columns.values()]
    return header, [name for name in expected if header.count(name) != 1]


REASONS = {
    "time": "the time is not {}",
    "minute": "the time is not a whole minute",
    "number": "a value is not a number",
    "duplicate": "duplicate minute",
    "out_of_order": "not in time order",
}


def resample_to_minutes(
    stamps: npt.NDArray[np.datetime64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
    """Average the readings of each minute.

    Args:
        stamps: Times (readings,), in order.
        values: Values (readings, columns), NaN where missing.

    Returns:
        The minutes that have a reading (minutes,), and the mean of each column in them (minutes,
        columns), NaN where no reading has a value.
    """
    minutes, firsts = np.unique(stamps.astype("datetime64[m]"), return_index=True)
    if not len(minutes):
        return minutes, values
    known = np.isfinite(values)
    counts = np.add.reduceat(known, firsts, axis=0, dtype=np.int64)
    sums = np.add.reduceat(np.where(known, values, 0), firsts, axis=0)
    return minutes, np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def parse_timestamps(texts: pa.ChunkedArray, form: str) -> npt.NDArray[np.datetime64]:
    """Return each text as a time (rows,) to the millisecond, NaT where it is not valid.

    Args:
        texts: Timestamps as text.
        form: "iso", "epoch", "epoch_ms" or a format of strptime.
    """
    if form in TICKS:
        ticks = parse_floats(texts)
        known = np.abs(ticks) < 1e15
        milliseconds = (np.where(known, ticks, 0) * (1000 / TICKS[form])).round()
        stamps = milliseconds.astype(np.int64).astype("datetime64[ms]")
        return np.where(known, stamps, np.datetime64("NaT", "ms"))
    if form == "iso":
        texts = pc.replace_substring_regex(texts, ISO, r"\1 \2")
        without_seconds = pc.match_substring_regex(texts, r" [0-9]{2}:[0-9]{2}$")
        texts = pc.if_else(without_seconds, pc.binary_join_element_wise(texts, "00", ":"), texts)
        form = "%Y-%m-%d %H:%M:%S"
    parsed = pc.strptime(texts, format=form, unit="ms", error_is_null=True)
    stamps = np.array(parsed.to_numpy())
    # Arrow reads 31 February as 3 March. Python refuses it.
    first_days = np.flatnonzero(arrow.to_numpy(pc.less_equal(pc.day(parsed), 3).fill_null(False)))
    for row in first_days:
        try:
            datetime.strptime(texts[int(row)].as_py(), form)
        except ValueError:
            stamps[row] = np.datetime64("NaT")
    return stamps


def parse_utc_offset(text: str, form: str) -> str | None:
    """Return the offset from UTC of a timestamp, such as +01:00; None if it has none.

    Args:
        text: The timestamp.
        form: Its format, as in `parse_timestamps`.
    """
    if form in TICKS or "%z" in form:
        return UTC
    offset = ZONE.search(text.strip()) if form == "iso" else None
    if not offset:
        return None
    digits = offset[1].replace("Z", "+00").replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"


def parse_numbers(
    texts: pa.ChunkedArray, layout: TextFormat, factor: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Parse numbers.

    Args:
        texts: The numbers as text.
        layout: The decimal separator and the texts of a missing value.
        factor: What to multiply each number by.

    Returns:
        The numbers (rows,), NaN where missing, and whether each text is neither a number nor
        missing.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = arrow.to_numpy(pc.is_in(trimmed, pa.array(layout.null_values, pa.string())))
    if layout.decimal == ",":
        # A point may then separate thousands, so refuse it rather than guess.
        trimmed = pc.replace_substring(pc.replace_substring(trimmed, ".", "point"), ",", ".")
    numbers = parse_floats(trimmed) * factor
    is_valid = np.abs(numbers) <= lines.FLOAT32_MAX
    return np.where(missing, np.nan, numbers), ~is_valid & ~missing


def parse_floats(texts: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Return each text as a number, NaN where it is not one."""
    is_number = pc.match_substring_regex(texts, NUMBER)
    return arrow.to_numpy(pc.if_else(is_number, texts, None).cast(pa.float64()).fill_null(np.nan))
