"""Read all zips of a meter as one series of minutes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from household.meter import archive
from household.meter.export import UCI, Export, Layout
from household.meter.joined import joined
from household.meter.reader import Reader
from household.pipeline.params import Parse


class Records:
    """Read the minutes of all `zips` of a meter once.

    Iterate over it for tables of series.SCHEMA in time order. Raises Failure as
    `household.meter.reader.Reader` and `household.meter.joined.joined` do.
    """

    def __init__(self, zips: Sequence[Path], settings: Parse) -> None:
        self._zips = zips
        self._layout = Layout.of(settings.layout.model_dump())
        self._skip = settings.on_bad_line == "skip"
        self._readers: list[Reader | Export] = []
        self._names: list[str] = []

    def __iter__(self) -> Iterator[pa.Table]:
        with ExitStack() as texts:
            for path in self._zips:
                text = texts.enter_context(archive.text(path))
                several = len(self._zips) > 1
                name = f"{path.name}: {text.name}" if several else text.name
                self._names.append(name)
                self._readers.append(
                    Reader(text, skip=self._skip, name=name)
                    if self._layout == UCI
                    else Export(text, self._layout, skip=self._skip, name=name)
                )
            names = [path.name for path in self._zips]
            yield from joined(dict(zip(names, map(iter, self._readers), strict=True)))

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
