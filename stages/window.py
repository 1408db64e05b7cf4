"""Decides which minutes form a window.

Reads data/parsed/power.parquet. Writes data/windowed/series.parquet, the minutes that count, and
data/windowed/windows.parquet, the start of each window in them.
"""

from pathlib import Path

import pyarrow.parquet as pq

from household import files, series, stage, windows
from household.failure import Failure
from household.params import Params

PARSED = Path("data/parsed/power.parquet")
SERIES = Path("data/windowed/series.parquet")
WINDOWS = Path("data/windowed/windows.parquet")


def main(params: Params) -> None:
    window = params.window
    table = pq.read_table(PARSED, columns=["timestamp", *window.features])
    kept = series.valid(table, window.features, window.fraction)
    if not kept.num_rows:
        raise Failure(f"{PARSED}: no minute has a value for {' and '.join(window.features)}")
    starts = windows.starts(kept["timestamp"].to_numpy(), window.length, window.gaps)
    if not len(starts):
        raise Failure(
            f"{kept.num_rows:,} minutes hold no window of window.length {window.length} with "
            f"window.gaps {window.gaps}; shorten the window, or use more minutes "
            "(window.fraction, fetch.source)"
        )
    files.write_table(SERIES, kept)
    windows.write(WINDOWS, starts)
    print(f"window: {len(starts):,} windows of {window.length} in {kept.num_rows:,} minutes")


if __name__ == "__main__":
    stage.run("window", main)
