"""Windows of many meters, read from their files some at a time, against all of them as lists."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as at_most
from hypothesis import strategies as st

from household.core import schema
from household.core.step import Step
from household.dataset import batches, windows
from household.dataset.inputs import Arrays, InputColumns, InputReader
from household.dataset.shuffle_buffer import Batch, Shard, ShuffleBuffer
from household.dataset.windows import WindowShape
from household.model import network

LOOKBACK = 4
FEATURES = ["global_active_power", "voltage"]
STEP = Step(360)
READER = InputReader(
    WindowShape(LOOKBACK, 2), InputColumns(2, (1,), ("hour",), is_anchored=True), STEP
)
Given = list[tuple[int, list[int], int]]


@st.composite
def meters(draw: st.DrawFn) -> Given:
    """Of each meter its minutes, the starts of some of its windows, and rows of a row group."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        minutes = draw(st.integers(LOOKBACK + 3, 60))
        every = range(minutes - LOOKBACK - 2)
        starts = draw(st.lists(st.sampled_from(every), unique=True, max_size=40))
        found.append((minutes, starts, draw(st.integers(1, 70))))
    return found


def written(folder: Path, given: Given) -> list[tuple[Path, Path]]:
    """Files of meters in which minute m of meter k is 1000 k + m."""
    paths = []
    for meter, (minutes, starts, group) in enumerate(given):
        stamps = np.datetime64("2007-01-01", "ms") + np.arange(minutes) * STEP.delta
        values = (1000 * meter + np.arange(minutes)).astype(np.float32)
        table = pa.table([stamps, values, -values], schema=schema.schema(FEATURES))
        both = folder / f"{meter}.series.parquet", folder / f"{meter}.starts.parquet"
        pq.write_table(table, both[0], row_group_size=group)
        windows.write_starts(both[1], np.array(starts, np.int32))
        paths.append(both)
    return paths


def counted(
    made: list[Batch], minutes: int, burn_in: int, known: dict[int, Arrays]
) -> Counter[int]:
    """Return the windows with a weight by the value of their first minute; check all else.

    Args:
        made: The batches.
        minutes: The length of a chunk.
        burn_in: How many of its first minutes have no forecast.
        known: What is known of the targets of each window, as read from the whole series.
    """
    found: Counter[int] = Counter()
    before = LOOKBACK - 1 if minutes == 1 else 0
    for inputs, targets, weights in made:
        for row, weight in enumerate(np.atleast_2d(weights.T).T):
            for place in np.flatnonzero(weight):
                stretch = inputs["readings"][row][burn_in:]
                last = int(stretch[place + before, 0])
                assert stretch[place + before, 1] == -last
                at = (row, place) if minutes > 1 else (row,)
                assert targets[at].tolist() == [last + 1, last + 2]
                found[last + 1 - LOOKBACK] += 1
                expected = known[last + 1 - LOOKBACK]
                assert stretch[place + before] == pytest.approx(expected["readings"][0, -1])
                for name in ("profile", "known"):
                    assert inputs[name][at] == pytest.approx(expected[name][0], rel=1e-6)
    return found


def whole(paths: list[tuple[Path, Path]], given: Given) -> dict[int, Arrays]:
    """Return what is known of the targets of each window, by the value of its first minute."""
    series = [READER.read(path) for path, _ in paths]
    return {
        1000 * meter + start: series[meter].windows(np.array([start], np.int32), READER.shape)
        for meter, (_, starts, _) in enumerate(given)
        for start in starts
    }


@at_most(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# A chunk that is longer than a window goes beyond the end of a meter that is alone in memory.
@example([(16, [0, 1, 9, 2, 3, 6, 7], 1), (10, [0, 3], 1)], 8, 0, 1, 3, 1, True)
@given(
    meters(),
    st.integers(1, 9),
    st.integers(0, 8),
    st.integers(1, 7),
    st.sampled_from([3, 16, 2**15]),
    st.sampled_from([1, 40, 2**21]),
    st.booleans(),
)
def test_every_window_comes_once_with_its_own_minutes(
    tmp_path: Path,
    given: Given,
    minutes: int,
    burn_in: int,
    size: int,
    piece: int,
    pool: int,
    shuffle: bool,
) -> None:
    shape, burn_in = READER.shape, min(burn_in, max(minutes - 2, 0))
    expected = Counter(
        1000 * meter + start for meter, (_, starts, _) in enumerate(given) for start in starts
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "SHARD_MINUTES", piece)
        patch.setattr(batches, "BUFFER_MINUTES", pool)
        paths = written(tmp_path, given)
        part = batches.from_files(paths, READER, minutes)
        assert part.size == sum(expected.values())
        order = network.epoch_shuffle(0, 1) if shuffle else None
        made = list(
            batches.iter_batches(
                part, shape, minutes, batch_size=size, burn_in=burn_in, shuffle=order
            )
        )
    assert counted(made, minutes, burn_in, whole(paths, given)) == expected
    sizes = [len(batch.targets) for batch in made]
    assert sum(sizes) == part.n_chunks(minutes - burn_in)
    assert all(each == size for each in sizes[:-1])


def test_no_more_minutes_are_in_memory_than_the_shuffle_buffer_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "SHARD_MINUTES", 20)
    monkeypatch.setattr(batches, "BUFFER_MINUTES", 100)
    meters = written(tmp_path, [(300, list(range(290)), 7)] * 5)
    part = batches.from_files(meters, READER, 5)
    held: list[int] = []
    pool = ShuffleBuffer

    def noted(read: list[Shard], *others: Any) -> ShuffleBuffer:
        held.append(sum(len(each.inputs.values) for each in read))
        return pool(read, *others)

    monkeypatch.setattr(batches, "ShuffleBuffer", noted)
    list(
        batches.iter_batches(
            part, WindowShape(LOOKBACK, 2), 5, batch_size=4, shuffle=network.epoch_shuffle(0, 0)
        )
    )
    assert len(held) > 10
    assert max(held) < 100 + 20 + LOOKBACK + 2 + 5


def test_a_batch_holds_windows_of_several_meters(tmp_path: Path) -> None:
    meters = written(tmp_path, [(300, list(range(290)), 999)] * 5)
    part = batches.from_files(meters, READER, 1)
    first = next(
        batches.iter_batches(
            part, WindowShape(LOOKBACK, 2), 1, batch_size=40, shuffle=network.epoch_shuffle(0, 0)
        )
    )
    assert len(set((first.inputs["readings"][:, 0, 0] // 1000).tolist())) == 5


def test_windows_from_files_equal_windows_from_memory(tmp_path: Path) -> None:
    shape = READER.shape
    (both,) = written(tmp_path, [(300, list(range(5, 250, 2)), 50)])
    for minutes in (1, 6):
        parts = [
            batches.from_files([both], READER, minutes),
            batches.in_memory(READER.read(both[0]), np.sort(windows.read_starts(both[1]))),
        ]
        of_each = [
            batches.iter_batches(
                part, shape, minutes, batch_size=8, shuffle=network.epoch_shuffle(3, 2)
            )
            for part in parts
        ]
        for one, other in zip(*of_each, strict=True):
            np.testing.assert_array_equal(one.targets, other.targets)
            np.testing.assert_array_equal(one.weights, other.weights)
            for name, ours in one.inputs.items():
                np.testing.assert_allclose(ours, other.inputs[name], rtol=1e-6)
