"""The same work on many items, in this process or in several."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from household.pipeline.failure import Failure

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items that take less time than it takes to start processes.
FEW = 8


def each(function: Callable[[Item], Result], items: Sequence[Item], doing: str) -> Iterator[Result]:
    """`function` of each of `items`, in their order, whatever is ready first.

    Both have to be such that they can be sent to another process. `doing` names the work where its
    progress is shown. Raises what `function` does, and Failure where a process is lost.
    """
    processes = min(os.cpu_count() or 1, len(items))
    results = (
        map(function, items)
        if len(items) <= FEW or processes < 2
        else _in_processes(function, items, processes)
    )
    yield from _shown(results, len(items), doing)


def _in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    # Not forked: threads of pyarrow would hold locks that nobody opens.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _leave_interrupts) as pool:
        try:
            yield from pool.map(function, items, chunksize=max(1, min(16, len(items) // 64)))
        except BrokenProcessPool:
            raise Failure(
                "a process that was at work has ended, perhaps for want of memory; run again"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that waits, which ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _shown(results: Iterator[Result], total: int, doing: str) -> Iterator[Result]:
    if total == 1 or not sys.stderr.isatty():
        yield from results
        return
    from tqdm import tqdm  # noqa: PLC0415 (for whoever looks)

    yield from tqdm(results, desc=doing, total=total, unit="meter", leave=False)
