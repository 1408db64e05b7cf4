"""Write files atomically, with the same bytes for the same contents."""

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
    """Yield a temporary path that replaces `path` on success.

    The existing file is kept until the block succeeds, and for good if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keras takes the format from the suffix, so the partial file keeps the suffix of `path`.
    partial = path.with_name(f".partial-{path.name}")
    # Remove the partial file of a killed run, or pooch would mistake it for a finished download.
    partial.unlink(missing_ok=True)
    try:
        yield partial
        with partial.open("r+b") as written:
            os.fsync(written.fileno())
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    except OSError as error:
        # The error of a full disk does not name the file, and pyarrow does not name the error.
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces `path` on success.

    The existing folder is kept until the block succeeds, and for good if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Exactly its own, since the folder of 2007-03 may be written beside that of 2007.
    for leftover in path.parent.glob(f".partial-{path.name}-{'[0-9a-f]' * 32}"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A unique name, since a remote worker of an earlier run may still be writing to its own folder.
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
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write `record` as JSON with sorted keys.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, with the line ends of Unix on every system."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, table: pa.Table) -> None:
    """Write `table` as CSV."""
    with atomic_write(path) as partial:
        pa.csv.write_csv(table, partial, pa.csv.WriteOptions(quoting_style="needed"))


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a Parquet file, or some of its columns, as a table."""
    # `pyarrow.parquet.read_table` would import pyarrow.dataset, which takes a third of a second.
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns)


def row_count(path: Path) -> int:
    """Return the number of rows in a Parquet file."""
    return int(pq.read_metadata(path).num_rows)


def read_rows(path: Path, first: int, stop: int) -> pa.Table:
    """Return the rows of a Parquet file from `first` up to but not including `stop`.

    Only the row groups that hold them are read.
    """
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        ends = list(itertools.accumulate(sizes))
        groups = [i for i, end in enumerate(ends) if first < end and end - sizes[i] < stop]
        table = file.read_row_groups(groups)
    return table.slice(first - (ends[groups[0]] - sizes[groups[0]]), stop - first)


def read_column(path: Path, name: str) -> pa.ChunkedArray:
    """Return one column of a Parquet file."""
    return read_table(path, [name])[name]


def write_table(path: Path, table: pa.Table) -> None:
    """Write `table` as Parquet."""
    with atomic_write(path) as partial:
        pq.write_table(table, partial, **parquet_options(table.schema))


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Return how to encode the columns of `schema`, as keyword arguments for pyarrow.

    Timestamps and integers are stored as differences from row to row, which need few bits. All
    other columns are stored by their distinct values, of which a meter has few.
    """
    delta_encoded = [
        field.name
        for field in schema
        if pa.types.is_timestamp(field.type) or pa.types.is_integer(field.type)
    ]
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema.names if name not in delta_encoded],
        "column_encoding": dict.fromkeys(delta_encoded, "DELTA_BINARY_PACKED"),
    }
