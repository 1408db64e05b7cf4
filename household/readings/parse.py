"""Read all zips of a meter as one series of steps."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from household.core import files, store
from household.core.parallel import prefetch
from household.core.step import MINUTE, Step
from household.readings import archive, quality
from household.readings.delimited import DelimitedReader
from household.readings.lines import TextReader
from household.readings.merge import merge_sorted
from household.readings.step_reader import StepReader
from household.readings.text_format import UCI_FORMAT, TextFormat
from household.readings.uci import UciReader


class MeterReader:
    """Read the steps of all `zips` of a meter once.

    Iterate over it for tables of schema.SCHEMA in time order. Raises UserError as
    `household.readings.lines.TextReader` and `household.readings.merge.merge_sorted` do, and if
    readings are usually further apart than a step.
    """

    def __init__(self, zips: Sequence[Path], layout: TextFormat, step: Step, *, skip: bool) -> None:
        """Prepare to read the zips.

        Args:
            zips: The zips of one meter.
            layout: How their texts are written.
            step: The step into which the readings are averaged.
            skip: Whether to skip bad lines instead of raising UserError.
        """
        self._zips, self._layout, self._step, self._skip = zips, layout, step, skip
        self._readers: list[TextReader] = []
        self._steps: StepReader | None = None
        self._names: list[str] = []

    def __iter__(self) -> Iterator[pa.Table]:
        with ExitStack() as texts:
            for path in self._zips:
                text = texts.enter_context(archive.open_text(path))
                several = len(self._zips) > 1
                name = f"{path.name}: {text.name}" if several else text.name
                self._names.append(name)
                self._readers.append(
                    UciReader(text, skip=self._skip, name=name)
                    if self._layout == UCI_FORMAT
                    else DelimitedReader(text, self._layout, self._step, skip=self._skip, name=name)
                )
            names = [path.name for path in self._zips]
            tables = merge_sorted(dict(zip(names, map(iter, self._readers), strict=True)))
            # UCI's text has a row for each minute.
            if self._layout == UCI_FORMAT and self._step == MINUTE:
                yield from tables
            else:
                self._steps = StepReader(tables, self._step, self._layout, interval=self._interval)
                yield from self._steps

    def _interval(self) -> int | None:
        """Return the usual interval between readings in milliseconds.

        Raises:
            UserError: It is longer than a step.
        """
        intervals = [reader.check_interval(self._step) for reader in self._readers]
        return min(filter(None, intervals), default=None)

    @property
    def name(self) -> str:
        """Return the names of the first two texts for messages, once they are read."""
        return " and ".join(self._names[:2])

    @property
    def resampling(self) -> dict[str, Any] | None:
        """Return how many readings were averaged, and their usual interval; None if none were."""
        if not self._steps:
            return None
        return {
            "interval_seconds": (self._interval() or 60_000 * self._step.minutes) / 1000,
            "readings": self._steps.readings,
            "resets": self._steps.resets,
        }

    @property
    def entities(self) -> dict[str, list[str]]:
        """Return the columns that name sensors and hold several names, with these names."""
        by_column: dict[str, dict[str, None]] = {}
        for reader in self._readers:
            for column, names in reader.entities.items():
                by_column.setdefault(column, {}).update(dict.fromkeys(names))
        return {column: list(names) for column, names in by_column.items() if len(names) > 1}

    @property
    def skipped(self) -> Counter[str]:
        """Return how many lines have been skipped so far, by fault."""
        return sum((reader.skipped for reader in self._readers), Counter())


def parse_meter(
    meter: str, raw: Path, parsed: Path, *, layout: dict[str, Any], step: Step, skip: bool
) -> dict[str, Any]:
    """Write the steps of a meter; return the record of their quality.

    Args:
        meter: The name of the meter.
        raw: Where the meter's folder of zips is. The zips are merged by time.
        parsed: Where to write the meter's folder of months.
        layout: How the texts are written, as `layouts.resolve` returns it.
        step: The step into which the readings are averaged.
        skip: Whether to skip bad lines instead of raising UserError.

    Raises:
        UserError: The text is not a series of readings. No file is left then.
    """
    report = quality.QualityReport(step)
    records = MeterReader(
        sorted((raw / meter).glob("*.zip")), TextFormat.of(layout), step, skip=skip
    )
    with files.atomic_folder(parsed / meter) as folder:
        for month in store.write_months(folder, prefetch(iter(records))):
            report.add(month)
        record = report.to_dict(records.skipped, records.name, records.entities)
        if records.resampling:
            record["text"] = records.resampling | {"layout": layout}
        return record
