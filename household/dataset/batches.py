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
from household.dataset import windows
from household.dataset.inputs import InputReader, Inputs
from household.dataset.shuffle_buffer import Batch, Shard, ShuffleBuffer
from household.dataset.windows import Starts, WindowShape

# Minutes of a meter that are read at once, and minutes that are in memory and shuffled together:
# enough for a batch to hold windows of many meters.
SHARD_MINUTES = 2**15
BUFFER_MINUTES = 2**21

# shuffle(starts, buffer_index, max_shift): permute `starts`, and shift all of them by one random
# offset in [0, max_shift). Both depend on `buffer_index`.
Shuffle = Callable[[Starts, int, int], Starts]


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
        """Return how many chunks count the windows, `minutes` each; see `windows.chunk_starts`."""
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


def in_memory(whole: Inputs, starts: Starts) -> WindowDataset:
    """Return the windows at `starts` of one series, in memory and in that order."""
    if not len(starts):
        return WindowDataset([], [])
    all_windows = Shard(whole, starts)
    shard = ShardRef(len(starts), int(starts.min()), int(starts.max()), lambda: all_windows)
    history = whole.history
    return WindowDataset([shard], [whole.values, history.cells, history.power, starts])


def load_datasets(
    folder: Path, splits: Sequence[Path], reader: InputReader, *, before: int
) -> list[WindowDataset]:
    """Return the windows of several splits of the split stage.

    Those of one meter are held in memory, those of several meters are read from files; see
    `from_files`.

    Args:
        folder: The series of each meter.
        splits: The window starts of each meter, a folder for each split.
        reader: Reads the inputs of a series.
        before: How many minutes before the first window of a shard to read as well.
    """
    minutes, starts = meters.by_name(folder), [meters.by_name(split) for split in splits]
    if len(minutes) == 1:
        ((meter, path),) = minutes.items()
        whole = reader.read(path)
        return [in_memory(whole, windows.read_starts(split[meter])) for split in starts]
    return [
        from_files([(minutes[meter], path) for meter, path in split.items()], reader, before)
        for split in starts
    ]


def from_files(
    meters: Sequence[tuple[Path, Path]], reader: InputReader, before: int
) -> WindowDataset:
    """Return the windows of several meters, to be read from files.

    Args:
        meters: The file of the series and the file of the window starts of each meter.
        reader: Reads the inputs of a series.
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
                    _read_shard, path, starts, first, last=last, reader=reader, before=before
                )
                shards.append(ShardRef(len(shard_starts), first, last, read))
    return WindowDataset(
        shards,
        [files.sha256(path).encode() for files_of_meter in meters for path in files_of_meter],
    )


def _read_shard(
    path: Path, starts: Path, first: int, *, last: int, reader: InputReader, before: int
) -> Shard:
    """Return the windows that begin from `first` to `last`, and their part of the series."""
    begin = max(0, first - before)
    rows = reader.read(path, begin, last + reader.shape.length)
    all_starts = windows.read_starts(starts)
    selected = np.sort(all_starts[(all_starts >= first) & (all_starts <= last)])
    return Shard(rows, selected - np.int32(begin))


def iter_batches(
    dataset: WindowDataset,
    shape: WindowShape,
    chunk_length: int,
    *,
    batch_size: int,
    burn_in: int = 0,
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
        burn_in: How many windows at the start of a chunk have their targets in the chunk before.
        shuffle: Shuffles the shards, and then the chunks of those that are in memory together,
            after shifting their boundaries. By default all stay in order.
    """
    order = np.arange(len(dataset.shards), dtype=np.int32)
    if shuffle and len(order) > 1:
        order = shuffle(order, -1, 1)
    pending: list[Batch] = []
    n_missing = batch_size  # chunks that the next batch lacks
    shards = [dataset.shards[j] for j in order]
    for i, buffer in enumerate(_buffers(shards, shape, chunk_length, burn_in)):
        firsts = buffer.n_chunks
        if shuffle:
            firsts = shuffle(firsts, i, chunk_length - burn_in)
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
    shards: Sequence[ShardRef], shape: WindowShape, minutes: int, burn_in: int
) -> Iterator[ShuffleBuffer]:
    """Yield shards in groups that fit in memory together."""
    in_memory: list[Shard] = []
    for shard in shards:
        in_memory.append(shard.read())
        if sum(len(each.inputs.values) for each in in_memory) >= BUFFER_MINUTES:
            yield ShuffleBuffer(in_memory, shape, minutes, burn_in)
            in_memory = []
    if in_memory:
        yield ShuffleBuffer(in_memory, shape, minutes, burn_in)


def _concat(parts: list[Batch]) -> Batch:
    """Concatenate parts of a batch."""
    if len(parts) == 1:
        return parts[0]
    by_part, targets, weights = zip(*parts, strict=True)
    joined = {name: np.concatenate([part[name] for part in by_part]) for name in by_part[0]}
    return Batch(joined, np.concatenate(targets), np.concatenate(weights))
