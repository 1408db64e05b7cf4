"""Turns the text in the zip into typed Parquet, every minute kept, a missing value as null.

Blocks of lines go through pyarrow's typed reader. A block that it refuses, or whose rows do not
all make sense, is read again line by line, to mend what is harmless and to name what is not.

Reads data/raw/power.zip. Writes data/parsed/power.parquet and reports/data_quality.json.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from household import archive, files, series, stage
from household.failure import Failure
from household.params import Params

RAW = Path("data/raw/power.zip")
PARSED = Path("data/parsed/power.parquet")
QUALITY = Path("reports/data_quality.json")

BLOCK_BYTES = 8 << 20
FLOAT32_MAX = float(np.finfo(np.float32).max)
EPOCH = datetime(1970, 1, 1)
MINUTE = np.timedelta64(1, "m")
# The header and some more.
SHOWN_BYTES = 160
# What \s would match and a text of this layout may hold around its fields.
BLANKS = b" \t\r"


def main(params: Params) -> None:
    skipped: Counter[str] = Counter()
    with files.whole(PARSED) as aside:
        with (
            archive.text(RAW) as text,
            pq.ParquetWriter(aside, series.SCHEMA, compression="zstd") as parquet,
        ):
            for table in tables(text, params.parse.on_bad_line == "skip", skipped):
                parquet.write_table(table)
        columns = {
            name: pq.read_table(aside, columns=[name], memory_map=True)[name]
            for name in series.SCHEMA.names
        }
        record = quality(columns, skipped)
    files.write_json(QUALITY, record)
    print(
        f"parse: {record['rows']:,} minutes from {record['first']} to {record['last']}, "
        f"{record['missing'][series.TARGET]:,} missing, {sum(skipped.values()):,} lines skipped"
    )


def tables(text: IO[bytes], skip: bool, skipped: Counter[str]) -> Iterator[pa.Table]:
    """Reads `text` in blocks and gives a table of series.SCHEMA for each, in time order.

    With `skip` a line that cannot be read is counted in `skipped` by its fault; without, it
    raises Failure with its number and text. So does, always, a text of another layout.
    """
    check_header(text.readline(BLOCK_BYTES))
    number = 2
    last = EPOCH - timedelta(days=365_000)
    rows = 0
    for block in blocks(text, number):
        table = typed(block)
        if table is None or not follows(table, last):
            block_of_good = b"".join(good_lines(block, number, last, skip, skipped))
            table = typed(block_of_good)
            if table is None:
                raise AssertionError("a line that was read is refused in its block")
        number += block.count(b"\n")
        if table.num_rows:
            last = table["timestamp"][-1].as_py()
            rows += table.num_rows
            yield table
    if not rows:
        raise Failure(f"{archive.MEMBER}: no minutes below the header; give a zip that has some")


def check_header(line: bytes) -> None:
    fields = [field.strip() for field in line.removeprefix(b"\xef\xbb\xbf").split(b";")]
    if fields != [name.encode() for name in series.HEADER]:
        raise Failure(
            f"{archive.MEMBER} line 1: expected {';'.join(series.HEADER)}, found {shown(line)}; "
            "give a zip in the layout of UCI's data set 235"
        )


def blocks(text: IO[bytes], number: int) -> Iterator[bytes]:
    """Cuts `text` into blocks of whole lines; the last line gets an end if it has none."""
    rest = b""
    while chunk := text.read(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            block = rest + chunk[:cut]
            number += block.count(b"\n")
            yield block
            rest = chunk[cut:]
        elif len(rest) + len(chunk) > BLOCK_BYTES:
            raise Failure(
                f"{archive.MEMBER} line {number}: longer than {BLOCK_BYTES:,} bytes; "
                "give a zip with one minute a line"
            )
        else:
            rest += chunk
    if rest:
        yield rest + b"\n"


def typed(block: bytes) -> pa.Table | None:
    """A block of whole lines as a table of series.SCHEMA; None where any line is not plain."""
    if not block:
        return series.SCHEMA.empty_table()
    words = pa.dictionary(pa.int32(), pa.string())
    try:
        read = pa.csv.read_csv(
            pa.py_buffer(block),
            pa.csv.ReadOptions(column_names=series.HEADER, block_size=2 * len(block)),
            pa.csv.ParseOptions(delimiter=";", quote_char=False, ignore_empty_lines=False),
            pa.csv.ConvertOptions(
                column_types={"Date": words, "Time": words}
                | {column.source: pa.float32() for column in series.COLUMNS},
                null_values=["?", ""],
            ),
        )
        # It would end a line at a lone \r too.
        if read.num_rows != block.count(b"\n"):
            return None
        days = decoded(read["Date"], day)
        minutes = decoded(read["Time"], minute)
    except (pa.ArrowInvalid, ValueError):
        return None
    values = [read[column.source] for column in series.COLUMNS]
    if not all(pc.all(pc.is_finite(column)).as_py() in (True, None) for column in values):
        return None
    stamps = (days * 1_440 + minutes).astype("datetime64[m]").astype("datetime64[ms]")
    return pa.table([pa.array(stamps), *values], schema=series.SCHEMA)


def decoded(words: pa.ChunkedArray, number: Any) -> npt.NDArray[np.int64]:
    """Each word turned into a whole number, each distinct word only once."""
    chunk = words.combine_chunks()
    numbers = np.array([number(word) for word in chunk.dictionary.to_pylist()], np.int64)
    return numbers[chunk.indices.to_numpy()]


@cache
def day(word: str) -> int:
    """The days since 1970 of a date such as 16/12/2006 or 1/1/2007; else ValueError."""
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", word)
    if not found:
        raise ValueError(f"date {word[:40]!r} is not day/month/year")
    try:
        return (datetime(int(found[3]), int(found[2]), int(found[1])) - EPOCH).days
    except ValueError:
        raise ValueError(f"date {word!r} is not in the calendar") from None


@cache
def minute(word: str) -> int:
    """The minute of the day of a time such as 17:24:00; else ValueError."""
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9]):00", word)
    if not found:
        raise ValueError(f"time {word[:40]!r} is not a whole minute, hh:mm:00")
    return int(found[1]) * 60 + int(found[2])


def follows(table: pa.Table, last: datetime) -> bool:
    stamps = table["timestamp"].to_numpy()
    return bool(stamps[0] > np.datetime64(last, "s") and np.all(np.diff(stamps) > 0 * MINUTE))


def good_lines(
    block: bytes, number: int, last: datetime, skip: bool, skipped: Counter[str]
) -> Iterator[bytes]:
    """The lines of `block` that hold a minute, each in its plain form.

    `number` is the number of the first, `last` the minute before it.
    """
    for offset, line in enumerate(block.split(b"\n")[:-1]):
        if not line.strip(BLANKS):
            continue
        try:
            stamp, plain = read_line(line)
            if stamp == last:
                raise Fault("duplicate", f"minute {stamp} stands twice")
            if stamp < last:
                raise Fault("out_of_order", f"minute {stamp} comes after {last}")
        except Fault as fault:
            if not skip:
                raise Failure(
                    f"{archive.MEMBER} line {number + offset}: {fault} in {shown(line)}; "
                    "mend the line, or set parse.on_bad_line to skip"
                ) from None
            skipped[fault.kind] += 1
        else:
            last = stamp
            yield plain


class Fault(Exception):
    """Why one line cannot be read; `kind` is what it is counted as."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def read_line(line: bytes) -> tuple[datetime, bytes]:
    """The minute of a line, and the line as the typed reader takes it; raises Fault."""
    try:
        fields = [field.strip() for field in line.decode("ascii").split(";")]
    except UnicodeDecodeError:
        raise Fault("unreadable", "bytes that are not text") from None
    if len(fields) != len(series.HEADER):
        raise Fault("fields", f"{len(fields)} fields, expected {len(series.HEADER)}")
    try:
        stamp = EPOCH + timedelta(days=day(fields[0]), minutes=minute(fields[1]))
    except ValueError as error:
        raise Fault("time", str(error)) from None
    for place, (column, field) in enumerate(zip(series.COLUMNS, fields[2:], strict=True), 2):
        if field not in ("?", ""):
            fields[place] = number_text(column.source, field)
    return stamp, ";".join(fields).encode() + b"\n"


def number_text(name: str, field: str) -> str:
    try:
        # float() would take the digit groups of Python's own source.
        value = float("_" if "_" in field else field)
    except ValueError:
        raise Fault("number", f"{name} {field[:40]!r} is not a number") from None
    if not abs(value) <= FLOAT32_MAX:  # so is NaN
        raise Fault("number", f"{name} {field[:40]!r} is out of range")
    return field if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", field) else repr(value)


def shown(line: bytes) -> str:
    text = line[:SHOWN_BYTES].decode("utf-8", "backslashreplace").rstrip()
    return repr(text) + ("..." if len(line) > SHOWN_BYTES else "")


def quality(columns: dict[str, pa.ChunkedArray], skipped: Counter[str]) -> dict[str, Any]:
    """What there is to know of a parsed table before it is used, as numbers and texts."""
    stamps = columns["timestamp"].to_numpy()
    present = columns[series.TARGET].is_valid().to_numpy()
    return {
        "rows": len(stamps),
        "first": str(stamps[0].astype("datetime64[m]")),
        "last": str(stamps[-1].astype("datetime64[m]")),
        "skipped_lines": {
            kind: skipped[kind]
            for kind in ("fields", "number", "time", "out_of_order", "unreadable")
        },
        "duplicates": skipped["duplicate"],
        "missing": {name: columns[name].null_count for name in series.NAMES},
        "gaps": gaps(stamps, present),
        "columns": {name: extent(columns[name]) for name in series.NAMES},
    }


def gaps(stamps: npt.NDArray[np.datetime64], present: npt.NDArray[np.bool_]) -> dict[str, int]:
    """The stretches without a value: their number, the longest in minutes, the rows not there.

    A minute is without a value where its row says so or where there is no row for it.
    """
    minutes = (stamps - stamps[0]) // MINUTE
    span = int(minutes[-1]) + 1
    known = np.concatenate([[-1], minutes[present], [span]])
    without = np.diff(known) - 1
    return {
        "count": int(np.count_nonzero(without)),
        "longest_minutes": int(without.max()),
        "absent_rows": span - len(stamps),
    }


def extent(column: pa.ChunkedArray) -> dict[str, float | None]:
    """Smallest, mean and largest value; None where there is no value."""
    if column.null_count == len(column):
        return {"min": None, "mean": None, "max": None}
    values = column.drop_null().to_numpy()
    return {
        # By way of its text, a float32 is the decimal that the source had.
        "min": float(str(values.min())),
        # Beyond six decimals the sum depends on the processor.
        "mean": round(float(values.mean(dtype=np.float64)), 6),
        "max": float(str(values.max())),
    }


if __name__ == "__main__":
    stage.run("parse", main)
