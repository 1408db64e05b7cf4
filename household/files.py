"""Files that appear whole or not at all, with the same bytes for the same contents."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a path to write to, which takes the place of `path` when the block ends well.

    Whatever stood at `path` stays as it was until then, and for good if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name keeps its ending, which decides the format for Keras.
    aside = path.with_name(f".partial-{path.name}")
    # What a killed run left would be taken for the whole by a writer that looks first.
    aside.unlink(missing_ok=True)
    try:
        yield aside
        with aside.open("r+b") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Writes `record` with sorted keys; NaN and infinity raise ValueError."""
    text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with whole(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, table: pa.Table) -> None:
    with whole(path) as aside:
        pa.csv.write_csv(table, aside, pa.csv.WriteOptions(quoting_style="needed"))


def write_table(path: Path, table: pa.Table, **encoding: Any) -> None:
    """Writes Parquet, compressed with zstd; `encoding` goes to `pyarrow.parquet.write_table`."""
    with whole(path) as aside:
        pq.write_table(table, aside, compression="zstd", **encoding)
