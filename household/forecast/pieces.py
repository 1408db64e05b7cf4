"""What a training reads: windows and their targets, from memory or from files, some at a time."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from household.forecast import windows
from household.forecast.windows import Shape, Starts
from household.meter import meters, series
from household.meter.series import Values
from household.pipeline import files

# Minutes of a meter that are read at once, and those that are in memory and shuffled together:
# enough of them that a batch holds windows of many meters.
PIECE = 2**15
POOL = 2**21

# Gives an array in an order that depends on the number, and first adds to all of it one number
# below the other.
Shuffle = Callable[[Starts, int, int], Starts]


class Windows(NamedTuple):
    """Some windows of a series."""

    values: Values  # (minutes, features), the target first
    starts: Starts


class Piece(NamedTuple):
    """Windows of one meter that are read together."""

    size: int  # windows
    first: int  # the smallest start, and the largest
    last: int
    read: Callable[[], Windows]

    def stretches(self, minutes: int) -> int:
        """How many stretches of so many minutes hold them: see `windows.stretches`."""
        return self.size if minutes == 1 else -(-(self.last - self.first + minutes) // minutes)


class Part(NamedTuple):
    """Windows to learn from, in pieces, of which several never stand in memory together."""

    pieces: list[Piece]
    key: list[bytes | npt.NDArray[Any]]  # what their contents depend on

    @property
    def size(self) -> int:
        """How many windows there are."""
        return sum(piece.size for piece in self.pieces)

    def stretches(self, minutes: int) -> int:
        return sum(piece.stretches(minutes) for piece in self.pieces)

    def read(self) -> Iterator[Windows]:
        for piece in self.pieces:
            yield piece.read()


def held(values: Values, starts: Starts) -> Part:
    """The windows at `starts` of one series, in memory and in that order."""
    if not len(starts):
        return Part([], [])
    whole = Windows(values, starts)
    piece = Piece(len(starts), int(starts.min()), int(starts.max()), lambda: whole)
    return Part([piece], [values, starts])


def read(path: Path, parts: Sequence[Path], shape: Shape, before: int) -> list[Part]:
    """The windows of each of `parts` that the split stage left, of the series at `path`.

    Those of one meter stand in memory, those of several in their files: see `of_files`.
    """
    minutes = meters.held(path)
    if meters.several(path):
        return [
            of_files(
                [(minutes[meter], starts) for meter, starts in meters.held(part).items()],
                shape,
                before,
            )
            for part in parts
        ]
    values = series.values(files.read_table(path))
    return [held(values, windows.read(part)) for part in parts]


def of_files(meters: Sequence[tuple[Path, Path]], shape: Shape, before: int) -> Part:
    """The windows of several meters, each given by the files of its series and of its starts.

    With them come as many minutes `before` the first of a piece, where there are some.
    """
    pieces: list[Piece] = []
    for path, starts in meters:
        sorted_starts = np.sort(windows.read(starts))
        cuts = np.flatnonzero(np.diff(sorted_starts // PIECE)) + 1
        for of in np.split(sorted_starts, cuts):
            if len(of):
                first, last = int(of[0]), int(of[-1])
                read = partial(_read, path, starts, first, last, shape, before)
                pieces.append(Piece(len(of), first, last, read))
    return Part(pieces, [files.sha256(path).encode() for both in meters for path in both])


def _read(path: Path, starts: Path, first: int, last: int, shape: Shape, before: int) -> Windows:
    """The windows that begin from `first` to `last`, and their part of the series."""
    begin = max(0, first - before)
    rows = files.read_rows(path, begin, last + shape.length)
    every = windows.read(starts)
    own = np.sort(every[(every >= first) & (every <= last)])
    return Windows(series.values(rows), own - np.int32(begin))


class Batch(NamedTuple):
    """Stretches of minutes, or windows where a stretch is of one minute."""

    inputs: Values  # (stretches, minutes, features), or (windows, lookback, features)
    targets: npt.NDArray[np.float32]  # (stretches, minutes, horizon), or (windows, horizon), in kW
    weights: npt.NDArray[np.float32]  # (stretches, minutes), or (windows,): 1 for one that counts


class Pool:
    """Pieces that are in memory together, as one series in which no window crosses their ends."""

    def __init__(self, read: Sequence[Windows], shape: Shape, minutes: int) -> None:
        # A stretch may begin before the first window of its piece and end after the last one: not
        # in those of another. What it reads there has no weight, but is what comes next to it.
        apart = [(minutes, 2 * minutes), (0, 0)]
        values = [each.values for each in read]
        if len(read) > 1:
            values = [np.pad(each, apart, "edge") for each in values]
        ends = np.cumsum([len(each) for each in values], dtype=np.int32)
        offsets = ends - [len(each) for each in values] + (minutes if len(read) > 1 else 0)
        offsets = offsets.astype(np.int32)
        starts = np.concatenate(
            [each.starts + offset for each, offset in zip(read, offsets, strict=True)]
        )
        # What follows the last target may belong to another part.
        last = int(windows.last_minutes(starts.max(), shape))
        joined = values[0] if len(read) == 1 else np.concatenate(values)
        self._values = joined[: last + 1]
        self._shape, self._minutes = shape, minutes
        self._weights = np.zeros(len(joined) + 2 * minutes, np.float32)
        self._weights[starts + minutes] = 1
        # The rows of the targets among those after the first input that has one.
        self._targets = windows.input_minutes(np.arange(minutes, dtype=np.int32), shape.horizon)
        self.stretches = np.concatenate(
            [
                windows.stretches(each.starts, minutes) + offset
                for each, offset in zip(read, offsets, strict=True)
            ]
        )

    def batch(self, firsts: Starts) -> Batch:
        """The stretches whose first window, were there one, would begin at `firsts`."""
        minutes, (lookback, horizon) = self._minutes, self._shape
        wide = length(self._shape, minutes)
        first_rows = windows.last_input_minutes(firsts, lookback) - (wide - minutes)
        rows = windows.input_minutes(first_rows, wide + horizon)
        stretch = self._values[np.clip(rows, 0, len(self._values) - 1)]
        power = stretch[:, wide - minutes + 1 :, 0][:, self._targets]
        weights = self._weights[windows.input_minutes(firsts + minutes, minutes)]
        if minutes == 1:
            power, weights = power[:, 0], weights[:, 0]
        return Batch(stretch[:, :wide], power, weights)


def length(shape: Shape, minutes: int) -> int:
    """Of a stretch: a window holds what comes before its one minute as well."""
    return minutes if minutes > 1 else shape.lookback


def batches(
    part: Part, shape: Shape, minutes: int, size: int, shuffle: Shuffle | None = None
) -> Iterator[Batch]:
    """All windows of `part`, `minutes` of them in each stretch, `size` stretches a batch.

    With 1 minute a stretch is a window. With more a stretch holds the last input minutes of as many
    windows, each a minute after the last, and their targets; a window that crosses a gap or belongs
    to another part has no weight. Without `shuffle` they come in their order. With it, pieces are
    shuffled, and then the stretches of as many of them as a pool holds, which are cut at other
    minutes as well.
    """
    order = np.arange(len(part.pieces), dtype=np.int32)
    if shuffle and len(order) > 1:
        order = shuffle(order, -1, 1)
    rest: list[Batch] = []
    due = size  # stretches of the batch to come
    for number, pool in enumerate(_pools([part.pieces[place] for place in order], shape, minutes)):
        firsts = shuffle(pool.stretches, number, minutes) if shuffle else pool.stretches
        while len(firsts):
            now, firsts = firsts[:due], firsts[due:]
            rest.append(pool.batch(now))
            due -= len(now)
            if not due:
                yield _joined(rest)
                rest, due = [], size
    if rest:
        yield _joined(rest)


def _pools(pieces: Sequence[Piece], shape: Shape, minutes: int) -> Iterator[Pool]:
    read: list[Windows] = []
    for piece in pieces:
        read.append(piece.read())
        if sum(len(each.values) for each in read) >= POOL:
            yield Pool(read, shape, minutes)
            read = []
    if read:
        yield Pool(read, shape, minutes)


def _joined(parts: list[Batch]) -> Batch:
    return parts[0] if len(parts) == 1 else Batch(*map(np.concatenate, zip(*parts, strict=True)))
