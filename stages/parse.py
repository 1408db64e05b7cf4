"""Convert the texts in the zips to typed Parquet. Every step is kept; a missing value is null.

Reads data/raw/<meter>/. Writes data/parsed/<meter>/, a file a month, and reports/data_quality.json.
"""

from functools import partial
from pathlib import Path

from household.core import files, meters, paths, stage
from household.core.params import Params
from household.core.schema import TARGET
from household.readings import layouts, parse, quality


def main(params: Params, root: Path = Path()) -> None:
    """Run the stage on the files under `root`."""
    skip, layout = params.on_error == "skip", layouts.resolve(params.parse.layout)
    with files.atomic_folder(root / paths.PARSED) as folder:
        parse_meter = partial(
            parse.parse_meter,
            raw=root / paths.RAW,
            parsed=folder,
            layout=layout,
            step=params.step,
            skip=skip,
        )
        parsed, left_out = meters.map_meters(
            parse_meter, list(meters.by_name(root / paths.RAW)), skip=skip, desc="parse"
        )
    record = parse.combine(parsed, left_out)
    files.write_json(root / paths.QUALITY, record)
    print(
        f"parse: {record['rows']:,} {params.step.nouns} "
        f"from {record['first']} to {record['last']}, "
        f"{record['missing'][TARGET]:,} without a power value, "
        f"{record['gaps']['missing_rows']:,} without a row, "
        f"{sum(record['skipped_lines'].values()):,} bad lines skipped"
        + (f", of {len(record['meters']):,} meters" if "meters" in record else "")
        + quality.describe_averaging(record, params.step)
    )
    for warning in record["caveats"]:
        print(f"parse: warning: {warning}")


if __name__ == "__main__":
    stage.run("parse", main)
