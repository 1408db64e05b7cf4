"""Parse the text of a meter to typed Parquet and report on its quality."""

from pathlib import Path
from typing import Any, NamedTuple

from household.meter import months, quality
from household.meter.ahead import ahead
from household.meter.records import Records
from household.pipeline.failure import Failure
from household.pipeline.params import Parse


class Job(NamedTuple):
    """Describe a meter to be parsed.

    Attributes:
        raw: A zip, or a folder of zips that are merged by time.
        parsed: The file to write; the folder to fill if `raw` is a folder.
        settings: The parameters of the parse stage.
    """

    raw: Path
    parsed: Path
    settings: Parse


def parse(job: Job) -> dict[str, Any]:
    """Write the minutes of a meter; return the record of `household.meter.quality.Quality`.

    Raises:
        Failure: The text is not a series of minutes. No file is left then.
    """
    report = quality.Quality()
    is_folder = job.raw.is_dir()
    records = Records(sorted(job.raw.glob("*.zip")) if is_folder else [job.raw], job.settings)
    write = months.write if is_folder else months.write_one
    for month in write(job.parsed, ahead(iter(records))):
        report.add(month)
    try:
        return report.record(records.skipped, records.name, records.entities)
    except Failure:
        if job.parsed.is_file():
            job.parsed.unlink()
        raise
