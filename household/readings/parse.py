"""Read all zips of a meter as one series of steps, or as those of several meters."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from household.core import arrow, files, meters, store
from household.core.errors import UserError
from household.core.parallel import prefetch
from household.core.step import MINUTE, Step
from household.readings import archive, quality
from household.readings.delimited import DelimitedReader, UnsortedError, to_table
from household.readings.encoding import as_utf8
from household.readings.intervals import check_interval, in_words, usual_interval
from household.readings.lines import TextReader, find_sensors
from household.readings.merge import merge_sorted
from household.readings.order import Readings
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

    Raises UserError as the readers and `household.readings.merge.merge_sorted` do, and if readings
    are usually further apart than a step.

    Attributes:
        readers: The reader of each text.
        layout: How the texts are written.
        step: The step into which the readings are averaged.
    """

    def __init__(
        self,
        readers: Mapping[str, TextReader],
        tables: Mapping[str, Iterable[pa.Table]],
        layout: TextFormat,
        step: Step,
        *,
        measure: Callable[[], Iterable[int | None]],
    ) -> None:
        """Prepare to read a series.

        Args:
            readers: The reader of each text, by the name of its zip.
            tables: The readings of the meter in each text, by the name of its zip.
            layout: How the texts are written.
            step: The step into which the readings are averaged.
            measure: Returns the usual interval between readings in each text in milliseconds, None
                where it is not known yet.
        """
        self._measure = measure
        self.readers, self._tables = list(readers.values()), tables
        self.layout, self.step = layout, step
        self._steps: StepReader | None = None

    def __iter__(self) -> Iterator[pa.Table]:
        tables = merge_sorted({name: iter(each) for name, each in self._tables.items()})
        # UCI's text has a row for each minute.
        if not (self.layout.is_uci and self.step == MINUTE and self.layout.max_kw is None):
            self._steps = StepReader(tables, self.step, self.layout, interval=self._interval)
            tables = iter(self._steps)
        return trim_zeros(tables) if self.layout.trim_zeros else tables

    def _interval(self) -> int | None:
        """Return the usual interval between readings in milliseconds.

        Raises:
            UserError: It is longer than a step.
        """
        usual = min(filter(None, self._measure()), default=None)
        if usual and self.layout.hold is None:
            check_interval(self.name, usual / 60_000, self.step)
        return usual

    @property
    def name(self) -> str:
        """Return the names of the first two texts for messages."""
        return " and ".join(reader.name for reader in self.readers[:2])

    def caveats(self) -> list[str]:
        """Return whether the interval between readings changes in the series."""
        if not self._steps or not self._steps.other_interval:
            return []
        begin, interval = self._steps.other_interval
        day = arrow.to_local(begin, self.layout.timezone).astype("datetime64[D]")
        return [
            f"from {day} on some readings are {in_words(interval / 60_000)} apart, and usually "
            f"{in_words((self._interval() or 0) / 60_000)}; read the parts of the record one by one"
        ]

    @property
    def resampling(self) -> dict[str, Any] | None:
        """Return how many readings were averaged, and their usual interval; None if none were."""
        if not self._steps:
            return None
        return {
            "interval_seconds": (self._interval() or 60_000 * self.step.minutes) / 1000,
            "readings": self._steps.readings,
            "resets": self._steps.resets,
            "above_max": self._steps.above_max,
        }


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
    if not text_format.has_several_meters:
        with _readers(zips, text_format, step, skip=skip) as readers:
            series = SeriesReader(
                readers,
                readers,
                text_format,
                step,
                measure=lambda: [reader.interval for reader in readers.values()],
            )
            try:
                return Parsed({meter: _write(parsed / meter, series, layout)}, {})
            except UnsortedError:
                print(f"parse: {series.name}: not in time order; sorting the readings")
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
    by_meter: dict[str, dict[str, Readings]] = {}
    for zip_name, reader in readers.items():
        if not isinstance(reader, DelimitedReader):
            raise TypeError("UCI's reader takes no unsorted text")
        for own_name, readings in reader.collect().items():
            name = meters.plain_name(own_name, default=meter)
            by_zip = by_meter.setdefault(name, {})
            if zip_name in by_zip:
                raise UserError(f"{zip_name}: two meters are named {name}; rename one")
            by_zip[zip_name] = readings

    def write(name: str) -> dict[str, Any]:
        series = _collected_series(readers, by_meter[name], TextFormat.of(layout), step)
        return _write(parsed / name, series, layout)

    # The readings are in the memory of this process.
    records, left_out = meters.map_meters(
        write, list(by_meter), skip=skip, desc="parse", in_parallel=False
    )
    for record in list(records.values())[1:]:  # the bad lines are those of all meters together
        record["skipped_lines"] = dict.fromkeys(record["skipped_lines"], 0)
    return Parsed(records, left_out)


def _collected_series(
    readers: Mapping[str, TextReader],
    by_zip: Mapping[str, Readings],
    layout: TextFormat,
    step: Step,
) -> SeriesReader:
    """Return the series of one meter from its readings in each text, by the name of its zip."""
    tables = {name: [to_table(readings, layout)] for name, readings in by_zip.items()}
    intervals = [usual_interval(readings.stamps) for readings in by_zip.values()]
    return SeriesReader(readers, tables, layout, step, measure=lambda: intervals)


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


def _write(folder: Path, series: SeriesReader, layout: dict[str, Any]) -> dict[str, Any]:
    """Write the months of a series; return the record of its quality.

    The record has the layout as well, unless the series is UCI's minutes.
    """
    report = quality.QualityReport(series.step)
    with files.atomic_folder(folder) as partial:
        for month in store.write_months(partial, prefetch(iter(series))):
            report.add(month)
        for reader in series.readers:
            reader.check_skipped()
        skipped = sum((reader.skipped for reader in series.readers), Counter())
        entities = find_sensors(series.readers)
        record = report.to_dict(skipped, series.name, entities)
        record["caveats"] += series.caveats()
        report.check(series.name, entities, series.layout.accept)
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
