"""A meter's text as typed Parquet, and what there is to know of it."""

from pathlib import Path
from typing import Any, NamedTuple

from household.meter import months, quality
from household.meter.ahead import ahead
from household.meter.records import Records
from household.pipeline.failure import Failure
from household.pipeline.params import Parse


class Job(NamedTuple):
    """A meter to be parsed."""

    raw: Path  # a zip, or a folder of them that are joined in time
    parsed: Path  # a file to be written; where `raw` is a folder, one to be filled
    settings: Parse


def parse(job: Job) -> dict[str, Any]:
    """Writes the minutes; returns their quality: see `household.meter.quality.Quality.record`.

    Raises Failure for what is no record of minutes; a file is not left then.
    """
    found = quality.Quality()
    one = job.raw.is_dir()
    records = Records(sorted(job.raw.glob("*.zip")) if one else [job.raw], job.settings)
    write = months.write if one else months.write_one
    for month in write(job.parsed, ahead(iter(records))):
        found.add(month)
    try:
        return found.record(records.skipped, records.name, records.entities)
    except Failure:
        if job.parsed.is_file():
            job.parsed.unlink()
        raise
