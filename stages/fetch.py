"""Simulate, copy or download the zips of the source, and verify them.

Writes data/raw/<meter>/ and data/source.json.
"""

from household.core import files, paths, stage
from household.core.params import Params
from household.readings import source


def main(params: Params) -> None:
    """Run the stage."""
    with files.atomic_folder(paths.RAW) as partial:
        record = source.fetch(params.fetch, partial)
    files.write_json(paths.SOURCE, record)
    size = sum(part["bytes"] for part in record["parts"].values())
    print(f"fetch: {size:,} bytes from {record['address']}")


if __name__ == "__main__":
    stage.run("fetch", main)
