"""Report on the quality of the parsed readings before they are used."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from household.core import arrow, schema
from household.core.errors import UserError
from household.core.schema import TARGET, Times
from household.core.step import MINUTE, Step
from household.readings import column_stats, lines
from household.readings.intervals import check_interval
from household.readings.plausibility import Doubt, PowerCheck

# A series of which a larger share is missing is hardly read as it was meant.
MOST_MISSING = 0.5
# Means of the other columns above these are hardly of a household, but in another unit.
LARGEST_MEANS: dict[schema.Feature, float] = {
    "global_reactive_power": 20,
    "voltage": 1000,
    "global_intensity": 500,
}
EARLIEST = np.datetime64("1990-01-01")


class QualityReport:
    """Collect figures on the quality of a series, from tables of schema.SCHEMA in time order."""

    def __init__(self, step: Step) -> None:
        """Prepare to report on a series with rows `step` apart."""
        self._step = step
        self._timezone: str | None = None
        self._rows = 0
        self._first = self._last = np.datetime64("NaT", "m")
        self._known = np.datetime64("NaT", "m")  # the latest step with a value
        self._distances: Counter[int] = Counter()  # minutes from row to row
        self._gaps: list[Gaps] = []
        self._power = PowerCheck(step)
        self._columns = {name: column_stats.ColumnStats() for name in schema.NAMES}

    def add(self, table: pa.Table) -> None:
        """Take the next table into account."""
        self._timezone = table["timestamp"].type.tz
        stamps = arrow.to_numpy(table["timestamp"]).astype("datetime64[m]")
        if not self._rows:
            self._first = stamps[0]
            self._known = stamps[0] - self._step.delta
        else:
            stamps = np.append(self._last, stamps)
        distances, counts = np.unique(np.diff(stamps) // MINUTE.delta, return_counts=True)
        self._distances.update(dict(zip(distances.tolist(), counts.tolist(), strict=True)))
        stamps = stamps[-table.num_rows :]
        known = stamps[arrow.to_numpy(table[TARGET].is_valid())]
        self._power.add(known, arrow.to_numpy(table[TARGET].drop_null()))
        self._gaps.append(find_gaps(np.append(self._known, known), self._step))
        self._known = known[-1] if len(known) else self._known
        self._last = stamps[-1]
        self._rows += table.num_rows
        for name, extent in self._columns.items():
            extent.add(table[name])

    def to_dict(
        self, skipped: Mapping[str, int], name: str, entities: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """Return the figures as a record for JSON.

        A step is missing if its row has no value or if it has no row. `gaps` counts the runs of
        missing steps, the longest of them in minutes, the steps without a row (`missing_rows`), and
        the missing steps of each day (`by_day`). `skipped_lines` counts the bad lines by fault;
        of those with a bad `number` only that value is missing. `caveats` says why the readings
        may not be the power of one household.

        Args:
            skipped: Number of skipped lines, by fault.
            name: The name of the readings in messages.
            entities: Columns that name sensors and hold several names, with these names.

        Raises:
            UserError: Rows are usually not one step apart.
        """
        self._check_distances(name)
        delta = self._step.delta
        after = find_gaps(np.array([self._known, self._last + delta]), self._step)
        begins = np.concatenate([part.begins for part in [*self._gaps, after]])
        lengths = np.concatenate([part.lengths for part in [*self._gaps, after]])
        within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
        missing = arrow.to_local(np.repeat(begins, lengths) + within * delta, self._timezone)
        days, counts = np.unique(missing.astype("datetime64[D]"), return_counts=True)
        return {
            "rows": self._rows,
            "first": str(arrow.to_local(self._first, self._timezone)),
            "last": str(arrow.to_local(self._last, self._timezone)),
            "skipped_lines": {fault: skipped.get(fault, 0) for fault in lines.FAULTS},
            "missing": {name: extent.missing for name, extent in self._columns.items()},
            "gaps": {
                "by_day": dict(zip(days.astype(str).tolist(), counts.tolist(), strict=True)),
                "count": len(lengths),
                "longest_minutes": int(lengths.max(initial=0)) * self._step.minutes,
                "missing_rows": int((self._last - self._first) // delta) + 1 - self._rows,
            },
            "columns": {name: extent.to_dict() for name, extent in self._columns.items()},
            "caveats": [
                *(doubt.reason for doubt in self.doubts(entities)),
                *self._power.caveats(self._timezone),
                *(
                    f"the mean of {name} is {mean:,.4g} {schema.UNITS[name]}, which is hardly of a "
                    "household; parse.layout.units is the unit of the meter"
                    for name, largest in LARGEST_MEANS.items()
                    if (mean := self._columns[name].to_dict()["mean"]) and abs(mean) > largest
                ),
            ],
        }

    def doubts(self, entities: Mapping[str, Sequence[str]]) -> Iterator[Doubt]:
        """Yield why the readings are hardly the power of one household.

        Args:
            entities: As in `to_dict`.
        """
        yield from self._power.doubts()
        if self._first < EARLIEST:
            yield Doubt(
                "early_times",
                f"the readings begin in {self._first.astype('datetime64[Y]')}; correct "
                "parse.layout.time_format (epoch counts seconds, epoch_ms milliseconds, %y is a "
                "year of two digits)",
            )
        total = int((self._last - self._first) // self._step.delta) + 1
        missing = total - self._rows + self._columns[TARGET].missing
        if missing > MOST_MISSING * total and missing > self._step.per_day:
            first, last = (
                arrow.to_local(stamp, self._timezone).astype("datetime64[D]")
                for stamp in (self._first, self._last)
            )
            yield Doubt(
                "mostly_missing",
                f"{missing / total:.0%} of the {total:,} {self._step.nouns} from {first} to {last} "
                "are missing; correct parse.layout.time_format, in which day and month may be "
                "swapped, or use a longer parse.step",
            )
        for column, names in entities.items():
            yield Doubt(
                "several_sensors",
                f"the column {column} names several sensors, {', '.join(names)}; name it in "
                "parse.layout.meter, and those to read in parse.layout.meter_names",
            )

    def check(
        self, name: str, entities: Mapping[str, Sequence[str]], accept: Container[str]
    ) -> None:
        """Check that the readings can be the power of one household.

        Args:
            name: The name of the readings in messages.
            entities: As in `to_dict`.
            accept: The kinds of doubts that are accepted.

        Raises:
            UserError: They can hardly be.
        """
        for kind, reason in self.doubts(entities):
            if kind not in accept:
                raise UserError(
                    f"{name}: {reason}; to read it all the same, add {kind} to parse.layout.accept"
                )

    def _check_distances(self, name: str) -> None:
        """Raise UserError unless most rows are a step apart, since a lookback counts steps."""
        count, middle = 0, (self._rows - 1) / 2
        for distance in sorted(self._distances):
            count += self._distances[distance]
            if count >= middle:
                check_interval(name, distance, self._step)
                return


def describe_averaging(record: Mapping[str, Any], step: Step) -> str:
    """Return how many readings were averaged into the steps of a record, "" if none were."""
    text = record.get("text", {"interval_seconds": 60 * step.minutes})
    is_averaged = text["interval_seconds"] < 60 * step.minutes
    return f", averaged from {text['readings']:,} readings" if is_averaged else ""


def combine(records: Mapping[str, dict[str, Any]], left_out: Mapping[str, str]) -> dict[str, Any]:
    """Combine the records of all meters.

    Args:
        records: The record of each meter, by meter.
        left_out: The reason for each skipped meter.

    Returns:
        The record of a single meter as it is. Otherwise a record of all meters together; in
        addition `meters`, their own records without the gaps by day, and `left_out`.
    """
    all_records = list(records.values())
    if len(records) + len(left_out) == 1:
        return all_records[0]
    by_day: Counter[str] = Counter()
    texts = [record["text"] for record in all_records if "text" in record]
    for record in all_records:
        by_day.update(record["gaps"]["by_day"])
    return {
        "rows": sum(record["rows"] for record in all_records),
        "first": min(record["first"] for record in all_records),
        "last": max(record["last"] for record in all_records),
        "skipped_lines": _sum_counts(all_records, "skipped_lines"),
        "missing": _sum_counts(all_records, "missing"),
        "gaps": {
            "by_day": dict(sorted(by_day.items())),
            "count": sum(record["gaps"]["count"] for record in all_records),
            "longest_minutes": max(record["gaps"]["longest_minutes"] for record in all_records),
            "missing_rows": sum(record["gaps"]["missing_rows"] for record in all_records),
        },
        "columns": {name: column_stats.combine(all_records, name) for name in schema.NAMES},
        "caveats": [
            f"meter {meter}: {caveat}"
            for meter, record in records.items()
            for caveat in record["caveats"]
        ],
        "left_out": dict(left_out),
        "meters": {
            meter: record
            | {"gaps": {key: gap for key, gap in record["gaps"].items() if key != "by_day"}}
            for meter, record in records.items()
        },
    } | ({"text": _combine_texts(texts)} if texts else {})


def _combine_texts(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval_seconds": min(record["interval_seconds"] for record in records),
        "readings": sum(record["readings"] for record in records),
        "resets": sum(record["resets"] for record in records),
        "above_max": sum(record["above_max"] for record in records),
        "layout": records[0]["layout"],
    }


def _sum_counts(records: Sequence[dict[str, Any]], key: str) -> dict[str, int]:
    return {name: sum(record[key][name] for record in records) for name in records[0][key]}


class Gaps(NamedTuple):
    """List runs of missing steps.

    Attributes:
        begins: The first step of each gap: (gaps,).
        lengths: The length of each gap in steps: (gaps,).
    """

    begins: Times
    lengths: npt.NDArray[np.int64]


def find_gaps(known: Times, step: Step) -> Gaps:
    """Return the gaps between steps (steps,) that have a value."""
    n_missing = np.diff(known) // step.delta - 1
    rows = np.flatnonzero(n_missing)
    return Gaps(known[rows] + step.delta, n_missing[rows])
