"""Show on a terminal how far a long piece of work is, in one style everywhere."""

import sys
from multiprocessing import parent_process
from typing import Any

FORMAT = "{desc} |{bar:20}| {n_fmt}/{total_fmt} {unit}, {remaining} left"


def progress_bar(desc: str, total: int, unit: str, *, done: int = 0, scale: bool = False) -> Any:
    """Return a bar of tqdm, to be updated and closed, or used in `with`.

    It shows nothing unless standard error is a terminal, and nothing in a worker process, since
    several bars would overwrite each other. It disappears when it is closed.

    Args:
        desc: The stage, and what it does.
        total: The number of units.
        unit: The noun for a number of units.
        done: The number of units that are already done.
        scale: Whether large numbers have a prefix such as M.
    """
    # Imported here, since only work that may take long needs it.
    from tqdm import tqdm  # noqa: PLC0415

    return tqdm(
        desc=desc,
        total=total,
        unit=unit,
        initial=done,
        unit_scale=scale,
        bar_format=FORMAT,
        leave=False,
        disable=parent_process() is not None or not sys.stderr.isatty(),
    )
