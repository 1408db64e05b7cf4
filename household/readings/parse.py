"""Read all zips of a meter as one series of minutes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from household.core import files, store
from household.core.parallel import prefetch
from household.core.params import ParseParams
from household.readings import archive, quality
from household.readings.delimited import DelimitedReader
from household.readings.lines import TextReader
from household.readings.merge import merge_sorted
from household.readings.text_format import UCI_FORMAT, TextFormat
from household.readings.uci import UciReader


class MeterReader:
    """Read the minutes of all `zips` of a meter once.

    Iterate over it for tables of schema.SCHEMA in time order. Raises UserError as
    `household.readings.lines.TextReader` and `household.readings.merge.merge_sorted` do.
    """

    def __init__(self, zips: Sequence[Path], settings: ParseParams, *, skip: bool) -> None:
        """Prepare to read the zips.

        Args:
            zips: The zips of one meter.
            settings: The parameters of the parse stage.
            skip: Whether to skip bad lines instead of raising UserError.
        """
        self._zips = zips
        self._layout = TextFormat.of(settings.layout.model_dump())
        self._skip = skip
        self._readers: list[TextReader] = []
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
                    else DelimitedReader(text, self._layout, skip=self._skip, name=name)
                )
            names = [path.name for path in self._zips]
            yield from merge_sorted(dict(zip(names, map(iter, self._readers), strict=True)))

    @property
    def name(self) -> str:
        """Return the names of the first two texts for messages, once they are read."""
        return " and ".join(self._names[:2])

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
    meter: str, raw: Path, parsed: Path, *, settings: ParseParams, skip: bool
) -> dict[str, Any]:
    """Write the minutes of a meter; return the record of their quality.

    Args:
        meter: The name of the meter.
        raw: Where the meter's folder of zips is. The zips are merged by time.
        parsed: Where to write the meter's folder of months.
        settings: The parameters of the parse stage.
        skip: Whether to skip bad lines instead of raising UserError.

    Raises:
        UserError: The text is not a series of minutes. No file is left then.
    """
    report = quality.QualityReport()
    records = MeterReader(sorted((raw / meter).glob("*.zip")), settings, skip=skip)
    with files.atomic_folder(parsed / meter) as folder:
        for month in store.write_months(folder, prefetch(iter(records))):
            report.add(month)
        return report.to_dict(records.skipped, records.name, records.entities)
