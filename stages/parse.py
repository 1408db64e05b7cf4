"""Turns the text in the zip into typed Parquet, every minute kept, a missing value as null.

Reads the zips in data/raw/power/. Writes data/parsed/power/, a file a month, and
reports/data_quality.json.
"""

from household.meter import months, quality
from household.meter.ahead import ahead
from household.meter.records import Records
from household.pipeline import files, paths, stage
from household.pipeline.columns import TARGET
from household.pipeline.params import Params


def main(params: Params) -> None:
    found = quality.Quality()
    records = Records(paths.RAW, params.parse)
    with files.atomic_folder(paths.PARSED) as folder:
        for month in months.write(folder, ahead(iter(records))):
            found.add(month)
        record = found.record(records.skipped)
    files.write_json(paths.QUALITY, record)
    print(
        f"parse: {record['rows']:,} minutes from {record['first']} to {record['last']}, "
        f"{record['missing'][TARGET]:,} missing, {record['gaps']['absent_rows']:,} absent, "
        f"{records.skipped.total():,} lines skipped"
    )


if __name__ == "__main__":
    stage.run("parse", main)
