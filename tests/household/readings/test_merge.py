"""Several records as one: against dictionaries that are merged minute by minute."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from household.core import store
from household.core.errors import UserError
from household.readings.merge import merge_sorted

SCHEMA = pa.schema([("timestamp", pa.timestamp("ms")), ("power", pa.float32())])
BEGIN = np.datetime64("2006-12-31T23:50", "m")
# Few minutes and values, so that records overlap and often agree.
MINUTES = st.dictionaries(st.integers(0, 30), st.sampled_from([None, 1.0]), max_size=12)
RECORDS = st.lists(MINUTES, min_size=1, max_size=4)


def tables(record: dict[int, float | None], size: int) -> list[pa.Table]:
    """Yield the minutes of a file, `size` in each table."""
    minutes = sorted(record)
    whole = pa.table(
        [
            pa.array((BEGIN + np.array(minutes, int)).astype("datetime64[ms]")),
            pa.array([record[minute] for minute in minutes], pa.float32()),
        ],
        schema=SCHEMA,
    )
    return [whole[first : first + size] for first in range(0, len(minutes), size)]


def naive(records: list[dict[int, float | None]]) -> dict[int, float | None] | None:
    """All minutes of all records; None where two say otherwise of one."""
    merged: dict[int, float | None] = {}
    for record in records:
        for minute, value in record.items():
            if merged.setdefault(minute, value) != value:
                return None
    return merged


@given(records=RECORDS, size=st.integers(1, 5))
def test_merge_sorts_all_rows_and_refuses_conflicts(
    records: list[dict[int, float | None]], size: int
) -> None:
    parts = {str(place): iter(tables(record, size)) for place, record in enumerate(records)}
    expected = naive(records)
    if expected is None:
        with pytest.raises(UserError, match=r"^\d and \d have different values for the minute 200"):
            list(merge_sorted(parts))
        return
    found = pa.concat_tables([SCHEMA.empty_table(), *merge_sorted(parts)])
    assert (
        found.to_pydict()
        == pa.concat_tables([SCHEMA.empty_table(), *tables(expected, 99)]).to_pydict()
    )


@given(record=MINUTES, size=st.integers(1, 5))
def test_split_by_month_does_not_depend_on_how_rows_are_chunked(
    record: dict[int, float | None], size: int
) -> None:
    found = dict(store.split_by_month(iter(tables(record, size))))
    whole = dict(store.split_by_month(iter(tables(record, 99))))
    assert list(found) == [
        month
        for month, some in (("2006-12", range(10)), ("2007-01", range(10, 31)))
        if set(some) & set(record)
    ]
    for month, table in found.items():
        assert table.equals(whole[month])
        assert all(column.num_chunks == 1 for column in table.columns)
        assert {f"{stamp:%Y-%m}" for stamp in table["timestamp"].to_pylist()} == {month}
    assert sum(len(table) for table in found.values()) == len(record)
