"""The same work on many items: in this process, in several, or on a cluster of Dask.

Where it runs is in the environment, HOUSEHOLD_CLUSTER, and in nothing that DVC records.
"""

import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, TypeVar

import household
from household.pipeline.failure import Failure

Item = TypeVar("Item")
Result = TypeVar("Result")

CLUSTER = "HOUSEHOLD_CLUSTER"
# Items that take less time than it takes to start processes.
FEW = 8
# For the scheduler to answer, and for a first worker to be there.
CONNECT_SECONDS = 30
POLL_SECONDS = 0.02
# What the bytes of an output may depend on, beside the code of this package.
LIBRARIES = ("numpy", "onnxruntime", "pandas", "pyarrow")


def each(function: Callable[[Item], Result], items: Sequence[Item], doing: str) -> Iterator[Result]:
    """`function` of each of `items`, in their order, whatever is ready first.

    Both have to be such that they can be sent to another process, and paths in them are of the
    current folder, which has to be there for whoever does the work. `doing` names the work where
    its progress is shown. Raises what `function` does, and Failure where a process is lost, or
    there is no cluster as asked for.
    """
    address = os.environ.get(CLUSTER)
    processes = min(os.cpu_count() or 1, len(items))
    if address:
        results = _on_cluster(address, function, items)
    elif len(items) <= FEW or processes < 2:
        results = map(function, items)
    else:
        results = _in_processes(function, items, processes)
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


def _on_cluster(
    address: str, function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    try:
        import distributed  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        raise Failure(
            f"{CLUSTER} asks for Dask: python -m pip install --require-hashes -r lock/cluster.txt; "
            "without it set, the work is done here"
        ) from None
    for name in ("distributed", "distributed.client"):  # what is wrong is said here, in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with _connected(distributed, address) as client:
        task = _Task(function, version(), Path.cwd())
        futures = client.map(task, items, pure=False)
        place = {future: number for number, future in enumerate(futures)}
        del futures
        ready: dict[int, Any] = {}
        due = 0
        try:
            # What has been fetched is not done again where its worker is lost.
            for future, result in _completed(distributed, client, place):
                ready[place.pop(future)] = result
                future.release()
                while due in ready:
                    yield ready.pop(due)
                    due += 1
        except distributed.KilledWorker as error:
            raise Failure(
                f"{address}: {error.allowed_failures + 1} workers ended at the same item, perhaps "
                "for want of memory; give each more"
            ) from None
        except (distributed.CancelledError, OSError):
            raise Failure(
                f"{address}: the scheduler is gone; start it again, or unset {CLUSTER} to do the "
                "work here"
            ) from None


def _completed(distributed: Any, client: Any, futures: Any) -> Iterator[tuple[Any, Any]]:
    """Each future once it is done, with its result; raises Failure where no worker is left."""
    completed = distributed.as_completed(futures, loop=client.loop, with_results=True)
    seen = time.monotonic()
    while not completed.is_empty():
        if completed.has_ready():
            future, result = next(completed)
            if isinstance(result, distributed.CancelledError):
                raise ConnectionError
            yield future, result
            seen = time.monotonic()
            continue
        time.sleep(POLL_SECONDS)
        if time.monotonic() - seen > CONNECT_SECONDS:
            if not client.scheduler_info()["workers"]:
                raise Failure(
                    f"no worker is left at {client.scheduler.address}; start some in this folder, "
                    "by `python -m dask worker`, each with enough memory"
                )
            seen = time.monotonic()


def _connected(distributed: Any, address: str) -> Any:
    """A client of the cluster at `address`, which has a worker."""
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise Failure(
            f"{CLUSTER}: no scheduler of Dask at {address} ({reason}); start one, or unset "
            f"{CLUSTER} to do the work here"
        ) from None
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (TimeoutError, OSError):
        client.close(timeout=1)
        raise Failure(
            f"{address}: no worker there after {CONNECT_SECONDS} seconds; start some"
        ) from None
    return client


@cache
def version() -> str:
    """What the bytes of an output depend on beside its inputs: this code, and some libraries."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    libraries = [f"{name} {metadata.version(name)}" for name in LIBRARIES]
    python = ".".join(map(str, sys.version_info[:2]))
    return ", ".join([f"code {code.hexdigest()[:12]}", f"Python {python}", *libraries])


class _Task(Generic[Item, Result]):
    """What a worker does: the function, if it is of the same version, in the same folder."""

    def __init__(self, function: Callable[[Item], Result], version: str, folder: Path) -> None:
        self._function, self._version, self._folder = function, version, folder
        self._pinned = household.IS_PINNED

    def __call__(self, item: Item) -> Result:
        if version() != self._version:
            raise Failure(
                f"a worker has {version()}, and here it is {self._version}; start it again in this "
                "folder, with the packages of the same lock"
            )
        if self._pinned and not household.IS_PINNED:
            raise Failure(
                "a worker would round otherwise than this process; start it on a processor with "
                "AVX2, by `python -m dask worker --preload-nanny household ...`"
            )
        try:
            os.chdir(self._folder)
        except OSError:
            raise Failure(
                f"a worker has no folder {self._folder}; mount it there, as it is here"
            ) from None
        return self._function(item)


def _shown(results: Iterator[Result], total: int, doing: str) -> Iterator[Result]:
    if total == 1 or not sys.stderr.isatty():
        yield from results
        return
    from tqdm import tqdm  # noqa: PLC0415 (for whoever looks)

    yield from tqdm(results, desc=doing, total=total, unit="meter", leave=False)
