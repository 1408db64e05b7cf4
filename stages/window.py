"""Decides which minutes form a window.

Reads data/parsed/power/. Writes data/windowed/series.parquet, the minutes that count, and
data/windowed/windows.parquet, the start of each window in them.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from household.forecast import windows
from household.meter import months, series
from household.meter.ahead import ahead
from household.pipeline import arrays, files, paths, stage
from household.pipeline.columns import TARGET
from household.pipeline.failure import Failure
from household.pipeline.params import Params


def main(params: Params) -> None:
    window = params.window
    features = series.present(months.metadata(paths.PARSED), window.features)
    found = windows.Series()

    # One at a time: the minutes of decades are more than a laptop's memory.
    def tables() -> Iterator[pa.Table]:
        return months.read(paths.PARSED, ["timestamp", *features])

    with files.atomic_write(paths.SERIES) as partial:
        schema = series.schema(features)
        with pq.ParquetWriter(partial, schema, **files.encoding(schema)) as parquet:
            for table in ahead(series.valid(tables, features, window.fraction)):
                found.add(arrays.of(table["timestamp"]))
                parquet.write_table(table)
        if TARGET not in features or not found.minutes:
            raise Failure(
                f"{paths.PARSED}: no minute has a value for {' and '.join(window.features)}"
            )
        starts = found.starts(windows.Shape(window.lookback, window.horizon), window.gaps)
        if not len(starts):
            raise Failure(
                f"{found.minutes:,} minutes hold no window of window.lookback {window.lookback} "
                f"and window.horizon {window.horizon} with window.gaps {window.gaps}; shorten "
                "them, or use more minutes (window.fraction, fetch.source)"
            )
    windows.write(paths.WINDOWS, starts)
    print(
        f"window: {len(starts):,} windows of {window.lookback} + {window.horizon} minutes "
        f"in {found.minutes:,} minutes"
        + ("" if features == window.features else f" of {', '.join(features)}")
    )


if __name__ == "__main__":
    stage.run("window", main)
