"""Convert the texts in the zips to typed Parquet. Every minute is kept; a missing value is null.

Reads data/raw/power/. Writes data/parsed/power/, a file a month or, for several meters, a file a
meter, and reports/data_quality.json.
"""

from household.core import files, meters, paths, stage
from household.core.params import Params
from household.core.schema import TARGET
from household.readings import parse, quality


def main(params: Params) -> None:
    """Run the stage."""
    raw, settings, skip = meters.held(paths.RAW), params.parse, params.on_error == "skip"
    with files.atomic_folder(paths.PARSED) as folder:
        if meters.several(paths.RAW):
            jobs = {
                meter: parse.Job(zipped, meters.place(folder, meter), settings, skip)
                for meter, zipped in raw.items()
            }
            records, left_out = meters.each(parse.parse_meter, jobs, skip=skip, doing="parse")
            record = quality.combine(records, left_out)
        else:
            record = parse.parse_meter(parse.Job(paths.RAW, folder, settings, skip))
    files.write_json(paths.QUALITY, record)
    print(
        f"parse: {record['rows']:,} minutes from {record['first']} to {record['last']}, "
        f"{record['missing'][TARGET]:,} without a power value, "
        f"{record['gaps']['missing_rows']:,} without a row, "
        f"{sum(record['skipped_lines'].values()):,} bad lines skipped"
        + (f", of {len(record['meters']):,} meters" if "meters" in record else "")
    )
    for warning in record["caveats"]:
        print(f"parse: warning: {warning}")


if __name__ == "__main__":
    stage.run("parse", main)
