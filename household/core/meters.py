"""Find the files of each meter: the path itself for one meter, a folder at the path for several."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from household.core import files, parallel
from household.core.errors import UserError

FOLDER = "meters"
# The name of a single meter.
ONE = "power"

Job = TypeVar("Job")
Made = TypeVar("Made")
# Return the path of a meter's file by the meter's name.
Place = Callable[[str], Path]


def several(path: Path) -> bool:
    """Return whether there is a folder of meters at `path`."""
    return (path / FOLDER).is_dir()


def held(path: Path) -> dict[str, Path]:
    """Return the path of each meter at `path`, by meter, sorted by name."""
    if not several(path):
        return {ONE: path}
    return {file.stem: file for file in sorted((path / FOLDER).iterdir())}


def place(folder: Path, meter: str) -> Path:
    """Return the path of a meter's Parquet file in `folder`."""
    return folder / FOLDER / f"{meter}.parquet"


@contextmanager
def written(several: bool, *paths: Path) -> Iterator[list[Place]]:
    """Yield, for each of `paths`, a function that returns where to write a meter's file.

    A single meter is written to the path itself. Several meters are written to a folder that
    replaces the path on success.
    """
    if not several:
        yield [_always(path) for path in paths]
        return
    with ExitStack() as stack:
        folders = [stack.enter_context(files.atomic_folder(path)) for path in paths]
        for folder in folders:
            (folder / FOLDER).mkdir()
        yield [_in(folder) for folder in folders]


def _always(path: Path) -> Place:
    return lambda _: path


def _in(folder: Path) -> Place:
    return lambda meter: place(folder, meter)


def each(
    function: Callable[[Job], Made], jobs: Mapping[str, Job], *, skip: bool, doing: str
) -> tuple[dict[str, Made], dict[str, str]]:
    """Apply `function` to the job of each meter.

    Args:
        function: What to do for a meter.
        jobs: Its argument, by meter.
        skip: Whether to skip meters for which `function` raises UserError.
        doing: The name of the stage in messages and progress.

    Returns:
        The results by meter, and the reasons by skipped meter.

    Raises:
        UserError: `function` failed for a meter and `skip` is False, or no meter is left.
    """
    if list(jobs) == [ONE]:
        return {ONE: function(jobs[ONE])}, {}
    results: dict[str, Made] = {}
    skipped: dict[str, str] = {}
    attempts = parallel.map_items(partial(_tried, function), list(jobs.values()), doing)
    for meter, result in zip(jobs, attempts, strict=True):
        if isinstance(result, UserError) and not skip:
            raise UserError(
                f"meter {meter}: {result} (set on_error to skip to leave this meter out)"
            )
        if isinstance(result, UserError):
            skipped[meter] = str(result)
        else:
            results[meter] = result
    if not results:
        meter, reason = next(iter(skipped.items()))
        raise UserError(f"all {len(jobs):,} meters failed; {meter}: {reason}")
    for meter, reason in skipped.items():
        print(f"{doing}: skipped meter {meter}: {reason}")
    return results, skipped


def _tried(function: Callable[[Job], Made], job: Job) -> Made | UserError:
    """Return the result of `function`, or its UserError, so that the other meters are done."""
    try:
        return function(job)
    except UserError as failure:
        return failure
