"""Read all zips of a meter as one series of steps, or as those of several meters."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from household.core import arrow, files, store
from household.core.errors import UserError
from household.core.parallel import prefetch
from household.core.step import MINUTE, Step, at_least
from household.readings import archive, quality
from household.readings.delimited import DelimitedReader, UnsortedError, to_table
from household.readings.encoding import as_utf8
from household.readings.lines import TextReader
from household.readings.merge import merge_sorted
from household.readings.step_reader import StepReader, trim_zeros
from household.readings.text_format import TextFormat
from household.readings.uci import UciReader


class Parsed(NamedTuple):
    """Hold the results of parsing the zips of a folder.

    Attributes:
        records: The record of the quality of each meter, by meter.
        left_out: The reason for each meter that was skipped.
    """

    records: dict[str, dict[str, Any]]
    left_out: dict[str, str]


class SeriesReader:
    """Read the steps of a meter once: iterate over it for tables of schema.SCHEMA in time order.

    Attributes:
        layout: How the texts are written.

    Raises UserError as the readers and `household.readings.merge.merge_sorted` do, and if readings
    are usually further apart than a step.
    """

    def __init__(
        self,
        readers: Mapping[str, TextReader],
        tables: Mapping[str, Iterable[pa.Table]],
        layout: TextFormat,
        step: Step,
    ) -> None:
        """Prepare to read a series.

        Args:
            readers: The reader of each text, by the name of its zip.
            tables: The readings of the meter in each text, by the name of its zip.
            layout: How the texts are written.
            step: The step into which the readings are averaged.
        """
        self._readers, self._tables = list(readers.values()), tables
        self.layout, self._step = layout, step
        self._steps: StepReader | None = None

    def __iter__(self) -> Iterator[pa.Table]:
        tables = merge_sorted({name: iter(each) for name, each in self._tables.items()})
        # UCI's text has a row for each minute.
        if not (self.layout.is_uci and self._step == MINUTE and self.layout.max_kw is None):
            self._steps = StepReader(tables, self._step, self.layout, interval=self._interval)
            tables = iter(self._steps)
        return trim_zeros(tables) if self.layout.trim_zeros else tables

    def _interval(self) -> int | None:
        """Return the usual interval between readings in milliseconds.

        Raises:
            UserError: It is longer than a step.
        """
        intervals = [reader.check_interval(self._step) for reader in self._readers]
        return min(filter(None, intervals), default=None)

    def caveats(self) -> list[str]:
        """Return whether the interval between readings changes in the series."""
        if not self._steps or not self._steps.other_interval:
            return []
        begin, interval = self._steps.other_interval
        day = arrow.to_local(begin, self.layout.timezone).astype("datetime64[D]")
        return [
            f"from {day} on some readings are {_in_words(interval)} apart, and usually "
            f"{_in_words(self._interval() or 0)}; read the parts of the record one by one"
        ]

    @property
    def resampling(self) -> dict[str, Any] | None:
        """Return how many readings were averaged, and their usual interval; None if none were."""
        if not self._steps:
            return None
        return {
            "interval_seconds": (self._interval() or 60_000 * self._step.minutes) / 1000,
            "readings": self._steps.readings,
            "resets": self._steps.resets,
            "above_max": self._steps.above_max,
        }


def _in_words(milliseconds: float) -> str:
    """Return a time between two readings in words."""
    seconds = milliseconds / 1000
    step = at_least(seconds / 60)
    return step.length if step and 60 * step.minutes == seconds else f"{seconds:g} seconds"


def parse_meter(
    meter: str, raw: Path, parsed: Path, *, layout: dict[str, Any], step: Step, skip: bool
) -> Parsed:
    """Write the steps of a meter, or of all meters in its zips.

    Args:
        meter: The name of the meter.
        raw: Where the meter's folder of zips is. The zips are merged by time.
        parsed: Where to write a folder of months for each meter.
        layout: How the texts are written, as `layouts.resolve` returns it.
        step: The step into which the readings are averaged.
        skip: Whether to skip bad lines, and meters that cannot be used, instead of raising
            UserError.

    Raises:
        UserError: A text is not a series of readings. No file is left then.
    """
    zips, text_format = sorted((raw / meter).glob("*.zip")), TextFormat.of(layout)
    with _readers(zips, text_format, step, skip=skip) as readers:
        if not text_format.has_several_meters:
            try:
                series = SeriesReader(readers, readers, text_format, step)
                record = _write(parsed / meter, series, list(readers.values()), step)
                return Parsed({meter: _with_layout(record, series, layout)}, {})
            except UnsortedError:
                print(f"parse: {_name(readers)}: not in time order; sorting the readings")
    with _readers(zips, text_format, step, skip=skip) as readers:
        return _parse_collected(meter, readers, parsed, layout=layout, step=step, skip=skip)


def _parse_collected(
    meter: str,
    readers: Mapping[str, TextReader],
    parsed: Path,
    *,
    layout: dict[str, Any],
    step: Step,
    skip: bool,
) -> Parsed:
    """Write the steps of all meters in some texts, which are read into memory."""
    text_format = TextFormat.of(layout)
    tables: dict[str, dict[str, list[pa.Table]]] = {}
    for zip_name, reader in readers.items():
        if not isinstance(reader, DelimitedReader):
            raise TypeError("UCI's reader takes no unsorted text")
        for own_name, readings in reader.collect().items():
            name = _file_name(own_name) if own_name else meter
            by_zip = tables.setdefault(name, {})
            if zip_name in by_zip:
                raise UserError(f"{zip_name}: two meters are named {name}; rename one")
            by_zip[zip_name] = [to_table(readings, text_format)]
    found: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for name, by_zip in tables.items():
        series = SeriesReader(readers, by_zip, text_format, step)
        try:
            record = _write(parsed / name, series, list(readers.values()), step)
        except UserError as error:
            if not skip or len(tables) == 1:
                raise UserError(
                    f"meter {name}: {error}" if len(tables) > 1 else str(error)
                ) from None
            left_out[name] = str(error)
            continue
        if found:  # the bad lines are those of all meters together
            record["skipped_lines"] = dict.fromkeys(record["skipped_lines"], 0)
        found[name] = _with_layout(record, series, layout)
    return Parsed(found, left_out)


def combine(parsed: Mapping[str, Parsed], left_out: Mapping[str, str]) -> dict[str, Any]:
    """Combine the records of all meters of all folders; see `quality.combine`.

    Args:
        parsed: The results of each folder.
        left_out: The reason for each folder that was skipped.

    Raises:
        UserError: Two folders hold a meter of the same name.
    """
    records: dict[str, dict[str, Any]] = {}
    reasons = dict(left_out)
    for folder, result in parsed.items():
        for meter, record in result.records.items():
            if meter in records:
                raise UserError(f"meter {meter}: in {folder} as in another file; rename one")
            records[meter] = record
        reasons |= result.left_out
    return quality.combine(records, reasons)


def _write(
    folder: Path, series: SeriesReader, readers: Sequence[TextReader], step: Step
) -> dict[str, Any]:
    """Write the months of a series; return the record of its quality."""
    report = quality.QualityReport(step)
    with files.atomic_folder(folder) as partial:
        for month in store.write_months(partial, prefetch(iter(series))):
            report.add(month)
        skipped = sum((reader.skipped for reader in readers), Counter())
        name = " and ".join(reader.name for reader in readers[:2])
        entities = _entities(readers)
        record = report.to_dict(skipped, name, entities)
        record["caveats"] += series.caveats()
        report.check(name, entities, series.layout.accept)
        return record


def _with_layout(
    record: dict[str, Any], series: SeriesReader, layout: dict[str, Any]
) -> dict[str, Any]:
    """Return the record of a meter with its layout, unless that is UCI's minutes."""
    return record | ({"text": series.resampling | {"layout": layout}} if series.resampling else {})


@contextmanager
def _readers(
    zips: Sequence[Path], layout: TextFormat, step: Step, *, skip: bool
) -> Iterator[dict[str, TextReader]]:
    """Open the texts of all `zips`; yield the reader of each by the name of its zip."""
    with ExitStack() as texts:
        readers: dict[str, TextReader] = {}
        for path in zips:
            stream = texts.enter_context(archive.open_text(path))
            name = f"{path.name}: {stream.name}" if len(zips) > 1 else stream.name
            text = as_utf8(stream, layout.encoding)
            readers[path.name] = (
                UciReader(text, skip=skip, name=name)
                if layout.is_uci
                else DelimitedReader(text, layout, step, skip=skip, name=name)
            )
        yield readers


def _name(readers: Mapping[str, TextReader]) -> str:
    """Return the names of the first two texts for messages."""
    return " and ".join([reader.name for reader in readers.values()][:2])


def _entities(readers: Sequence[TextReader]) -> dict[str, list[str]]:
    """Return the columns that name sensors and hold several names, with these names."""
    by_column: dict[str, dict[str, None]] = {}
    for reader in readers:
        for column, names in reader.entities.items():
            by_column.setdefault(column, {}).update(dict.fromkeys(names))
    return {column: list(names) for column, names in by_column.items() if len(names) > 1}


def _file_name(meter: str) -> str:
    """Return the name of a meter's folder: its name, reduced to plain characters."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", meter.strip())[:100] or "_"
