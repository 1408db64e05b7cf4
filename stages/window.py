"""Decides which minutes form a window.

Reads data/parsed/power.parquet. Writes data/windowed/series.parquet, the minutes that count, and
data/windowed/windows.parquet, the start of each window in them.
"""

import pyarrow.parquet as pq

from household.forecast import windows
from household.meter import series
from household.pipeline import files, paths, stage
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure
from household.pipeline.params import Params


def main(params: Params) -> None:
    window = params.window
    table = pq.read_table(paths.PARSED, columns=["timestamp", *window.features])
    features = series.present(table, window.features)
    kept = series.valid(table, features, window.fraction)
    if TARGET not in features or not kept.num_rows:
        raise Failure(f"{paths.PARSED}: no minute has a value for {' and '.join(window.features)}")
    shape = windows.Shape(window.lookback, window.horizon)
    starts = windows.starts(kept["timestamp"].to_numpy(), shape, window.gaps)
    if not len(starts):
        raise Failure(
            f"{kept.num_rows:,} minutes hold no window of window.lookback {window.lookback} "
            f"and window.horizon {window.horizon} with window.gaps {window.gaps}; shorten them, or "
            "use more minutes (window.fraction, fetch.source)"
        )
    files.write_table(paths.SERIES, kept)
    windows.write(paths.WINDOWS, starts)
    print(
        f"window: {len(starts):,} windows of {window.lookback} + {window.horizon} minutes "
        f"in {kept.num_rows:,} minutes"
        + ("" if features == window.features else f" of {', '.join(features)}")
    )


if __name__ == "__main__":
    stage.run("window", main)
