"""Read text in UCI's layout into typed tables.

Blocks of lines go through pyarrow's typed reader. A block that pyarrow refuses, or that is not in
time order, is read again line by line. Harmless oddities are rewritten in canonical form; a bad
line is reported, or skipped and counted.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from household.core import arrow, schema
from household.core.errors import UserError
from household.readings import archive, lines
from household.readings.lines import TextReader
from household.readings.text_format import UCI_FORMAT

CSV_BYTES = 1 << 20  # part of a block that one of pyarrow's threads reads at once
EPOCH = datetime(1970, 1, 1)
# Whitespace allowed around fields.
BLANKS = b" \t\r"


class BadLineError(Exception):
    """Say why a line is bad; `kind` is the name under which such lines are counted."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class UciReader(TextReader):
    """Read a text in the layout of UCI's data set 235."""

    def __init__(self, text: lines.Text, **options: Any) -> None:
        """Prepare to read a text, with options as in `household.readings.lines.TextReader`."""
        super().__init__(text, UCI_FORMAT, **options)

    def _tables(self) -> Iterator[pa.Table]:
        check_header(self._text.readline(lines.BLOCK_BYTES), self.name)
        last = lines.BEFORE_ALL  # the latest minute read
        for block, line in lines.iter_line_blocks(self._text, self.name):
            table = parse_block(block)
            if table is None or not continues_after(table, last):
                table = parse_block(b"".join(self._canonical_lines(block, line, last)))
                if table is None:
                    raise AssertionError("a block of canonical lines was refused")
            self.good_lines += table.num_rows
            if table.num_rows:
                last = table["timestamp"][-1].as_py()
            yield table

    def _canonical_lines(self, block: bytes, first: int, last: datetime) -> Iterator[bytes]:
        """Yield the good lines of `block` in the canonical form that pyarrow reads.

        Args:
            block: The lines.
            first: The number of the first of them.
            last: The latest minute before them.
        """
        for number, line in enumerate(block.split(b"\n")[:-1], first):
            if not line.strip(BLANKS):
                continue
            try:
                stamp, plain, bad_value = parse_line(line)
                if stamp == last:
                    raise BadLineError("duplicate", f"duplicate minute {stamp}")
                if stamp < last:
                    raise BadLineError(
                        "out_of_order", f"minute {stamp} after {last}: not in time order"
                    )
            except BadLineError as fault:
                self._reject(fault.kind, number, str(fault), line)
                continue
            if bad_value:
                self._reject(bad_value.kind, number, str(bad_value), line)
            last = stamp
            yield plain


def check_header(line: bytes, name: str = archive.TEXT_NAME) -> None:
    """Check the header of a text in UCI's layout.

    Raises:
        UserError: It is another header.
    """
    fields = [field.strip() for field in line.removeprefix(lines.BYTE_ORDER_MARK).split(b";")]
    if fields != [name.encode() for name in schema.HEADER]:
        raise UserError(
            f"{name} line 1: expected {';'.join(schema.HEADER)}, found {lines.preview(line)}; "
            "find the layout of the file by `household layout`, for parse.layout (docs/meters.md)"
        )


def parse_block(block: bytes) -> pa.Table | None:
    """Return a block of lines as a table of schema.SCHEMA; None if a line is not canonical."""
    if not block:
        return schema.SCHEMA.empty_table()
    # pyarrow would drop a byte order mark, which marks a second file appended to the first.
    if block.startswith(lines.BYTE_ORDER_MARK):
        return None
    dictionary = pa.dictionary(pa.int32(), pa.string())
    try:
        read = pa.csv.read_csv(
            pa.py_buffer(block),
            pa.csv.ReadOptions(column_names=schema.HEADER, block_size=CSV_BYTES),
            pa.csv.ParseOptions(delimiter=";", quote_char=False, ignore_empty_lines=False),
            pa.csv.ConvertOptions(
                column_types={"Date": dictionary, "Time": dictionary}
                | {column.source: pa.float32() for column in schema.COLUMNS},
                null_values=["?", ""],
            ),
        )
        # pyarrow would also end a line at a lone \r.
        if read.num_rows != block.count(b"\n"):
            return None
        days = map_distinct(read["Date"], day_number)
        minutes = map_distinct(read["Time"], minute_of_day)
    except (pa.ArrowInvalid, ValueError):
        return None
    values = [read[column.source] for column in schema.COLUMNS]
    if not all(pc.all(pc.is_finite(column)).as_py() in (True, None) for column in values):
        return None
    stamps = (days * 1_440 + minutes).astype("datetime64[m]").astype("datetime64[ms]")
    kind = schema.TIMESTAMP.type
    return pa.table([arrow.from_numpy(stamps, kind), *values], schema=schema.SCHEMA)


def map_distinct(texts: pa.ChunkedArray, number: Callable[[str], int]) -> npt.NDArray[np.int64]:
    """Return `number` of each text (rows,), computed once for each distinct text."""
    chunk = texts.combine_chunks()
    numbers = np.array([number(text) for text in chunk.dictionary.to_pylist()], np.int64)
    return numbers[arrow.to_numpy(chunk.indices)]


@cache
def day_number(date: str) -> int:
    """Return the days since 1970 of a date such as 16/12/2006 or 1/1/2007.

    Raises:
        ValueError: It is not such a date.
    """
    match = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", date)
    if not match:
        raise ValueError(f"date {date[:40]!r} is not day/month/year")
    try:
        return (datetime(int(match[3]), int(match[2]), int(match[1])) - EPOCH).days
    except ValueError:
        raise ValueError(f"date {date!r} is not in the calendar") from None


@cache
def minute_of_day(time: str) -> int:
    """Return the minute of the day of a time such as 17:24:00.

    Raises:
        ValueError: It is not such a time.
    """
    match = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9]):00", time)
    if not match:
        raise ValueError(f"time {time[:40]!r} is not a whole minute, hh:mm:00")
    return int(match[1]) * 60 + int(match[2])


def continues_after(table: pa.Table, last: datetime) -> bool:
    """Return whether the times of `table` increase and all come after `last`."""
    stamps = arrow.to_numpy(table["timestamp"])
    return bool(
        stamps[0] > np.datetime64(last, "s") and np.all(np.diff(stamps) > np.timedelta64(0, "m"))
    )


def parse_line(line: bytes) -> tuple[datetime, bytes, BadLineError | None]:
    """Return the minute of a line, and the line in the canonical form that pyarrow reads.

    A bad value is missing in it; the first one is the third result.

    Raises:
        BadLineError: The line is bad.
    """
    try:
        fields = [field.strip() for field in line.decode("ascii").split(";")]
    except UnicodeDecodeError:
        raise BadLineError("unreadable", "bytes that are not ASCII text") from None
    if len(fields) != len(schema.HEADER):
        raise BadLineError("fields", f"{len(fields)} fields, expected {len(schema.HEADER)}")
    try:
        stamp = EPOCH + timedelta(days=day_number(fields[0]), minutes=minute_of_day(fields[1]))
    except ValueError as error:
        raise BadLineError("time", str(error)) from None
    bad_value = None
    for i, (column, field) in enumerate(zip(schema.COLUMNS, fields[2:], strict=True), 2):
        if field not in ("?", ""):
            try:
                fields[i] = canonical_number(column.source, field)
            except BadLineError as fault:
                bad_value, fields[i] = bad_value or fault, "?"
    return stamp, ";".join(fields).encode() + b"\n", bad_value


def canonical_number(name: str, field: str) -> str:
    """Return a number in the canonical form that pyarrow reads.

    Raises:
        BadLineError: It is not a number, or out of the range of float32.
    """
    try:
        # float() would accept Python's underscores between digits.
        value = float("_" if "_" in field else field)
    except ValueError:
        raise BadLineError("number", f"{name} {field[:40]!r} is not a number") from None
    if not abs(value) <= lines.FLOAT32_MAX:  # also refuses NaN, which compares as False
        raise BadLineError("number", f"{name} {field[:40]!r} is out of range")
    return field if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", field) else repr(value)
