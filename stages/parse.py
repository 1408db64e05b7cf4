"""Turns the text in the zip into typed Parquet, every minute kept, a missing value as null.

Reads the zips in data/raw/power/. Writes data/parsed/power/, a file a month, and
reports/data_quality.json.
"""

from collections import Counter
from contextlib import ExitStack

from household.meter import archive, months, quality
from household.meter.ahead import ahead
from household.meter.export import UCI, Export, Layout
from household.meter.joined import joined
from household.meter.reader import Reader
from household.pipeline import files, paths, stage
from household.pipeline.columns import TARGET
from household.pipeline.params import Params


def main(params: Params) -> None:
    found = quality.Quality()
    layout = Layout.of(params.parse.layout.model_dump())
    skip = params.parse.on_bad_line == "skip"
    zips = sorted(paths.RAW.glob("*.zip"))
    readers: dict[str, Reader | Export] = {}
    with ExitStack() as texts:
        for path in zips:
            name = archive.MEMBER if len(zips) == 1 else f"{path.name}: {archive.MEMBER}"
            text = texts.enter_context(archive.text(path))
            readers[path.name] = (
                Reader(text, skip=skip, name=name)
                if layout == UCI
                else Export(text, layout, skip=skip, name=name)
            )
        folder = texts.enter_context(files.atomic_folder(paths.PARSED))
        records = {name: iter(reader) for name, reader in readers.items()}
        for month in months.write(folder, ahead(joined(records))):
            found.add(month)
        skipped = sum((reader.skipped for reader in readers.values()), Counter())
        record = found.record(skipped)
    files.write_json(paths.QUALITY, record)
    print(
        f"parse: {record['rows']:,} minutes from {record['first']} to {record['last']}, "
        f"{record['missing'][TARGET]:,} missing, {record['gaps']['absent_rows']:,} absent, "
        f"{skipped.total():,} lines skipped"
    )


if __name__ == "__main__":
    stage.run("parse", main)
