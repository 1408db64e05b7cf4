"""Several records of one meter as one, in time."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.pipeline import arrays
from household.pipeline.failure import Failure


class Head(NamedTuple):
    """What is next of a record."""

    name: str
    table: pa.Table
    rest: Iterator[pa.Table]

    @property
    def stamps(self) -> npt.NDArray[np.datetime64]:
        return arrays.of(self.table["timestamp"])

    def after(self, rows: int) -> "Head | None":
        """The head once the first `rows` are taken; None at the end of the record."""
        return _head(self.name, self.table[rows:], self.rest)


def joined(records: Mapping[str, Iterator[pa.Table]]) -> Iterator[pa.Table]:
    """The rows of all `records` in time order, those that several have once.

    Each record, by the name that messages call it, gives tables of one schema whose `timestamp`
    grows from row to row. Raises Failure where two have other values for the same minute.
    """
    heads = [_head(name, next(rest, None), rest) for name, rest in records.items()]
    while left := sorted(filter(None, heads), key=lambda head: head.stamps[0]):
        first, *others = left
        # A row of another record stands before those from here on, or with them.
        rows = np.searchsorted(first.stamps, others[0].stamps[0]) if others else len(first.stamps)
        if rows:
            yield first.table[:rows]
            heads = [first.after(int(rows)), *others]
        else:
            heads = [*_merged(first, others[0]), *others[1:]]


def _head(name: str, table: pa.Table | None, rest: Iterator[pa.Table]) -> Head | None:
    """Of a record that goes on with `table` and `rest`; None where they hold no row."""
    while table is not None and not table.num_rows:
        table = next(rest, None)
    return None if table is None else Head(name, table, rest)


def _merged(one: Head, other: Head) -> tuple[Head, Head | None]:
    """`one` with the rows of `other` up to the last of both that are there, and what is left."""
    until = min(one.stamps[-1], other.stamps[-1])
    taken = int(np.searchsorted(other.stamps, until, side="right"))
    stamps = other.stamps[:taken]
    _, own, theirs = np.intersect1d(one.stamps, stamps, assume_unique=True, return_indices=True)
    rows = other.table[:taken]
    ours, same = (
        one.table.take(arrays.column(own, pa.int64())),
        rows.take(arrays.column(theirs, pa.int64())),
    )
    if not ours.equals(same):
        (row, *_) = (
            row for row in range(len(own)) if not ours.slice(row, 1).equals(same.slice(row, 1))
        )
        raise Failure(
            f"{one.name} and {other.name} have other values for the minute "
            f"{np.datetime_as_string(stamps[theirs[row]], unit='m')}; give one that is right"
        )
    new = np.setdiff1d(np.arange(taken), theirs)
    table = pa.concat_tables([one.table, rows.take(arrays.column(new, pa.int64()))]).sort_by(
        "timestamp"
    )
    return one._replace(table=table), other.after(taken)
