"""Turns the text in the zip into typed Parquet, every minute kept, a missing value as null.

Reads data/raw/power.zip. Writes data/parsed/power.parquet and reports/data_quality.json.
"""

import pyarrow.parquet as pq

from household.meter import archive, quality, series
from household.meter.ahead import ahead
from household.meter.export import UCI, Export, Layout
from household.meter.reader import Reader
from household.pipeline import files, paths, stage
from household.pipeline.columns import TARGET
from household.pipeline.params import Params


def main(params: Params) -> None:
    found = quality.Quality()
    with files.atomic_write(paths.PARSED) as partial:
        with (
            archive.text(paths.RAW) as text,
            pq.ParquetWriter(partial, series.SCHEMA, **files.encoding(series.SCHEMA)) as parquet,
        ):
            layout = Layout.of(params.parse.layout.model_dump())
            skip = params.parse.on_bad_line == "skip"
            reader = Reader(text, skip=skip) if layout == UCI else Export(text, layout, skip=skip)
            for table in ahead(iter(reader)):
                parquet.write_table(table)
                found.add(table)
        record = found.record(reader.skipped)
    files.write_json(paths.QUALITY, record)
    print(
        f"parse: {record['rows']:,} minutes from {record['first']} to {record['last']}, "
        f"{record['missing'][TARGET]:,} missing, {record['gaps']['absent_rows']:,} absent, "
        f"{reader.skipped.total():,} lines skipped"
    )


if __name__ == "__main__":
    stage.run("parse", main)
