"""Write simulated readings as the text that UCI publishes."""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from household.core import arrow, schema
from household.readings.simulator import DAY, Integers, SimulatedReadings

ROWS_A_BLOCK = 50_000


def to_uci_text(minutes: SimulatedReadings) -> Iterator[bytes]:
    """Yield UCI's text for `minutes`, the header first, in blocks of whole lines."""
    yield ";".join(schema.HEADER).encode() + b"\r\n"
    n = len(minutes.missing)
    # Scalars of Arrow, since pyarrow imports pandas to make one from a string.
    delimiter, empty, end, unknown = arrow.string_array([";", "", "\r\n", "?;?;?;?;?;?;"])
    clock = arrow.string_array([f"{minute // 60:02}:{minute % 60:02}:00" for minute in range(DAY)])
    dates = (minutes.start + dt.timedelta(days=day) for day in range(-(-n // DAY)))
    days = arrow.string_array([f"{date.day}/{date.month}/{date.year}" for date in dates])
    thousandths = (
        (minutes.active_power, 1),
        (minutes.reactive_power, 1),
        (minutes.voltage, 10),
        (minutes.intensity, 100),
        (minutes.sub_metering_1, 1000),
        (minutes.sub_metering_2, 1000),
        (minutes.sub_metering_3, 1000),
    )
    for first in range(0, n, ROWS_A_BLOCK):
        rows = slice(first, min(first + ROWS_A_BLOCK, n))
        minute = np.arange(rows.start, rows.stop)
        fields = [
            texts.take(arrow.from_numpy(place, pa.int64()))
            for texts, place in ((days, minute // DAY), (clock, minute % DAY))
        ]
        values = [format_thousandths(column[rows], scale) for column, scale in thousandths]
        line = pc.binary_join_element_wise(*fields, *values, delimiter)
        missing_line = pc.binary_join_element_wise(*fields, unknown, delimiter)
        missing = arrow.from_numpy(minutes.missing[rows].view(np.uint8), pa.uint8())
        lines = pc.if_else(missing.cast(pa.bool_()), missing_line, line)
        yield b"".join(pc.binary_join_element_wise(lines, empty, end).buffers()[2:])


def format_thousandths(numbers: Integers, scale: int) -> pa.Array:
    """Return each of `numbers` * `scale` as thousandths with a decimal point."""
    distinct, indices = np.unique(numbers, return_inverse=True)
    texts = arrow.string_array(
        [f"{value // 1000}.{value % 1000:03}" for value in (distinct * scale).tolist()]
    )
    return texts.take(arrow.from_numpy(indices, pa.int64()))
