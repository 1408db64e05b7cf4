"""Simulate, copy or download the zips of the source, and verify them.

Writes data/raw/<meter>/ and data/source.json.
"""

from pathlib import Path

from household.core import files, paths, stage
from household.core.params import Params
from household.readings import source


def main(params: Params, root: Path = Path()) -> None:
    """Run the stage on the files under `root`."""
    with files.atomic_folder(root / paths.RAW) as partial:
        record = source.fetch(params.fetch, partial)
    files.write_json(root / paths.SOURCE, record)
    size = sum(part["bytes"] for part in record["parts"].values())
    print(f"fetch: {size:,} bytes from {record['address']}")


if __name__ == "__main__":
    stage.run("fetch", main)
