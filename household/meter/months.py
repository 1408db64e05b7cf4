"""The parsed minutes as Parquet: a folder with a file for each month, or one file.

In a folder a month is the same bytes whatever comes before and after it, so that a new one is all
that DVC's cache and a remote have to take. In a file it is a row group.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household.meter import series
from household.pipeline import arrays, files


def write(path: Path, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Writes `tables` of series.SCHEMA, in time order, to a folder; gives each month once there."""
    for month, table in cut(tables):
        files.write_table(path / f"{month}.parquet", table)
        yield table


def write_one(path: Path, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same with one file for all of them."""
    with (
        files.atomic_write(path) as partial,
        pq.ParquetWriter(partial, series.SCHEMA, **files.encoding(series.SCHEMA)) as parquet,
    ):
        for _, table in cut(tables):
            parquet.write_table(table)
            yield table


def read(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The months at `path` in time order, or some of their columns."""
    for each in _paths(path):
        with pq.ParquetFile(each) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)


def metadata(path: Path) -> list[pq.FileMetaData]:
    return [pq.read_metadata(each) for each in _paths(path)]


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


def _paths(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(path.glob("*.parquet"), key=lambda month: np.datetime64(month.stem))
