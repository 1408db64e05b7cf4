"""Read windows and their targets in batches, from memory or from files.

The windows of each meter are read in shards. Several shards are in memory at once and shuffled
together, so memory does not grow with the number of meters.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from household.core import files, meters
from household.core.schema import Float32, Values
from household.dataset import series, windows
from household.dataset.windows import Starts, WindowShape

# Minutes of a meter that are read at once, and minutes that are in memory and shuffled together:
# enough for a batch to hold windows of many meters.
SHARD_MINUTES = 2**15
BUFFER_MINUTES = 2**21

# shuffle(starts, buffer_index, max_shift): permute `starts`, and shift all of them by one random
# offset in [0, max_shift). Both depend on `buffer_index`.
Shuffle = Callable[[Starts, int, int], Starts]


class Shard(NamedTuple):
    """Hold windows of a series.

    Attributes:
        values: The series: (minutes, features), the target first.
        starts: The starts of the windows.
    """

    values: Values
    starts: Starts


class ShardRef(NamedTuple):
    """Refer to windows of one meter that are read together.

    Attributes:
        size: The number of windows.
        first: The smallest start.
        last: The largest start.
        read: Reads them.
    """

    size: int
    first: int
    last: int
    read: Callable[[], Shard]

    def n_chunks(self, minutes: int) -> int:
        """Return how many chunks of `minutes` hold the windows; see `windows.chunk_starts`."""
        return self.size if minutes == 1 else -(-(self.last - self.first + minutes) // minutes)


class WindowDataset(NamedTuple):
    """List the shards of a split.

    Attributes:
        shards: The shards, of all meters.
        key: What their contents depend on, for the fingerprint of a checkpoint.
    """

    shards: list[ShardRef]
    key: list[bytes | npt.NDArray[Any]]

    @property
    def size(self) -> int:
        """Return the number of windows."""
        return sum(shard.size for shard in self.shards)

    def n_chunks(self, minutes: int) -> int:
        """Return the number of chunks of `minutes` that hold the windows."""
        return sum(shard.n_chunks(minutes) for shard in self.shards)

    def read(self) -> Iterator[Shard]:
        """Yield the windows of each shard."""
        for shard in self.shards:
            yield shard.read()


def in_memory(values: Values, starts: Starts) -> WindowDataset:
    """Return the windows at `starts` of one series, in memory and in that order."""
    if not len(starts):
        return WindowDataset([], [])
    all_windows = Shard(values, starts)
    shard = ShardRef(len(starts), int(starts.min()), int(starts.max()), lambda: all_windows)
    return WindowDataset([shard], [values, starts])


def load_datasets(
    folder: Path, splits: Sequence[Path], shape: WindowShape, *, before: int
) -> list[WindowDataset]:
    """Return the windows of several splits of the split stage.

    Those of one meter are held in memory, those of several meters are read from files; see
    `from_files`.

    Args:
        folder: The series of each meter.
        splits: The window starts of each meter, a folder for each split.
        shape: The shape of the windows.
        before: How many minutes before the first window of a shard to read as well.
    """
    minutes, starts = meters.by_name(folder), [meters.by_name(split) for split in splits]
    if len(minutes) == 1:
        ((meter, path),) = minutes.items()
        values = series.to_array(files.read_table(path))
        return [in_memory(values, windows.read_starts(split[meter])) for split in starts]
    return [
        from_files([(minutes[meter], path) for meter, path in split.items()], shape, before)
        for split in starts
    ]


def from_files(
    meters: Sequence[tuple[Path, Path]], shape: WindowShape, before: int
) -> WindowDataset:
    """Return the windows of several meters, to be read from files.

    Args:
        meters: The file of the series and the file of the window starts of each meter.
        shape: The shape of the windows.
        before: How many minutes before the first window of a shard to read as well.
    """
    shards: list[ShardRef] = []
    for path, starts in meters:
        sorted_starts = np.sort(windows.read_starts(starts))
        boundaries = np.flatnonzero(np.diff(sorted_starts // SHARD_MINUTES)) + 1
        for shard_starts in np.split(sorted_starts, boundaries):
            if len(shard_starts):
                first, last = int(shard_starts[0]), int(shard_starts[-1])
                read = partial(
                    _read_shard, path, starts, first, last=last, shape=shape, before=before
                )
                shards.append(ShardRef(len(shard_starts), first, last, read))
    return WindowDataset(
        shards,
        [files.sha256(path).encode() for files_of_meter in meters for path in files_of_meter],
    )


def _read_shard(
    path: Path, starts: Path, first: int, *, last: int, shape: WindowShape, before: int
) -> Shard:
    """Return the windows that begin from `first` to `last`, and their part of the series."""
    begin = max(0, first - before)
    rows = files.read_rows(path, begin, last + shape.length)
    all_starts = windows.read_starts(starts)
    selected = np.sort(all_starts[(all_starts >= first) & (all_starts <= last)])
    return Shard(series.to_array(rows), selected - np.int32(begin))


class Batch(NamedTuple):
    """Hold a batch of chunks, or of windows if a chunk is one minute.

    Attributes:
        inputs: (chunks, minutes, features), or (windows, lookback, features).
        targets: The target in kW: (chunks, minutes, horizon), or (windows, horizon).
        weights: 1 for a forecast that counts in the loss, else 0: (chunks, minutes), or (windows,).
    """

    inputs: Values
    targets: Float32
    weights: Float32


class ShuffleBuffer:
    """Hold several shards in memory as one series and gather chunks from it.

    A chunk of 4 minutes with a lookback of 3 and a horizon of 1, whose first window starts at row
    s:

        row       s   s+1  s+2  s+3  s+4  s+5  s+6
        inputs              x    x    x    x          each is the last input minute of a window
        targets                  y    y    y    y     the minute after each input
        weights             1    0    1    1          0: that window is not in the split

    Shards are padded, so that no window crosses from one shard to the next:

        values    pad | a0 a1 a2 a3 a4 a5 | pad pad | pad | b0 b1 b2 b3 | pad pad
    """

    def __init__(self, read: Sequence[Shard], shape: WindowShape, minutes: int) -> None:
        # A chunk may begin before the first window of its shard and end after the last one. The
        # padding keeps it out of other shards. Minutes there have no weight.
        pads = [(minutes, 2 * minutes), (0, 0)]
        values = [each.values for each in read]
        if len(read) > 1:
            values = [np.pad(each, pads, "edge") for each in values]
        ends = np.cumsum([len(each) for each in values], dtype=np.int32)
        offsets = ends - [len(each) for each in values] + (minutes if len(read) > 1 else 0)
        offsets = offsets.astype(np.int32)
        starts = np.concatenate(
            [each.starts + offset for each, offset in zip(read, offsets, strict=True)]
        )
        # What follows the last target may belong to another split.
        last = int(windows.last_row(starts.max(), shape))
        joined = values[0] if len(read) == 1 else np.concatenate(values)
        self._values = joined[: last + 1]
        self._shape, self._minutes = shape, minutes
        self._weights = np.zeros(len(joined) + 3 * minutes, np.float32)
        self._weights[starts + minutes] = 1
        # Rows of the targets of each input, counted from the row after the first input.
        self._targets = windows.input_rows(np.arange(minutes, dtype=np.int32), shape.horizon)
        self.n_chunks = np.concatenate(
            [
                windows.chunk_starts(each.starts, minutes) + offset
                for each, offset in zip(read, offsets, strict=True)
            ]
        )

    def batch(self, firsts: Starts) -> Batch:
        """Return the chunks whose first windows start at `firsts`."""
        minutes, (lookback, horizon) = self._minutes, self._shape
        n_inputs = input_length(self._shape, minutes)
        first_rows = windows.last_input_row(firsts, lookback) - (n_inputs - minutes)
        rows = windows.input_rows(first_rows, n_inputs + horizon)
        chunks = self._values[np.clip(rows, 0, len(self._values) - 1)]
        power = chunks[:, n_inputs - minutes + 1 :, 0][:, self._targets]
        weights = self._weights[windows.input_rows(firsts + minutes, minutes)]
        if minutes == 1:
            power, weights = power[:, 0], weights[:, 0]
        return Batch(chunks[:, :n_inputs], power, weights)


def input_length(shape: WindowShape, minutes: int) -> int:
    """Return the number of input minutes of a chunk; a chunk of one minute is a whole window."""
    return minutes if minutes > 1 else shape.lookback


def iter_batches(
    dataset: WindowDataset,
    shape: WindowShape,
    chunk_length: int,
    *,
    batch_size: int,
    shuffle: Shuffle | None = None,
) -> Iterator[Batch]:
    """Yield all windows of a split in batches.

    With `chunk_length` 1 a chunk is a window. With more, a chunk holds the last input minutes of as
    many consecutive windows, and their targets. A window that crosses a gap or belongs to another
    split has weight 0.

    Args:
        dataset: The split.
        shape: The shape of the windows.
        chunk_length: The length of a chunk in minutes.
        batch_size: The number of chunks in a batch.
        shuffle: Shuffles the shards, and then the chunks of those that are in memory together,
            after shifting their boundaries. By default all stay in order.
    """
    order = np.arange(len(dataset.shards), dtype=np.int32)
    if shuffle and len(order) > 1:
        order = shuffle(order, -1, 1)
    pending: list[Batch] = []
    n_missing = batch_size  # chunks that the next batch lacks
    for i, buffer in enumerate(_buffers([dataset.shards[j] for j in order], shape, chunk_length)):
        firsts = shuffle(buffer.n_chunks, i, chunk_length) if shuffle else buffer.n_chunks
        while len(firsts):
            firsts_of_batch, firsts = firsts[:n_missing], firsts[n_missing:]
            pending.append(buffer.batch(firsts_of_batch))
            n_missing -= len(firsts_of_batch)
            if not n_missing:
                yield _concat(pending)
                pending, n_missing = [], batch_size
    if pending:
        yield _concat(pending)


def _buffers(
    shards: Sequence[ShardRef], shape: WindowShape, minutes: int
) -> Iterator[ShuffleBuffer]:
    """Yield shards in groups that fit in memory together."""
    in_memory: list[Shard] = []
    for shard in shards:
        in_memory.append(shard.read())
        if sum(len(each.values) for each in in_memory) >= BUFFER_MINUTES:
            yield ShuffleBuffer(in_memory, shape, minutes)
            in_memory = []
    if in_memory:
        yield ShuffleBuffer(in_memory, shape, minutes)


def _concat(parts: list[Batch]) -> Batch:
    """Concatenate parts of a batch."""
    return parts[0] if len(parts) == 1 else Batch(*map(np.concatenate, zip(*parts, strict=True)))
