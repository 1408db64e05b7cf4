"""Files that appear whole or not at all, with the same bytes for the same contents."""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a path to write to, which takes the place of `path` when the block ends well.

    Whatever stood at `path` stays as it was until then, and for good if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keras takes the format from the ending, so the partial file keeps that of `path`.
    partial = path.with_name(f".partial-{path.name}")
    # A killed run leaves its partial file, which pooch would take for a finished download.
    partial.unlink(missing_ok=True)
    try:
        yield partial
        with partial.open("r+b") as written:
            os.fsync(written.fileno())
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    except OSError as error:
        # A full disk is told without the name of the file, and by pyarrow without that of an error.
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Gives an empty folder to fill, which takes the place of `path` when the block ends well.

    What stands at `path` stays as it was until then, and for good if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".partial-{path.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    # No other run's: a worker far away may not know yet that its run has ended.
    partial = path.with_name(f".partial-{path.name}-{uuid4().hex}")
    try:
        partial.mkdir()
        yield partial
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sha256(path: Path) -> str:
    """Of the file at `path`, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Writes `record` with sorted keys; NaN and infinity raise ValueError."""
    text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with atomic_write(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, table: pa.Table) -> None:
    with atomic_write(path) as partial:
        pa.csv.write_csv(table, partial, pa.csv.WriteOptions(quoting_style="needed"))


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The whole of a Parquet file, or some of its columns."""
    # `pyarrow.parquet.read_table` imports what reads a folder of files: a third of a second.
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns)


def rows(path: Path) -> int:
    """How many a Parquet file has."""
    return int(pq.read_metadata(path).num_rows)


def read_rows(path: Path, first: int, stop: int) -> pa.Table:
    """The rows of a Parquet file from `first` to before `stop`, of which others are not kept."""
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]
        ends = list(itertools.accumulate(sizes))
        due = [place for place, end in enumerate(ends) if first < end and end - sizes[place] < stop]
        table = file.read_row_groups(due)
    return table.slice(first - (ends[due[0]] - sizes[due[0]]), stop - first)


def read_column(path: Path, name: str) -> pa.ChunkedArray:
    return read_table(path, [name])[name]


def write_table(path: Path, table: pa.Table) -> None:
    """Writes Parquet."""
    with atomic_write(path) as partial:
        pq.write_table(table, partial, **encoding(table.schema))


def encoding(schema: pa.Schema) -> dict[str, Any]:
    """How the columns of a table are written, as arguments of pyarrow.

    Times and whole numbers by their differences from row to row, of which a few bits are left;
    anything else by the distinct values, of which a meter has few.
    """
    counted = [
        field.name
        for field in schema
        if pa.types.is_timestamp(field.type) or pa.types.is_integer(field.type)
    ]
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema.names if name not in counted],
        "column_encoding": dict.fromkeys(counted, "DELTA_BINARY_PACKED"),
    }
