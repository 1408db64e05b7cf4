"""Map over meters. A meter is a file or a folder named after it in the folder of an output."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from household.core import parallel
from household.core.errors import UserError

# The name of the meter if there is only one.
ONE = "power"
# Names of meters and layouts are names of files on any system.
PLAIN_NAME = re.compile("[A-Za-z0-9_-]+")

Result = TypeVar("Result")


def by_name(folder: Path) -> dict[str, Path]:
    """Return the path of each meter in `folder` by name, sorted; hidden files are none."""
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.stem: path for path in sorted(visible, key=lambda path: path.stem)}


def plain_name(text: str, default: str) -> str:
    """Return `text`, reduced to plain characters, or `default` if it is empty."""
    return re.sub("[^A-Za-z0-9_-]+", "_", text)[:100] or default


def file_name(meter: str) -> str:
    """Return the name of a meter's file."""
    return f"{meter}.parquet"


def map_meters(
    function: Callable[[str], Result],
    meters: Sequence[str],
    *,
    skip: bool,
    desc: str,
    in_parallel: bool = True,
) -> tuple[dict[str, Result], dict[str, str]]:
    """Apply `function` to the name of each meter, in parallel if there are many.

    Args:
        function: What to do for a meter.
        meters: The names of the meters.
        skip: Whether to skip meters for which `function` raises UserError.
        desc: The name of the stage in messages and progress.
        in_parallel: Whether `function` may run in other processes.

    Returns:
        The results by meter, and the reasons by skipped meter.

    Raises:
        UserError: `function` failed for a meter and `skip` is False, or no meter is left.
    """
    if len(meters) == 1:
        return {meter: function(meter) for meter in meters}, {}
    results: dict[str, Result] = {}
    skipped: dict[str, str] = {}
    attempt = partial(_result_or_error, function)
    attempts = parallel.map_items(attempt, meters, desc) if in_parallel else map(attempt, meters)
    for meter, result in zip(meters, attempts, strict=True):
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
        raise UserError(f"all {len(meters):,} meters failed; {meter}: {reason}")
    for meter, reason in skipped.items():
        print(f"{desc}: skipped meter {meter}: {reason}")
    return results, skipped


def _result_or_error(function: Callable[[str], Result], meter: str) -> Result | UserError:
    """Return the result of `function`, or its UserError, so that the other meters are done."""
    try:
        return function(meter)
    except UserError as error:
        return error
