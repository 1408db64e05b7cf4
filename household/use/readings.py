"""Readings from wherever they are, as a table of the minutes that a model takes."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from household.meter import archive, export, reader, series
from household.meter.export import UCI, Layout
from household.pipeline import arrays
from household.pipeline.failure import Failure
from household.use.growing import Growing

STDIN = "-"
# A CSV in the names of our columns, which are those of the features.
OWN = Layout(
    delimiter=",",
    decimal=".",
    time=("timestamp",),
    format="iso",
    columns={},
    kilowatts=1.0,
    missing=("",),
    resample=None,
)
MINUTE = np.timedelta64(1, "m")
# As many times above or below those of the training readings are taken for another unit.
TIMES = 10


def read(name: str, features: Sequence[str], layout: Layout = UCI) -> pa.Table:
    """The readings in the file `name`, or in standard input where that is "-".

    A zip or text in `layout` or in that of UCI's data set 235, a CSV with a header, or Parquet; the
    last two with a column `timestamp` and one for each of `features`, in their units. Gives a table
    (timestamp, features), a missing value as null. Raises Failure where it is none of these.
    """
    with _whole(name) as (path, file):
        start = file.read(4)
        file.seek(0)
        if start.startswith(b"PK"):
            archive.verify(path, name)
            with archive.text(path) as text:
                table = _text(text, features, layout, name)
        elif start == b"PAR1":
            try:
                table = pq.read_table(file)
            except pa.ArrowInvalid as error:
                raise Failure(f"{name}: not a whole Parquet file ({error})") from None
        elif start.strip():
            table = _text(file, features, layout, name)
        else:
            raise Failure(f"{name}: empty; give readings, a minute a line")
    return typed(table, features, name)


def _text(file: IO[bytes], features: Sequence[str], layout: Layout, name: str) -> pa.Table:
    header = file.readline(reader.BLOCK_BYTES)
    file.seek(0)
    tables = _tables(file, header, features, layout, name=name, skip=False)
    table = pa.concat_tables(tables)
    if not tables.offset:
        return table
    return table.set_column(0, "timestamp", pc.assume_timezone(table["timestamp"], tables.offset))


@contextmanager
def _whole(name: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """The file `name`; standard input and a pipe as a file too, since a zip and Parquet are read
    from both ends."""
    with nullcontext(sys.stdin.buffer) if name == STDIN else Path(name).open("rb") as given:
        if name != STDIN and given.seekable():
            yield Path(name), given
            return
        with tempfile.NamedTemporaryFile() as file:
            shutil.copyfileobj(given, file)
            file.seek(0)
            yield Path(file.name), file


def stream(text: Growing, name: str, features: Sequence[str], layout: Layout) -> Iterator[pa.Table]:
    """The readings of a text as they come: tables (timestamp, features) in time order.

    The text is in one of the layouts that `read` takes. A line that holds no reading is left out.
    Raises Failure where it is in none of them.
    """
    header = text.readline(reader.BLOCK_BYTES)
    text.unread(header)
    for table in _tables(text, header, features, layout, name=name, skip=True):
        yield typed(table, features, name)


def _tables(
    text: reader.Text,
    header: bytes,
    features: Sequence[str],
    layout: Layout,
    *,
    name: str,
    skip: bool,
) -> reader.Reader | export.Export:
    """The tables of a text, by the reader for what its `header` looks like."""
    told: dict[str, Any] = {"name": name, "skip": skip, "remedy": "correct the line"}
    if header.removeprefix(b"\xef\xbb\xbf").startswith(b"Date;Time;"):
        return reader.Reader(text, **told)
    if not export.fields(header, layout)[1]:
        return export.Export(text, layout, **told)
    own = OWN._replace(columns={feature: feature for feature in features})
    found, absent = export.fields(header, own)
    if absent:
        raise _missing(name, absent, features, found)
    return export.Export(text, own, hints={}, **told)


def typed(table: pa.Table, features: Sequence[str], name: str) -> pa.Table:
    """The columns (timestamp, features) of `table`; raises Failure where one is not there."""
    missing = [column for column in ("timestamp", *features) if column not in table.column_names]
    if missing:
        raise _missing(name, missing, features, table.column_names)
    columns = {}
    for column in ("timestamp", *features):
        values = table[column]
        kind = "times" if column == "timestamp" else "numbers"
        try:
            columns[column] = _stamps(values) if kind == "times" else values.cast(pa.float32())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise Failure(f"{name}: column {column} holds no {kind}: {error}") from None
        unit = (table.field(column).metadata or {}).get(b"unit", b"").decode()
        if unit and unit != series.UNITS.get(column):
            raise Failure(
                f"{name}: column {column} is in {unit}; the model takes {series.UNITS[column]}"
            )
    return pa.table(columns)


def _missing(
    name: str, missing: Sequence[str], features: Sequence[str], found: Sequence[str]
) -> Failure:
    # A header without a comma that has another delimiter in it.
    split = next((each for each in ";\t|" if len(found) == 1 and each in found[0]), None)
    if split:
        return Failure(
            f"{name}: expected commas between the fields of the header, found {split!r} in "
            f"{found[0]!r}; write it with commas"
        )
    return Failure(
        f"{name}: no column {', '.join(missing)}; the model takes timestamp, "
        f"{', '.join(features)}; found {', '.join(found[:12])}"
    )


def _stamps(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """As times to the millisecond, with the zone that they have; texts with an offset as UTC."""
    if pa.types.is_string(values.type):
        try:
            values = values.cast(pa.timestamp("ms"))
        except pa.ArrowInvalid:
            values = values.cast(pa.timestamp("ms", "UTC"))
    if not pa.types.is_timestamp(values.type):
        raise pa.ArrowInvalid(f"expected such as 2007-03-31 23:59, found {values.type}")
    return values.cast(pa.timestamp("ms", values.type.tz))


def checked(
    table: pa.Table, name: str, ranges: Mapping[str, Sequence[float]]
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float32]]:
    """Times (minutes,) and values (minutes, features) of readings that make sense, NaN for null.

    Times with a zone are given in UTC. `ranges` is the lowest and highest value of each feature in
    training. Raises Failure where times go back, stand twice or are no minute apart, or values are
    in another unit.
    """
    if not table.num_rows:
        raise Failure(f"{name}: no readings")
    if table["timestamp"].null_count:
        raise Failure(f"{name}: a reading has no timestamp")
    stamps = arrays.of(table["timestamp"])
    steps = np.diff(stamps)
    back = np.flatnonzero(steps <= np.timedelta64(0, "m"))
    if len(back):
        before, after = table["timestamp"][back[0]], table["timestamp"][back[0] + 1]
        what = "stands twice" if before == after else f"comes after {minute(before)}"
        raise Failure(f"{name}: {minute(after)} {what}; sort the readings, each minute once")
    if len(steps) and np.median(steps) != MINUTE:
        seconds = np.median(steps) / np.timedelta64(1, "s")
        raise Failure(
            f"{name}: readings are {seconds:g} seconds apart; the model takes one a minute"
        )
    values = np.column_stack(
        [table[column].to_numpy(zero_copy_only=False) for column in table.column_names[1:]]
    )
    for column, of in zip(table.column_names[1:], values.T, strict=True):
        _check_unit(name, column, of[np.isfinite(of)], *ranges[column])
    return stamps, values.astype(np.float32)


def _check_unit(
    name: str, column: str, known: npt.NDArray[np.floating], low: float, high: float
) -> None:
    # What may be off for as long as a training, such as an oven, has no size to go by.
    if low <= 0 or not len(known):
        return
    most, unit = known.max(), series.UNITS[column]
    if not low / TIMES <= most <= high * TIMES:
        raise Failure(
            f"{name}: {column} is at most {most:g}, in training it was from {low:g} to {high:g} "
            f"{unit}; give it in {unit}"
        )


def minute(stamp: pa.Scalar) -> str:
    """A time as it is printed, with its offset from UTC where it has a zone."""
    return str(stamp.as_py().isoformat(" ", "minutes"))
