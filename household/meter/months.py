"""The parsed minutes in a folder of Parquet files, one for each month.

A month is the same bytes whatever comes before and after it, so that a new one is all that DVC's
cache and a remote have to take.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household.pipeline import arrays, files


def write(folder: Path, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Writes `tables` of series.SCHEMA, in time order, to `folder`; gives each month once there."""
    for month, table in cut(tables):
        files.write_table(folder / f"{month}.parquet", table)
        yield table


def read(folder: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The months in `folder` in time order, or some of their columns."""
    for path in _paths(folder):
        yield files.read_table(path, columns)


def metadata(folder: Path) -> list[pq.FileMetaData]:
    return [pq.read_metadata(path) for path in _paths(folder)]


def cut(tables: Iterator[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Each month of `tables`, which have rows in time order, by its name, such as 2006-12."""
    month, parts = None, list[pa.Table]()
    for table in tables:
        months = arrays.of(table["timestamp"]).astype("datetime64[M]")
        begins = np.flatnonzero(np.diff(months, prepend=np.datetime64("NaT", "M")) != 0)
        for begin, end in zip(begins, [*begins[1:], len(months)], strict=True):
            if parts and months[begin] != month:
                yield str(month), pa.concat_tables(parts).combine_chunks()
                parts = []
            month = months[begin]
            parts.append(table[begin:end])
    if parts:
        yield str(month), pa.concat_tables(parts).combine_chunks()


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"), key=lambda path: np.datetime64(path.stem))
