"""Merge several files of one meter by time."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from household.core import arrow
from household.core.errors import UserError
from household.core.schema import Times


class Cursor(NamedTuple):
    """Hold the next rows of a file."""

    name: str
    table: pa.Table
    rest: Iterator[pa.Table]

    @property
    def stamps(self) -> Times:
        """Return the times of the rows: (rows,)."""
        return arrow.to_numpy(self.table["timestamp"])

    def advance(self, rows: int) -> "Cursor | None":
        """Return the cursor after the first `rows`; None at the end of the file."""
        return _cursor(self.name, self.table[rows:], self.rest)


def merge_sorted(records: Mapping[str, Iterator[pa.Table]]) -> Iterator[pa.Table]:
    """Yield the rows of all files in time order, once where several files have the same row.

    Args:
        records: For each file, by its name in messages, tables of one schema with increasing
            `timestamp`.

    Raises:
        UserError: Two files have different values for the same minute.
    """
    cursors = [_cursor(name, next(rest, None), rest) for name, rest in records.items()]
    while remaining := sorted(filter(None, cursors), key=lambda cursor: cursor.stamps[0]):
        first, *others = remaining
        # The rows of the first file up to here come before all rows of the other files.
        rows = np.searchsorted(first.stamps, others[0].stamps[0]) if others else len(first.stamps)
        if rows:
            yield first.table[:rows]
            cursors = [first.advance(int(rows)), *others]
        else:
            cursors = [*_merge(first, others[0]), *others[1:]]


def _cursor(name: str, table: pa.Table | None, rest: Iterator[pa.Table]) -> Cursor | None:
    """Return a cursor at the rows in `table` and then `rest`; None if there are none."""
    while table is not None and not table.num_rows:
        table = next(rest, None)
    return None if table is None else Cursor(name, table, rest)


def _merge(one: Cursor, other: Cursor) -> tuple[Cursor, Cursor | None]:
    """Merge the rows of `other` into `one` as far as both have been read; return both cursors."""
    last = min(one.stamps[-1], other.stamps[-1])
    n_merged = int(np.searchsorted(other.stamps, last, side="right"))
    stamps = other.stamps[:n_merged]
    _, one_rows, other_rows = np.intersect1d(
        one.stamps, stamps, assume_unique=True, return_indices=True
    )
    rows = other.table[:n_merged]
    mine, same = (
        one.table.take(arrow.from_numpy(one_rows, pa.int64())),
        rows.take(arrow.from_numpy(other_rows, pa.int64())),
    )
    if not mine.equals(same):
        (row, *_) = (
            row for row in range(len(one_rows)) if not mine.slice(row, 1).equals(same.slice(row, 1))
        )
        raise UserError(
            f"{one.name} and {other.name} have different values for the minute "
            f"{np.datetime_as_string(stamps[other_rows[row]], unit='m')}; remove the wrong one"
        )
    new = np.setdiff1d(np.arange(n_merged), other_rows)
    table = pa.concat_tables([one.table, rows.take(arrow.from_numpy(new, pa.int64()))]).sort_by(
        "timestamp"
    )
    return one._replace(table=table), other.advance(n_merged)
