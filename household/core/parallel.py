"""Map a function over meters, and prepare work ahead of its use.

The map runs in this process, in a pool of processes, or on a Dask cluster. The environment variable
HOUSEHOLD_CLUSTER chooses where. DVC does not record it, since the results do not depend on it.
"""

import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, TypeVar

import household
from household.core.errors import UserError
from household.core.progress_bar import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")

CLUSTER = "HOUSEHOLD_CLUSTER"
# Up to so many items are faster than the start of processes.
SERIAL_THRESHOLD = 8
# Time for the scheduler to answer and for a first worker to connect.
CONNECT_SECONDS = 30
POLL_SECONDS = 0.02
# Besides the code of this package, the bytes of an output may depend on these.
LIBRARIES = ("numpy", "onnxruntime", "pandas", "pyarrow")


def map_items(
    function: Callable[[Item], Result], items: Sequence[Item], desc: str
) -> Iterator[Result]:
    """Yield `function` of each of `items`, in their order.

    `function`, `items` and results are pickled. Relative paths in them refer to the current folder,
    which every worker must be able to reach.

    Args:
        function: What to compute.
        items: Its arguments.
        desc: The name of the work in the progress bar.

    Raises:
        UserError: A process died, or the cluster cannot be used. Exceptions of `function` pass
            through.
    """
    address = os.environ.get(CLUSTER)
    processes = min(os.cpu_count() or 1, len(items))
    if address:
        results = _on_cluster(address, function, items)
    elif len(items) <= SERIAL_THRESHOLD or processes < 2:
        results = map(function, items)
    else:
        results = _in_processes(function, items, processes)
    yield from _with_progress(results, len(items), desc)


def _in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    # A fork could copy a lock that one of pyarrow's threads holds, and wait for it forever.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, _ignore_interrupts) as pool:
        try:
            yield from pool.map(function, items, chunksize=max(1, min(16, len(items) // 64)))
        except BrokenProcessPool:
            raise UserError("a worker process died, possibly out of memory; run again") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C, which the parent process handles for all workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _on_cluster(
    address: str, function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    try:
        import distributed  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        raise UserError(
            f"{CLUSTER} asks for Dask: python -m pip install --require-hashes -r lock/cluster.txt; "
            "unset it to run on this machine"
        ) from None
    for name in ("distributed", "distributed.client"):  # errors are reported here, in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with _connected(distributed, address) as client:
        task = _Task(function, code_version(), Path.cwd())
        futures = client.map(task, items, pure=False)
        indices = {future: i for i, future in enumerate(futures)}
        del futures
        ready: dict[int, Any] = {}
        next_index = 0
        try:
            # A fetched result is not computed again when its worker dies.
            for future, result in _completed(distributed, client, indices):
                ready[indices.pop(future)] = result
                future.release()
                while next_index in ready:
                    yield ready.pop(next_index)
                    next_index += 1
        except distributed.KilledWorker as error:
            raise UserError(
                f"{address}: {error.allowed_failures + 1} workers died on the same meter, possibly "
                "out of memory; give each worker more"
            ) from None
        except (distributed.CancelledError, OSError):
            raise UserError(
                f"{address}: lost connection to the scheduler; restart it, or unset {CLUSTER} to "
                "run on this machine"
            ) from None


def _completed(distributed: Any, client: Any, futures: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each future and its result as soon as it is done.

    Raises:
        UserError: No worker is left.
    """
    completed = distributed.as_completed(futures, loop=client.loop, with_results=True)
    last_seen = time.monotonic()
    while not completed.is_empty():
        if completed.has_ready():
            future, result = next(completed)
            if isinstance(result, distributed.CancelledError):
                raise ConnectionError
            yield future, result
            last_seen = time.monotonic()
            continue
        time.sleep(POLL_SECONDS)
        if time.monotonic() - last_seen > CONNECT_SECONDS:
            if not client.scheduler_info()["workers"]:
                raise UserError(
                    f"no worker left at {client.scheduler.address}; start some in this folder by "
                    "`python -m dask worker`, each with enough memory"
                )
            last_seen = time.monotonic()


def _connected(distributed: Any, address: str) -> Any:
    """Return a client of the cluster at `address`, which has at least one worker.

    Raises:
        UserError: There is no such cluster, or it has no worker.
    """
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{CLUSTER}: no Dask scheduler at {address} ({reason}); start one, or unset "
            f"{CLUSTER} to run on this machine"
        ) from None
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (TimeoutError, OSError):
        client.close(timeout=1)
        raise UserError(
            f"{address}: no worker connected within {CONNECT_SECONDS} seconds; start some"
        ) from None
    return client


@cache
def code_version() -> str:
    """Return all versions that the bytes of an output may depend on: code, Python and libraries."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    libraries = [f"{name} {metadata.version(name)}" for name in LIBRARIES]
    python = ".".join(map(str, sys.version_info[:2]))
    return ", ".join([f"code {code.hexdigest()[:12]}", f"Python {python}", *libraries])


class _Task(Generic[Item, Result]):
    """Call a function on a worker of the same version, arithmetic and folder as the client."""

    def __init__(self, function: Callable[[Item], Result], version: str, folder: Path) -> None:
        self._function, self._version, self._folder = function, version, folder
        self._pinned = household.IS_PINNED

    def __call__(self, item: Item) -> Result:
        """Return `function(item)`.

        Raises:
            UserError: This worker differs from the client.
        """
        if code_version() != self._version:
            raise UserError(
                f"a worker has {code_version()}, expected {self._version}; restart it in this "
                "folder, with the packages of the same lock"
            )
        if self._pinned and not household.IS_PINNED:
            raise UserError(
                "a worker rounds differently from this process; start it on a processor with "
                "AVX2, by `python -m dask worker --preload-nanny household ...`"
            )
        try:
            os.chdir(self._folder)
        except OSError:
            raise UserError(
                f"a worker has no folder {self._folder}; mount it there under the same path"
            ) from None
        return self._function(item)


def _with_progress(results: Iterator[Result], total: int, doing: str) -> Iterator[Result]:
    if total == 1:
        yield from results
        return
    with progress_bar(doing, total, "meters") as bar:
        for result in results:
            yield result
            bar.update()


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items`, preparing each in a separate thread while the one before is used.

    This halves the time where preparing and using an item take equally long. An exception that
    `items` raises is raised here, after the items before it.
    """
    with ThreadPoolExecutor(1) as thread:
        end = object()
        future = thread.submit(next, items, end)
        while (item := future.result()) is not end:
            future = thread.submit(next, items, end)
            yield item  # type: ignore[misc]
