"""Read readings from a file or a stream into the table that a model expects."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from household.app.tail import FollowedFile
from household.core import arrow, schema
from household.core.errors import UserError
from household.core.schema import TARGET, Float32, Times
from household.core.step import Step
from household.readings import archive, delimited, encoding, lines, pack, uci, workbook
from household.readings.encoding import as_utf8
from household.readings.header import fits, parse_header
from household.readings.step_reader import StepReader
from household.readings.text_format import UCI_FORMAT, TextFormat

STDIN = "-"
# A CSV with the names of the features as header.
OWN = TextFormat(columns={}, time_columns=("timestamp",))
# Readings so many times above or below those of the training are taken for another unit.
TIMES = 10


def read_readings(
    name: str, features: Sequence[str], step: Step, layout: TextFormat = UCI_FORMAT
) -> pa.Table:
    """Return the readings in the file `name`, or in standard input if it is "-".

    A file is a text in `layout` or in UCI's layout, perhaps in a zip, by gzip or as an Excel
    workbook, a CSV with a header, or Parquet. The last two need a column `timestamp` and one for
    each of `features`, in their units.

    Args:
        name: The file.
        features: The columns to read.
        step: The step into which the readings are averaged.
        layout: The layout of the training data.

    Returns:
        A table (timestamp, features), null where missing.

    Raises:
        UserError: It is none of these.
    """
    with _seekable(name) as (path, file):
        start = file.read(4)
        file.seek(0)
        if start.startswith((b"PK", archive.GZIP, workbook.OLE2)):
            with pack.open_text(path, name) as text:
                table = _text(text, features, layout, step=step, name=name)
        elif start == b"PAR1":
            try:
                table = pq.read_table(file)
            except pa.ArrowInvalid as error:
                raise UserError(f"{name}: truncated or damaged Parquet file ({error})") from None
        elif start.strip():
            table = _text(file, features, layout, step=step, name=name)
        else:
            raise UserError(f"{name}: empty; use readings, one a line")
    return select_columns(table, features, name)


def _text(
    file: IO[bytes], features: Sequence[str], layout: TextFormat, *, step: Step, name: str
) -> pa.Table:
    head = as_utf8(file, layout.encoding).read(encoding.HEAD_BYTES)

    def open_reader() -> lines.TextReader:
        file.seek(0)
        text = as_utf8(file, layout.encoding)
        return _reader(text, head, features, layout=layout, step=step, name=name)

    reader = open_reader()
    interval = partial(reader.check_interval, step)
    try:
        table = pa.concat_tables(StepReader(reader, step, reader.layout, interval=interval))
    except delimited.UnsortedError:
        reader = open_reader()
        table = pa.concat_tables(_sorted_steps(reader, step, name))
    several = lines.find_sensors([reader])
    if several and "several_sensors" not in reader.layout.accept:
        column, names = next(iter(several.items()))
        raise UserError(f"{name}: the column {column} names {', '.join(names)}; use those of one")
    if not reader.offset or reader.layout.timezone:
        return table
    return table.set_column(0, "timestamp", pc.assume_timezone(table["timestamp"], reader.offset))


def _sorted_steps(reader: lines.TextReader, step: Step, name: str) -> StepReader:
    """Return the steps of a text that is not in time order."""
    if not isinstance(reader, delimited.DelimitedReader):
        raise TypeError("UCI's reader takes no unsorted text")
    by_meter = reader.collect()
    if len(by_meter) > 1:
        raise UserError(f"{name}: readings of {', '.join(by_meter)}; use those of one meter")
    tables = [delimited.to_table(readings, reader.layout) for readings in by_meter.values()]
    return StepReader(tables, step, reader.layout, interval=partial(reader.check_interval, step))


@contextmanager
def _seekable(name: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """Open `name`; copy standard input or a pipe to a file, since zip and Parquet need seeking."""
    with nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb") as source:
        if name != STDIN and source.seekable():
            yield Path(name), source
            return
        with tempfile.NamedTemporaryFile() as file:
            shutil.copyfileobj(source, file)
            file.seek(0)
            yield Path(file.name), file


def stream_readings(
    text: FollowedFile,
    name: str,
    features: Sequence[str],
    *,
    step: Step,
    interval: int,
    layout: TextFormat,
) -> Iterator[pa.Table]:
    """Yield the readings of a text as they arrive: tables (timestamp, features) in time order.

    Bad lines are skipped.

    Args:
        text: A text in one of the layouts that `read_readings` accepts.
        name: Its name in messages.
        features: The columns to read.
        step: The step into which the readings are averaged.
        interval: The usual time between two readings in milliseconds, until the text shows it.
        layout: The layout of the training data.

    Raises:
        UserError: It has another layout.
    """
    header = text.readline(lines.BLOCK_BYTES)
    text.unread(header)
    reader = _reader(text, header, features, layout=layout, step=step, name=name, live=True)

    def usual_interval() -> int:
        return reader.check_interval(step) or interval

    steps = StepReader(reader, step, reader.layout, interval=usual_interval, eager=True)
    for table in steps:
        yield select_columns(table, features, name)


def _reader(
    text: lines.Text,
    head: bytes,
    features: Sequence[str],
    *,
    layout: TextFormat,
    step: Step,
    name: str,
    live: bool = False,
) -> lines.TextReader:
    """Return the reader for the layout that the first lines of a text, `head`, show."""
    # Bad lines of a text that is being written are skipped.
    options: dict[str, Any] = {"name": name, "skip": live, "remedy": "correct the line"}
    if head.removeprefix(lines.BYTE_ORDER_MARK).startswith(b"Date;Time;"):
        return uci.UciReader(text, **options)
    if fits(head, layout):
        return delimited.DelimitedReader(text, layout, step, live=live, **options)
    own_layout = OWN._replace(columns={feature: (feature,) for feature in features})
    found, absent = parse_header(head.partition(b"\n")[0], own_layout)
    if absent:
        raise _missing(name, absent, features, found=found)
    return delimited.DelimitedReader(text, own_layout, step, live=live, **options)


def select_columns(table: pa.Table, features: Sequence[str], name: str) -> pa.Table:
    """Return the columns (timestamp, features) of `table` in their types.

    Raises:
        UserError: A column is missing, or holds other values or another unit.
    """
    missing = [column for column in ("timestamp", *features) if column not in table.column_names]
    if missing:
        raise _missing(name, missing, features, found=table.column_names)
    columns = {}
    for column in ("timestamp", *features):
        values = table[column]
        kind = "times" if column == "timestamp" else "numbers"
        try:
            columns[column] = _stamps(values) if kind == "times" else values.cast(pa.float32())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(f"{name}: column {column} does not hold {kind}: {error}") from None
        unit = (table.field(column).metadata or {}).get(b"unit", b"").decode()
        if unit and unit != schema.UNITS.get(column):
            raise UserError(
                f"{name}: column {column} is in {unit}; the model needs {schema.UNITS[column]}"
            )
    return pa.table(columns)


def _missing(
    name: str, missing: Sequence[str], features: Sequence[str], *, found: Sequence[str]
) -> UserError:
    # A header with another delimiter than a comma is read as one column.
    delimiter = next(
        (character for character in ";\t|" if len(found) == 1 and character in found[0]), None
    )
    if delimiter:
        return UserError(
            f"{name}: expected commas between the fields of the header, found {delimiter!r} in "
            f"{found[0]!r}; write it with commas"
        )
    return UserError(
        f"{name}: no column {', '.join(missing)}; the model needs timestamp, "
        f"{', '.join(features)}; found {', '.join(found[:12])}"
    )


def _stamps(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times in milliseconds, in their time zone if any; texts with an offset in UTC."""
    if pa.types.is_string(values.type):
        try:
            values = values.cast(pa.timestamp("ms"))
        except pa.ArrowInvalid:
            values = values.cast(pa.timestamp("ms", "UTC"))
    if not pa.types.is_timestamp(values.type):
        raise pa.ArrowInvalid(f"expected such as 2007-03-31 23:59, found {values.type}")
    return values.cast(pa.timestamp("ms", values.type.tz))


def validate(
    table: pa.Table, name: str, ranges: Mapping[str, Sequence[float]], step: Step
) -> tuple[Times, Float32]:
    """Validate readings and return their times (steps,) and values (steps, features).

    Times with a zone are returned in UTC, missing values as NaN.

    Args:
        table: Readings (timestamp, features).
        name: Their name in messages.
        ranges: The smallest and the largest value of each feature in training.
        step: The step of the model.

    Raises:
        UserError: Times are not increasing or not a step apart, or values are in another unit.
    """
    if not table.num_rows:
        raise UserError(f"{name}: no readings")
    if table["timestamp"].null_count:
        raise UserError(f"{name}: a reading has no timestamp")
    stamps = arrow.to_numpy(table["timestamp"])
    distances = np.diff(stamps)
    back = np.flatnonzero(distances <= np.timedelta64(0))
    if len(back):
        before, after = table["timestamp"][back[0]], table["timestamp"][back[0] + 1]
        what = (
            "duplicate" if before == after else f"after {format_minute(before)}: not in time order"
        )
        raise UserError(f"{name}: {format_minute(after)} {what}; sort the readings, each time once")
    if len(distances) and np.median(distances) != step.delta:
        seconds = np.median(distances) / np.timedelta64(1, "s")
        raise UserError(
            f"{name}: readings are {seconds:g} seconds apart; the model needs one a {step.noun}"
        )
    values = np.column_stack(
        [table[column].to_numpy(zero_copy_only=False) for column in table.column_names[1:]]
    )
    for column, column_values in zip(table.column_names[1:], values.T, strict=True):
        _check_unit(name, column, column_values[np.isfinite(column_values)], bounds=ranges[column])
    return stamps, values.astype(np.float32)


def _check_unit(
    name: str, column: str, values: npt.NDArray[np.floating], *, bounds: Sequence[float]
) -> None:
    low, high = bounds
    # A column that was 0 in training, such as an oven, has no typical size, unlike the power.
    if high <= 0 or (low <= 0 and column != TARGET) or not len(values):
        return
    largest, unit = values.max(), schema.UNITS[column]
    if largest > high * TIMES or (low > 0 and largest < low / TIMES):
        raise UserError(
            f"{name}: {column} is at most {largest:g}, but {low:g} to {high:g} {unit} in "
            f"training; convert it to {unit}"
        )


def format_minute(stamp: pa.Scalar) -> str:
    """Return a time as text, with its offset from UTC if it has a zone."""
    return str(stamp.as_py().isoformat(" ", "minutes"))
