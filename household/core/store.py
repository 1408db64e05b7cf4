"""Store the parsed minutes as Parquet: one file a month in a folder, or one file.

The file of a month does not depend on the months around it. A new month therefore adds only its own
file to DVC's cache and to a remote. In a single file, each month is a row group.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household.core import arrow, files, schema


def write_months(path: Path, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Write `tables` of schema.SCHEMA, in time order, to a folder; yield each written month."""
    for month, table in split_by_month(tables):
        files.write_table(path / f"{month}.parquet", table)
        yield table


def write_file(path: Path, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Write `tables` of schema.SCHEMA, in time order, to one file; yield each month."""
    with (
        files.atomic_write(path) as partial,
        pq.ParquetWriter(partial, schema.SCHEMA, **files.parquet_options(schema.SCHEMA)) as parquet,
    ):
        for _, table in split_by_month(tables):
            parquet.write_table(table)
            yield table


def iter_months(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the months at `path` in time order, or some of their columns."""
    for month in _files(path):
        with pq.ParquetFile(month) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)


def read_metadata(path: Path) -> list[pq.FileMetaData]:
    """Return the Parquet metadata of each file at `path`."""
    return [pq.read_metadata(month) for month in _files(path)]


def split_by_month(tables: Iterator[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Yield each month of `tables`, whose rows are in time order, with its name such as 2006-12."""
    month, pieces = None, list[pa.Table]()
    for table in tables:
        months = arrow.to_numpy(table["timestamp"]).astype("datetime64[M]")
        first_rows = np.flatnonzero(np.diff(months, prepend=np.datetime64("NaT", "M")) != 0)
        for begin, end in zip(first_rows, [*first_rows[1:], len(months)], strict=True):
            if pieces and months[begin] != month:
                yield str(month), pa.concat_tables(pieces).combine_chunks()
                pieces = []
            month = months[begin]
            pieces.append(table[begin:end])
    if pieces:
        yield str(month), pa.concat_tables(pieces).combine_chunks()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(path.glob("*.parquet"), key=lambda month: np.datetime64(month.stem))
