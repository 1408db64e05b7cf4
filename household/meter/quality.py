"""What there is to know of the parsed minutes before they are used."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.meter import reader, series
from household.pipeline import arrays
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure

MINUTE = np.timedelta64(1, "m")
# kW that the mean of no household's power is above.
MOST_MEAN = 100
# Power falls about as often as it rises. A register falls where it is set back to 0, once a day at
# the most, which is seen in an hour of rises.
MANY, RESETS = 60, 0.01


class Quality:
    """What there is to know of the minutes, from tables of series.SCHEMA in time order."""

    def __init__(self) -> None:
        self._rows = 0
        self._first = self._last = np.datetime64("NaT", "m")
        self._known = np.datetime64("NaT", "m")  # the latest minute with a value
        self._steps: Counter[int] = Counter()  # minutes from row to row
        self._gaps: list[Gaps] = []
        self._last_power = np.zeros(0, np.float32)  # the latest that is known
        self._rises = self._falls = 0  # readings that are above and below the one before
        self._columns = {name: Extent() for name in series.NAMES}

    def add(self, table: pa.Table) -> None:
        stamps = arrays.of(table["timestamp"]).astype("datetime64[m]")
        if not self._rows:
            self._first = stamps[0]
            self._known = stamps[0] - MINUTE
        else:
            stamps = np.append(self._last, stamps)
        steps, counts = np.unique(np.diff(stamps) // MINUTE, return_counts=True)
        self._steps.update(dict(zip(steps.tolist(), counts.tolist(), strict=True)))
        stamps = stamps[-table.num_rows :]
        known = stamps[arrays.of(table[TARGET].is_valid())]
        self._gaps.append(gaps(np.append(self._known, known)))
        self._known = known[-1] if len(known) else self._known
        power = np.append(self._last_power, arrays.of(table[TARGET].drop_null()))
        change = np.diff(power)
        self._rises += int((change > 0).sum())
        self._falls += int((change < 0).sum())
        self._last_power = power[-1:]
        self._last = stamps[-1]
        self._rows += table.num_rows
        for name, extent in self._columns.items():
            extent.add(table[name])

    def record(
        self, skipped: Mapping[str, int], name: str, entities: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """The quality as numbers and texts; `skipped` counts lines that were left out, by fault.

        `name` is what messages call the readings; `entities` are the columns that name the sensor
        of a reading and hold several names, with these. `doubts` says in words why the readings may
        not be the power of one household.

        A minute is without a value where its row says so or where there is no row for it. `gaps`
        are the stretches without one: their number, the longest in minutes, the rows not there,
        and `by_day` the minutes on each day that has some. Raises Failure where the usual step
        from row to row is not a minute.
        """
        self._check_step(name)
        after = gaps(np.array([self._known, self._last + MINUTE]))
        begins = np.concatenate([part.begins for part in [*self._gaps, after]])
        lengths = np.concatenate([part.lengths for part in [*self._gaps, after]])
        within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
        minutes = np.repeat(begins, lengths) + within * MINUTE
        days, counts = np.unique(minutes.astype("datetime64[D]"), return_counts=True)
        return {
            "rows": self._rows,
            "first": str(self._first),
            "last": str(self._last),
            "skipped_lines": {fault: skipped.get(fault, 0) for fault in reader.FAULTS},
            "missing": {name: of.missing for name, of in self._columns.items()},
            "gaps": {
                "by_day": dict(zip(days.astype(str).tolist(), counts.tolist(), strict=True)),
                "count": len(lengths),
                "longest_minutes": int(lengths.max(initial=0)),
                "absent_rows": int((self._last - self._first) // MINUTE) + 1 - self._rows,
            },
            "columns": {name: of.record() for name, of in self._columns.items()},
            "doubts": list(self._doubts(entities)),
        }

    def _doubts(self, entities: Mapping[str, Sequence[str]]) -> Iterator[str]:
        power = self._columns[TARGET].record()
        if power["mean"] is not None and power["mean"] > MOST_MEAN:
            yield (
                f"the mean power is {power['mean']:,.0f} kW, where a house has 0.2 to 2; "
                "parse.layout.kilowatts turns what the meter writes into kW"
            )
        if self._rises >= MANY and self._falls < RESETS * self._rises:
            yield (
                f"the power rises {self._rises:,} times and falls {self._falls:,} times, as the "
                "register of a meter that counts kWh does; give a column of power"
            )
        for column, names in entities.items():
            yield (
                f"the column {column} names several, {', '.join(names)}, which are taken for "
                "one; give the readings of one"
            )

    def _check_step(self, name: str) -> None:
        """A lookback counts minutes, so most rows must be a minute apart."""
        at_most, middle = 0, (self._rows - 1) / 2
        for step in sorted(self._steps):
            at_most += self._steps[step]
            if at_most >= middle:
                break
        else:
            return
        if step != 1:
            raise Failure(
                f"{name}: a row is usually {step} minutes after the one before, and the forecast "
                "is made from minutes; give a reading a minute, or more often with "
                "parse.layout.resample: minute (docs/meters.md)"
            )


def overall(records: Mapping[str, dict[str, Any]], left_out: Mapping[str, str]) -> dict[str, Any]:
    """The quality of the minutes of several meters, from the record of each by its name.

    The same figures of all of them together, and beside them `meters`, those of each but for the
    days of its gaps, and `left_out`, why which meters were.
    """
    of_each = list(records.values())
    by_day: Counter[str] = Counter()
    for record in of_each:
        by_day.update(record["gaps"]["by_day"])
    return {
        "rows": sum(record["rows"] for record in of_each),
        "first": min(record["first"] for record in of_each),
        "last": max(record["last"] for record in of_each),
        "skipped_lines": _sums(of_each, "skipped_lines"),
        "missing": _sums(of_each, "missing"),
        "gaps": {
            "by_day": dict(sorted(by_day.items())),
            "count": sum(record["gaps"]["count"] for record in of_each),
            "longest_minutes": max(record["gaps"]["longest_minutes"] for record in of_each),
            "absent_rows": sum(record["gaps"]["absent_rows"] for record in of_each),
        },
        "columns": {name: _extent(of_each, name) for name in series.NAMES},
        "doubts": [
            f"meter {meter}: {doubt}"
            for meter, record in records.items()
            for doubt in record["doubts"]
        ],
        "left_out": dict(left_out),
        "meters": {
            meter: record
            | {"gaps": {key: of for key, of in record["gaps"].items() if key != "by_day"}}
            for meter, record in records.items()
        },
    }


def _sums(records: Sequence[dict[str, Any]], key: str) -> dict[str, int]:
    return {name: sum(record[key][name] for record in records) for name in records[0][key]}


def _extent(records: Sequence[dict[str, Any]], name: str) -> dict[str, float | None]:
    """Of a column of all meters, as `Extent.record`."""
    some = [
        (record["columns"][name], record["rows"] - record["missing"][name])
        for record in records
        if record["columns"][name]["mean"] is not None
    ]
    if not some:
        return {"min": None, "mean": None, "max": None}
    total = math.fsum(of["mean"] * known for of, known in some)
    return {
        "min": min(of["min"] for of, _ in some),
        "mean": round(total / sum(known for _, known in some), 6),
        "max": max(of["max"] for of, _ in some),
    }


class Gaps(NamedTuple):
    begins: npt.NDArray[np.datetime64]  # the first minute of each
    lengths: npt.NDArray[np.int64]


def gaps(known: npt.NDArray[np.datetime64]) -> Gaps:
    """Between minutes that have a value."""
    without = np.diff(known) // MINUTE - 1
    at = np.flatnonzero(without)
    return Gaps(known[at] + MINUTE, without[at])


class Extent:
    """Smallest, mean and largest value of a column; None where there is no value."""

    def __init__(self) -> None:
        self.missing = self._count = 0
        self._sum, self._least, self._most = 0.0, np.float32(np.inf), np.float32(-np.inf)

    def add(self, column: pa.ChunkedArray) -> None:
        self.missing += column.null_count
        values = arrays.of(column.drop_null())
        if len(values):
            self._count += len(values)
            self._sum += float(values.sum(dtype=np.float64))
            self._least = min(self._least, values.min())
            self._most = max(self._most, values.max())

    def record(self) -> dict[str, float | None]:
        if not self._count:
            return {"min": None, "mean": None, "max": None}
        return {
            # By way of its text, a float32 is the decimal that the source had.
            "min": float(str(self._least)),
            # Beyond six decimals the sum depends on the processor.
            "mean": round(self._sum / self._count, 6),
            "max": float(str(self._most)),
        }
