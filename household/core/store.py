"""Store the parsed minutes of a meter in a folder, one Parquet file a month.

The file of a month does not depend on the months around it. A new month therefore adds only its own
file to DVC's cache and to a remote.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from household.core import arrow, files


def write_months(folder: Path, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Write `tables` of schema.SCHEMA, in time order, to `folder`; yield each written month."""
    for month, table in split_by_month(tables):
        files.write_table(folder / f"{month}.parquet", table)
        yield table


def iter_months(folder: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the months in `folder` in time order, or some of their columns."""
    for month in _files(folder):
        with pq.ParquetFile(month) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)


def read_metadata(folder: Path) -> list[pq.FileMetaData]:
    """Return the Parquet metadata of each month in `folder`."""
    return [pq.read_metadata(month) for month in _files(folder)]


def timezone(folder: Path) -> str | None:
    """Return the time zone of the times in `folder`; None for local times."""
    first, *_ = _files(folder)
    zone: str | None = pq.read_schema(first).field("timestamp").type.tz
    return zone


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


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"), key=lambda month: np.datetime64(month.stem))
