"""Gather chunks from several shards in memory."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from household.core.schema import Float32
from household.dataset import inputs, windows
from household.dataset.inputs import Arrays, Inputs
from household.dataset.windows import Starts, WindowShape


class Shard(NamedTuple):
    """Hold windows of a series.

    Attributes:
        inputs: What forecasts of the series read.
        starts: The starts of the windows.
    """

    inputs: Inputs
    starts: Starts


class Batch(NamedTuple):
    """Hold a batch of chunks, or of windows if a chunk is one minute.

    Attributes:
        inputs: The inputs of the network by name; see `household.dataset.inputs`. The readings are
            (chunks, minutes, columns), or (windows, lookback, columns).
        targets: The target in kW: (chunks, forecasts, horizon), or (windows, horizon). A chunk has
            a forecast for each of its minutes after the burn-in.
        weights: 1 for a forecast that counts in the loss, else 0: (chunks, forecasts), or
            (windows,).
    """

    inputs: Arrays
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

    def __init__(
        self, read: Sequence[Shard], shape: WindowShape, minutes: int, burn_in: int = 0
    ) -> None:
        # A chunk may begin before the first window of its shard and end after the last one. The
        # padding keeps it out of other shards. Minutes there have no weight.
        before, after = (minutes, 2 * minutes) if len(read) > 1 else (0, 0)
        sizes = np.array([before + len(each.inputs.values) + after for each in read])
        offsets = (np.cumsum(sizes) - sizes + before).astype(np.int32)
        starts = np.concatenate(
            [each.starts + offset for each, offset in zip(read, offsets, strict=True)]
        )
        # What follows the last target may belong to another split.
        last = int(windows.last_row(starts.max(), shape))
        self._inputs = read[0].inputs
        if len(read) > 1:
            self._inputs = inputs.join([each.inputs for each in read], before, after)
        self._values = self._inputs.values[: last + 1]
        self._shape, self._minutes, self._burn_in = shape, minutes, burn_in
        self._weights = np.zeros(sizes.sum() + 3 * minutes, np.float32)
        self._weights[starts + minutes] = 1
        # Rows of the targets of each forecast, counted from the row after the first forecast.
        forecasts = np.arange(minutes - burn_in, dtype=np.int32)
        self._targets = windows.input_rows(forecasts, shape.horizon)
        self.n_chunks = np.concatenate(
            [
                windows.chunk_starts(each.starts, minutes - burn_in) - burn_in + offset
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
        first_forecast = n_inputs - minutes + self._burn_in
        power = chunks[:, first_forecast + 1 :, 0][:, self._targets]
        weights = self._weights[windows.input_rows(firsts + minutes, minutes)][:, self._burn_in :]
        last_inputs = np.clip(rows[:, first_forecast:n_inputs], 0, len(self._values) - 1)
        if minutes == 1:
            power, weights, last_inputs = power[:, 0], weights[:, 0], last_inputs[:, 0]
        known = self._inputs.targets(last_inputs, horizon)
        return Batch({inputs.READINGS: chunks[:, :n_inputs], **known}, power, weights)


def input_length(shape: WindowShape, minutes: int) -> int:
    """Return the number of input minutes of a chunk; a chunk of one minute is a whole window."""
    return minutes if minutes > 1 else shape.lookback
