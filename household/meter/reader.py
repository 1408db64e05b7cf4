"""Reads the text of the source into typed tables.

Blocks of lines go through pyarrow's typed reader. A block that pyarrow refuses, or whose rows do
not all make sense, is read again line by line: harmless oddities are written plainly, and a line
that holds no minute is named, or skipped and counted.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from household.meter import archive, series
from household.pipeline import arrays
from household.pipeline.failure import Failure

BLOCK_BYTES = 8 << 20
CSV_BYTES = 1 << 20  # of a block, for each of pyarrow's threads in turn
FLOAT32_MAX = float(np.finfo(np.float32).max)
EPOCH = datetime(1970, 1, 1)
BEFORE_ALL = datetime(1, 1, 1)
# The header and some more.
SHOWN_BYTES = 160
# What \s would match and a text of this layout may hold around its fields.
BLANKS = b" \t\r"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
REMEDY = "correct the line and run `dvc repro --force fetch`, or set parse.on_bad_line to skip"


class Text(Protocol):
    """What is needed of a text: a file has it, and so has one that is still written."""

    def readline(self, limit: int, /) -> bytes: ...

    def read(self, limit: int, /) -> bytes: ...


class Fault(Exception):
    """Why a line holds no minute; `kind` is the name under which such lines are counted."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


FAULTS = ("duplicate", "fields", "number", "out_of_order", "time", "unreadable")


class Reader:
    """The minutes of a text in the layout of UCI's data set 235, read once from start to end.

    Iterating gives tables of series.SCHEMA in time order. A line that holds no minute raises
    Failure with its number and text, or, with `skip`, is left out and counted by its fault in
    `skipped`. A text of another layout, or without a minute, raises Failure in either case.
    Messages call the text `name` and end with what to do about a line, `remedy`.
    """

    # This layout has neither: see `household.meter.export.Export`.
    offset: str | None = None
    entities: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __init__(
        self,
        text: Text,
        *,
        skip: bool,
        name: str = archive.MEMBER,
        remedy: str = REMEDY,
    ) -> None:
        self.skipped: Counter[str] = Counter()
        self._text = text
        self._skip = skip
        self._name = name
        self._remedy = remedy
        self._line = 2  # number of the first line that is not read yet, once the header is
        self._last = BEFORE_ALL  # the latest minute read

    def __iter__(self) -> Iterator[pa.Table]:
        check_header(self._text.readline(BLOCK_BYTES), self._name)
        for block in whole_lines(self._text, self._name):
            table = typed(block)
            if table is None or not follows(table, self._last):
                table = typed(b"".join(self._plain_lines(block)))
                if table is None:
                    raise AssertionError("a line that was read is refused in its block")
            self._line += block.count(b"\n")
            if table.num_rows:
                self._last = table["timestamp"][-1].as_py()
                yield table
        if self._last == BEFORE_ALL:
            raise Failure(f"{self._name}: no minutes below the header; give one that has some")

    def _plain_lines(self, block: bytes) -> Iterator[bytes]:
        """The lines of `block` that hold a minute, written as pyarrow's reader takes them."""
        last = self._last
        for number, line in enumerate(block.split(b"\n")[:-1], self._line):
            if not line.strip(BLANKS):
                continue
            try:
                stamp, plain = read_line(line)
                if stamp == last:
                    raise Fault("duplicate", f"minute {stamp} stands twice")
                if stamp < last:
                    raise Fault("out_of_order", f"minute {stamp} comes after {last}")
            except Fault as fault:
                if not self._skip:
                    raise Failure(
                        f"{self._name} line {number}: {fault} in {shown(line)}; {self._remedy}"
                    ) from None
                self.skipped[fault.kind] += 1
            else:
                last = stamp
                yield plain


def whole_lines(text: Text, name: str) -> Iterator[bytes]:
    """Cuts what is left of `text` into blocks of whole lines; the last gets an end if it has none.

    Raises Failure, in which the text is called `name`, where a line is longer than a block.
    """
    rest, line = b"", 2
    while chunk := text.read(BLOCK_BYTES):
        end = chunk.find(b"\n")
        if len(rest) + (end if end >= 0 else len(chunk)) > BLOCK_BYTES:
            raise Failure(
                f"{name} line {line}: longer than {BLOCK_BYTES:,} bytes; "
                "give a text with one minute a line"
            )
        cut = chunk.rfind(b"\n") + 1
        if cut:
            block = rest + chunk[:cut]
            line += block.count(b"\n")
            yield block
            rest = chunk[cut:]
        else:
            rest += chunk
    if rest:
        yield rest + b"\n"


def check_header(line: bytes, name: str = archive.MEMBER) -> None:
    fields = [field.strip() for field in line.removeprefix(BYTE_ORDER_MARK).split(b";")]
    if fields != [name.encode() for name in series.HEADER]:
        raise Failure(
            f"{name} line 1: expected {';'.join(series.HEADER)}, found {shown(line)}; describe how "
            "your meter writes in parse.layout of params.yaml (docs/meters.md)"
        )


def typed(block: bytes) -> pa.Table | None:
    """A block of whole lines as a table of series.SCHEMA; None where any line is not plain."""
    if not block:
        return series.SCHEMA.empty_table()
    # pyarrow would drop the mark of a text that starts here, where another was appended to one.
    if block.startswith(BYTE_ORDER_MARK):
        return None
    repeated = pa.dictionary(pa.int32(), pa.string())
    try:
        read = pa.csv.read_csv(
            pa.py_buffer(block),
            pa.csv.ReadOptions(column_names=series.HEADER, block_size=CSV_BYTES),
            pa.csv.ParseOptions(delimiter=";", quote_char=False, ignore_empty_lines=False),
            pa.csv.ConvertOptions(
                column_types={"Date": repeated, "Time": repeated}
                | {column.source: pa.float32() for column in series.COLUMNS},
                null_values=["?", ""],
            ),
        )
        # pyarrow would end a line at a lone \r too.
        if read.num_rows != block.count(b"\n"):
            return None
        days = decoded(read["Date"], day_number)
        minutes = decoded(read["Time"], minute_of_day)
    except (pa.ArrowInvalid, ValueError):
        return None
    values = [read[column.source] for column in series.COLUMNS]
    if not all(pc.all(pc.is_finite(column)).as_py() in (True, None) for column in values):
        return None
    stamps = (days * 1_440 + minutes).astype("datetime64[m]").astype("datetime64[ms]")
    stamp = series.TIMESTAMP.type
    return pa.table([arrays.column(stamps, stamp), *values], schema=series.SCHEMA)


def decoded(texts: pa.ChunkedArray, number: Callable[[str], int]) -> npt.NDArray[np.int64]:
    """Each text turned into a whole number, each distinct text only once."""
    chunk = texts.combine_chunks()
    numbers = np.array([number(text) for text in chunk.dictionary.to_pylist()], np.int64)
    return numbers[arrays.of(chunk.indices)]


@cache
def day_number(date: str) -> int:
    """The days since 1970 of a date such as 16/12/2006 or 1/1/2007; else ValueError."""
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", date)
    if not found:
        raise ValueError(f"date {date[:40]!r} is not day/month/year")
    try:
        return (datetime(int(found[3]), int(found[2]), int(found[1])) - EPOCH).days
    except ValueError:
        raise ValueError(f"date {date!r} is not in the calendar") from None


@cache
def minute_of_day(time: str) -> int:
    """The minute of the day of a time such as 17:24:00; else ValueError."""
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9]):00", time)
    if not found:
        raise ValueError(f"time {time[:40]!r} is not a whole minute, hh:mm:00")
    return int(found[1]) * 60 + int(found[2])


def follows(table: pa.Table, last: datetime) -> bool:
    stamps = arrays.of(table["timestamp"])
    return bool(
        stamps[0] > np.datetime64(last, "s") and np.all(np.diff(stamps) > np.timedelta64(0, "m"))
    )


def read_line(line: bytes) -> tuple[datetime, bytes]:
    """The minute of a line, and the line as pyarrow's reader takes it; raises Fault."""
    try:
        fields = [field.strip() for field in line.decode("ascii").split(";")]
    except UnicodeDecodeError:
        raise Fault("unreadable", "bytes that are not text") from None
    if len(fields) != len(series.HEADER):
        raise Fault("fields", f"{len(fields)} fields, expected {len(series.HEADER)}")
    try:
        stamp = EPOCH + timedelta(days=day_number(fields[0]), minutes=minute_of_day(fields[1]))
    except ValueError as error:
        raise Fault("time", str(error)) from None
    for place, (column, field) in enumerate(zip(series.COLUMNS, fields[2:], strict=True), 2):
        if field not in ("?", ""):
            fields[place] = plain_number(column.source, field)
    return stamp, ";".join(fields).encode() + b"\n"


def plain_number(name: str, field: str) -> str:
    try:
        # float() would take the digit groups of Python's own source.
        value = float("_" if "_" in field else field)
    except ValueError:
        raise Fault("number", f"{name} {field[:40]!r} is not a number") from None
    if not abs(value) <= FLOAT32_MAX:  # NaN compares as False, so is out of range too
        raise Fault("number", f"{name} {field[:40]!r} is out of range")
    return field if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", field) else repr(value)


def shown(line: bytes) -> str:
    text = line[:SHOWN_BYTES].decode("utf-8", "backslashreplace").rstrip()
    return repr(text) + ("..." if len(line) > SHOWN_BYTES else "")
