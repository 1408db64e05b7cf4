"""Read all zips of a meter as one series of minutes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from household.core import store
from household.core.errors import UserError
from household.core.parallel import prefetch
from household.core.params import ParseParams
from household.readings import archive, quality
from household.readings.delimited import UCI_FORMAT, DelimitedReader, TextFormat
from household.readings.merge import merge_sorted
from household.readings.uci import UciReader


class MeterReader:
    """Read the minutes of all `zips` of a meter once.

    Iterate over it for tables of schema.SCHEMA in time order. Raises UserError as
    `household.readings.uci.UciReader` and `household.readings.merge.merge_sorted` do.
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
        self._readers: list[UciReader | DelimitedReader] = []
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


class Job(NamedTuple):
    """Describe a meter to be parsed.

    Attributes:
        raw: A zip, or a folder of zips that are merged by time.
        parsed: The file to write; the folder to fill if `raw` is a folder.
        settings: The parameters of the parse stage.
        skip: Whether to skip bad lines instead of raising UserError.
    """

    raw: Path
    parsed: Path
    settings: ParseParams
    skip: bool


def parse_meter(job: Job) -> dict[str, Any]:
    """Write the minutes of a meter; return the record of their quality.

    Raises:
        UserError: The text is not a series of minutes. No file is left then.
    """
    report = quality.QualityReport()
    is_folder = job.raw.is_dir()
    zips = sorted(job.raw.glob("*.zip")) if is_folder else [job.raw]
    records = MeterReader(zips, job.settings, skip=job.skip)
    write = store.write_months if is_folder else store.write_file
    for month in write(job.parsed, prefetch(iter(records))):
        report.add(month)
    try:
        return report.to_dict(records.skipped, records.name, records.entities)
    except UserError:
        if job.parsed.is_file():
            job.parsed.unlink()
        raise
