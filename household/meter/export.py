"""Reads what any meter or app exports, by a layout that says how its text is written."""

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

from household.meter import archive, reader, series
from household.pipeline import arrays
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure

NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"
# Of a time as ISO 8601: what a clock at that place shows, and fraction and zone, which are dropped.
ISO = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(:[0-9]{2})?).*$"
ZONE = re.compile(r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$")
TICKS = {"epoch": 1, "epoch_ms": 1000}
UTC = "+00:00"
# What a time has to be in a format that is not one of strptime.
FORMATS = {
    "iso": "written like 2007-03-31 23:59",
    "epoch": "a number of seconds since 1970",
    "epoch_ms": "a number of milliseconds since 1970",
}
# Columns beside those of a layout that name the sensor or the meter of a reading.
ENTITIES = ("entity_id", "statistic_id", "sensor_id", "device_id", "meter_id")
# Of the names in such a column so many are kept, which is enough to know that there are several.
MOST_NAMES = 3
HINTS = {"minute": "set parse.layout.resample to minute, which averages them"}


class Layout(NamedTuple):
    """How a text of readings is written; `parse.layout` in params.yaml explains each."""

    delimiter: str
    decimal: str
    time: tuple[str, ...]
    format: str
    columns: Mapping[str, str]  # of the header, by ours; of those that there are
    kilowatts: float
    missing: tuple[str, ...]
    resample: str | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Layout":
        """From a record as params.yaml has it, in which a column that is not there is null."""
        columns = {name: header for name, header in record["columns"].items() if header}
        lists = {"time": tuple(record["time"]), "missing": tuple(record["missing"])}
        return cls(**{**record, **lists, "columns": columns})


UCI = Layout(
    delimiter=";",
    decimal=".",
    time=("Date", "Time"),
    format="%d/%m/%Y %H:%M:%S",
    columns={column.name: column.source for column in series.COLUMNS},
    kilowatts=1.0,
    missing=("?", ""),
    resample=None,
)


class Export:
    """The minutes of a text in `layout`, read once from start to end.

    Iterating gives tables of series.SCHEMA in time order, null in the columns that the layout has
    not. `offset` is how far the clock of the last reading so far is ahead of UTC, such as +01:00;
    None where the text does not say. `entities` are the columns that name what a reading is of,
    with the first names in them. Bad lines and what `name` and `remedy` are for: see
    `household.meter.reader.Reader`; `hints` are remedies for faults of some kinds.
    """

    def __init__(
        self,
        text: reader.Text,
        layout: Layout,
        *,
        skip: bool,
        name: str = archive.MEMBER,
        remedy: str = reader.REMEDY,
        hints: Mapping[str, str] = HINTS,
    ) -> None:
        self.skipped: Counter[str] = Counter()
        self.offset: str | None = None
        self._text, self._layout, self._skip = text, layout, skip
        self.entities: dict[str, list[str]] = {}
        self._name, self._remedy, self._hints = name, remedy, hints
        self._last = np.datetime64(reader.BEFORE_ALL, "ms")

    def __iter__(self) -> Iterator[pa.Table]:
        header = self._header()
        line, rest, some = 2, None, False
        for block in reader.whole_lines(self._text, self._name):
            stamps, values = self._readings(block, header, line)
            line += block.count(b"\n")
            if self._layout.resample:
                if rest is not None:
                    stamps, values = np.append(rest[0], stamps), np.vstack([rest[1], values])
                minutes = stamps.astype("datetime64[m]")
                # The last minute may go on in the next block.
                whole = int(np.searchsorted(minutes, minutes[-1])) if len(minutes) else 0
                rest = stamps[whole:], values[whole:]
                stamps, values = by_minute(stamps[:whole], values[:whole])
            if len(stamps):
                some = True
                yield self._table(stamps, values)
        if rest is not None and len(rest[0]):
            some = True
            yield self._table(*by_minute(*rest))
        if not some:
            raise Failure(f"{self._name}: no readings below the header; give one that has some")

    def _header(self) -> list[str]:
        line = self._text.readline(reader.BLOCK_BYTES)
        header, absent = fields(line, self._layout)
        if absent:
            due = [*self._layout.time, *self._layout.columns.values()]
            raise Failure(
                f"{self._name} line 1: expected {', '.join(due)}, each once, with "
                f"{self._layout.delimiter!r} between; not so {', '.join(absent)} in "
                f"{reader.shown(line)}; correct parse.layout (docs/meters.md)"
            )
        return header

    def _readings(
        self, block: bytes, header: list[str], line: int
    ) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
        """Times (readings,) and values (readings, columns), NaN for a missing one."""
        layout = self._layout
        due = [*layout.time, *layout.columns.values()]
        others = [name for name in header if name.lower() in ENTITIES and header.count(name) == 1]
        entities = [name for name in others if name not in due]
        rows, left_out = self._rows(block, header, [*due, *entities], line)
        for column in entities:
            names = pc.utf8_trim_whitespace(rows[column]).unique().to_pylist()
            kept = self.entities.setdefault(column, [])
            new = [name for name in names if name and name not in kept]
            kept += new[: MOST_NAMES - len(kept)]
        for row in left_out:
            if row.text.strip():
                reason = f"{row.actual_columns} fields, expected {len(header)}"
                self._fault("fields", line + row.number - 1, reason, row.text.encode())
        when = pc.binary_join_element_wise(*(rows[each] for each in layout.time), " ")
        stamps = times(when, layout.format)
        numbers = [
            number(rows[header], layout, layout.kilowatts if name == TARGET else 1.0)
            for name, header in layout.columns.items()
        ]
        kinds = self._kinds(stamps, [wrong for _, wrong in numbers])
        # An empty line is no reading, and no fault.
        blank = np.all([arrays.of(pc.equal(rows[each], "")) for each in due], axis=0)
        good = (kinds == "") & ~blank
        faulty = ~good & ~blank
        if faulty.any():
            lines = block.split(b"\n")
            places = np.delete(np.arange(len(lines)), [row.number - 1 for row in left_out])
            for row in np.flatnonzero(faulty):
                place, kind = int(places[row]), str(kinds[row])
                expected = FORMATS.get(layout.format, f"in the format {layout.format}")
                reason = REASONS[kind].format(expected)
                self._fault(kind, line + place, reason, lines[place])
        stamps = stamps[good]
        values = np.column_stack([found for found, _ in numbers])[good]
        if len(stamps):
            self._last = stamps[-1]
            self.offset = parse_utc_offset(
                when[int(np.flatnonzero(good)[-1])].as_py(), layout.format
            )
        return stamps, values

    def _rows(
        self, block: bytes, header: list[str], due: list[str], line: int
    ) -> tuple[pa.Table, list[Any]]:
        """The columns `due` as texts, and the rows that have another number of fields."""
        left_out: list[Any] = []

        def leave_out(row: Any) -> str:
            left_out.append(row)
            return "skip"

        # pyarrow would end a line at a lone \r too.
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b" ")
        size = 2 * len(block)
        try:
            rows = pa.csv.read_csv(
                pa.py_buffer(block),
                # In one thread, so that a row knows its number.
                pa.csv.ReadOptions(column_names=header, block_size=size, use_threads=False),
                pa.csv.ParseOptions(
                    delimiter=self._layout.delimiter,
                    ignore_empty_lines=False,
                    invalid_row_handler=leave_out,
                ),
                pa.csv.ConvertOptions(
                    include_columns=due,
                    column_types=dict.fromkeys(due, pa.string()),
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            end = line + block.count(b"\n") - 1
            raise Failure(
                f"{self._name} lines {line} to {end}: no text of this kind ({error}); give UTF-8"
            ) from None
        return rows, left_out

    def _kinds(
        self, stamps: npt.NDArray[np.datetime64], wrong: list[npt.NDArray[np.bool_]]
    ) -> npt.NDArray[np.str_]:
        """Of each reading its fault, "" where there is none."""
        kinds = np.full(len(stamps), "", "U12")
        # Of a time that is none the fault is its own.
        known = np.where(np.isnat(stamps), np.datetime64(reader.BEFORE_ALL, "ms"), stamps)
        earlier = np.maximum.accumulate(np.append(self._last, known))[:-1]
        if not self._layout.resample:
            kinds[stamps == earlier] = "duplicate"
            kinds[stamps != stamps.astype("datetime64[m]")] = "minute"
        kinds[stamps < earlier] = "out_of_order"
        kinds[np.isnat(stamps)] = "time"
        kinds[np.any(wrong, axis=0)] = "number"
        return kinds

    def _fault(self, kind: str, line: int, reason: str, text: bytes) -> None:
        if not self._skip:
            hint = f"{self._hints[kind]}, or " if kind in self._hints else ""
            raise Failure(
                f"{self._name} line {line}: {reason} in {reader.shown(text)}; {hint}{self._remedy}"
            )
        self.skipped["time" if kind == "minute" else kind] += 1

    def _table(
        self, stamps: npt.NDArray[np.datetime64], values: npt.NDArray[np.float64]
    ) -> pa.Table:
        held = dict(zip(self._layout.columns, values.T, strict=True))
        columns = [
            pa.array(held[name].astype(np.float32), from_pandas=True)
            if name in held
            else pa.nulls(len(stamps), pa.float32())
            for name in series.NAMES
        ]
        return pa.table([pa.array(stamps.astype("datetime64[ms]")), *columns], series.SCHEMA)


def fields(line: bytes, layout: Layout) -> tuple[list[str], list[str]]:
    """The fields of a header, and those of the layout that are not there or more than once."""
    text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "backslashreplace").strip()
    found = [each.strip() for each in next(csv.reader([text], delimiter=layout.delimiter), [])]
    due = [*layout.time, *layout.columns.values()]
    return found, [each for each in due if found.count(each) != 1]


REASONS = {
    "time": "the time is not {}",
    "minute": "the time is no whole minute",
    "number": "a value is not a number",
    "duplicate": "the minute stands twice",
    "out_of_order": "the time goes back",
}


def by_minute(
    stamps: npt.NDArray[np.datetime64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
    """The mean of the readings in each minute that has some, of each column; NaN of none."""
    minutes, firsts = np.unique(stamps.astype("datetime64[m]"), return_index=True)
    if not len(minutes):
        return minutes, values
    known = np.isfinite(values)
    counts = np.add.reduceat(known, firsts, axis=0, dtype=np.int64)
    sums = np.add.reduceat(np.where(known, values, 0), firsts, axis=0)
    return minutes, np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def times(texts: pa.ChunkedArray, form: str) -> npt.NDArray[np.datetime64]:
    """Each text as a time, to the millisecond; NaT where it is none."""
    if form in TICKS:
        ticks = floats(texts)
        known = np.abs(ticks) < 1e15
        whole = (np.where(known, ticks, 0) * (1000 / TICKS[form])).round()
        stamps = whole.astype(np.int64).astype("datetime64[ms]")
        return np.where(known, stamps, np.datetime64("NaT", "ms"))
    if form == "iso":
        texts = pc.replace_substring_regex(texts, ISO, r"\1 \2")
        without = pc.match_substring_regex(texts, r" [0-9]{2}:[0-9]{2}$")
        texts = pc.if_else(without, pc.binary_join_element_wise(texts, "00", ":"), texts)
        form = "%Y-%m-%d %H:%M:%S"
    found = pc.strptime(texts, format=form, unit="ms", error_is_null=True)
    stamps = np.array(found.to_numpy())
    # What it makes of 31 February is 3 March; Python knows better.
    early = np.flatnonzero(arrays.of(pc.less_equal(pc.day(found), 3).fill_null(False)))
    for row in early:
        try:
            datetime.strptime(texts[int(row)].as_py(), form)
        except ValueError:
            stamps[row] = np.datetime64("NaT")
    return stamps


def parse_utc_offset(text: str, form: str) -> str | None:
    """Return how far the clock of a time is ahead of UTC, such as +01:00.

    `form` is the format of `text`, as `times` takes it. None where the time does not say.
    """
    if form in TICKS or "%z" in form:
        return UTC
    found = ZONE.search(text.strip()) if form == "iso" else None
    if not found:
        return None
    digits = found[1].replace("Z", "+00").replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"


def number(
    texts: pa.ChunkedArray, layout: Layout, factor: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """`factor` times each text as a number, NaN for a missing one, and which are neither."""
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = arrays.of(pc.is_in(trimmed, pa.array(layout.missing, pa.string())))
    if layout.decimal == ",":
        # A point may then stand between thousands, and is no number to guess at.
        trimmed = pc.replace_substring(pc.replace_substring(trimmed, ".", "point"), ",", ".")
    found = floats(trimmed) * factor
    known = np.abs(found) <= reader.FLOAT32_MAX
    return np.where(missing, np.nan, found), ~known & ~missing


def floats(texts: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Each text as a number, NaN where it is none."""
    shaped = pc.match_substring_regex(texts, NUMBER)
    return arrays.of(pc.if_else(shaped, texts, None).cast(pa.float64()).fill_null(np.nan))
