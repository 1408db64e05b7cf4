"""What there is to know of the parsed minutes before they are used."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.meter import archive, reader, series
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure

MINUTE = np.timedelta64(1, "m")


def record(columns: Mapping[str, pa.ChunkedArray], skipped: Mapping[str, int]) -> dict[str, Any]:
    """The quality of a table of series.SCHEMA, given as its `columns`, as numbers and texts.

    `skipped` counts the lines that were left out, by fault. Raises Failure where the usual step
    from row to row is not a minute.
    """
    stamps = columns["timestamp"].to_numpy()
    check_step(stamps)
    present = columns[TARGET].is_valid().to_numpy()
    return {
        "rows": len(stamps),
        "first": str(stamps[0].astype("datetime64[m]")),
        "last": str(stamps[-1].astype("datetime64[m]")),
        "skipped_lines": {fault: skipped.get(fault, 0) for fault in reader.FAULTS},
        "missing": {name: columns[name].null_count for name in series.NAMES},
        "gaps": gaps(stamps, present),
        "columns": {name: extent(columns[name]) for name in series.NAMES},
    }


def check_step(stamps: npt.NDArray[np.datetime64]) -> None:
    """Raises Failure where most rows are more than a minute apart: a lookback counts minutes."""
    steps = np.diff(stamps)
    if not len(steps):
        return
    usual = np.quantile(steps.astype(np.int64), 0.5, method="lower").astype(steps.dtype)
    if usual != MINUTE:
        raise Failure(
            f"{archive.MEMBER}: the usual step from row to row is {usual // MINUTE} minutes, "
            "expected 1; give a zip with a row for every minute"
        )


def gaps(stamps: npt.NDArray[np.datetime64], present: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """The stretches without a value: their number, the longest in minutes, the rows not there.

    And `by_day`, the minutes without a value on each day that has some.

    A minute is without a value where its row says so or where there is no row for it.
    """
    minutes = (stamps - stamps[0]) // MINUTE
    span = int(minutes[-1]) + 1
    known = np.concatenate([[-1], minutes[present], [span]])
    without = np.diff(known) - 1
    missing = np.ones(span, dtype=bool)
    missing[minutes[present]] = False
    days, counts = np.unique(
        (stamps[0] + np.flatnonzero(missing) * MINUTE).astype("datetime64[D]"), return_counts=True
    )
    return {
        "by_day": dict(zip(days.astype(str).tolist(), counts.tolist(), strict=True)),
        "count": int(np.count_nonzero(without)),
        "longest_minutes": int(without.max()),
        "absent_rows": span - len(stamps),
    }


def extent(column: pa.ChunkedArray) -> dict[str, float | None]:
    """Smallest, mean and largest value; None where there is no value."""
    if column.null_count == len(column):
        return {"min": None, "mean": None, "max": None}
    values = column.drop_null().to_numpy()
    return {
        # By way of its text, a float32 is the decimal that the source had.
        "min": float(str(values.min())),
        # Beyond six decimals the sum depends on the processor.
        "mean": round(float(values.mean(dtype=np.float64)), 6),
        "max": float(str(values.max())),
    }
