"""Brings the zip here: simulated, from UCI, from a path or from a URL.

Writes data/raw/power.zip and data/raw/source.json, which says where it came from.
"""

from household.meter import source
from household.pipeline import files, paths, stage
from household.pipeline.params import Params


def main(params: Params) -> None:
    with files.atomic_write(paths.RAW) as partial:
        record = source.fetch(params.fetch, partial)
    files.write_json(paths.SOURCE, record)
    print(f"fetch: {record['bytes']:,} bytes from {record['address']}")


if __name__ == "__main__":
    stage.run("fetch", main)
