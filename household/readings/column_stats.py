"""Find the minimum, mean and maximum of the columns of a series."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from household.core import arrow


class ColumnStats:
    """Find the minimum, mean and maximum of a column."""

    def __init__(self) -> None:
        self.missing = self._count = 0
        self._sum, self._least, self._most = 0.0, np.float32(np.inf), np.float32(-np.inf)

    def add(self, column: pa.ChunkedArray) -> None:
        """Take the next values into account."""
        self.missing += column.null_count
        values = arrow.to_numpy(column.drop_null())
        if len(values):
            self._count += len(values)
            self._sum += float(values.sum(dtype=np.float64))
            self._least = min(self._least, values.min())
            self._most = max(self._most, values.max())

    def to_dict(self) -> dict[str, float | None]:
        """Return the three figures, None if the column has no value."""
        if not self._count:
            return {"min": None, "mean": None, "max": None}
        return {
            # Converting a float32 by its text gives the decimal number of the source.
            "min": float(str(self._least)),
            # Further decimals of the sum depend on the processor.
            "mean": round(self._sum / self._count, 6),
            "max": float(str(self._most)),
        }


def combine(records: Sequence[dict[str, Any]], name: str) -> dict[str, float | None]:
    """Combine the extents of a column over all meters, as in `ColumnStats.to_dict`."""
    extents = [
        (record["columns"][name], record["rows"] - record["missing"][name])
        for record in records
        if record["columns"][name]["mean"] is not None
    ]
    if not extents:
        return {"min": None, "mean": None, "max": None}
    total = math.fsum(extent["mean"] * count for extent, count in extents)
    return {
        "min": min(extent["min"] for extent, _ in extents),
        "mean": round(total / sum(count for _, count in extents), 6),
        "max": max(extent["max"] for extent, _ in extents),
    }
