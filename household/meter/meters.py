"""Where the data of each meter is: that of one at a path itself, of several in a folder there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from household.meter import workers
from household.pipeline import files
from household.pipeline.failure import Failure

FOLDER = "meters"
# The name of the only one.
ONE = "power"

Job = TypeVar("Job")
Made = TypeVar("Made")
# Where the file of a meter is to be written, by its name.
Place = Callable[[str], Path]


def several(path: Path) -> bool:
    """Whether there is a folder of meters at `path`."""
    return (path / FOLDER).is_dir()


def held(path: Path) -> dict[str, Path]:
    """What there is of each meter at `path`, by its name, in the order of the names."""
    if not several(path):
        return {ONE: path}
    return {each.stem: each for each in sorted((path / FOLDER).iterdir())}


def place(folder: Path, meter: str) -> Path:
    """Of the Parquet file of a meter in `folder`."""
    return folder / FOLDER / f"{meter}.parquet"


@contextmanager
def written(several: bool, *paths: Path) -> Iterator[list[Place]]:
    """Gives for each of `paths` where to write the file of a meter.

    A single one is to be at the path itself; of several the folder takes the place of what is at
    the path when the block ends well.
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
    """What `function` makes of each meter's job, and the meters left out with the reason.

    A meter for which it raises Failure is left out with `skip`; without, that ends the work, with
    the meter's name. So does a lack of any that is left. `doing` is what the progress is called.
    """
    if list(jobs) == [ONE]:
        return {ONE: function(jobs[ONE])}, {}
    made: dict[str, Made] = {}
    left_out: dict[str, str] = {}
    tried = workers.each(partial(_tried, function), list(jobs.values()), doing)
    for meter, result in zip(jobs, tried, strict=True):
        if isinstance(result, Failure) and not skip:
            raise Failure(
                f"meter {meter}: {result} (with parse.on_bad_line skip such a meter is left out)"
            )
        if isinstance(result, Failure):
            left_out[meter] = str(result)
        else:
            made[meter] = result
    if not made:
        meter, reason = next(iter(left_out.items()))
        raise Failure(f"none of the {len(jobs):,} meters is left; {meter}: {reason}")
    for meter, reason in left_out.items():
        print(f"{doing}: meter {meter} is left out: {reason}")
    return made, left_out


def _tried(function: Callable[[Job], Made], job: Job) -> Made | Failure:
    """What `function` makes of a job, or its Failure, so that the other meters go on."""
    try:
        return function(job)
    except Failure as failure:
        return failure
