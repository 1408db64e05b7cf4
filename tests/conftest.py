"""What several tests share: folders to work in, and processes that end with the test."""

import ctypes
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import hypothesis
import psutil
import pytest

from tests.clones import make_once, reproduce
from tests.shell import Start, started

# A slow machine is no failure.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

PR_SET_CHILD_SUBREAPER = 36  # of Linux' prctl: a child of a child that has ended is a child of ours
# How long a process that was killed, or has nothing left to do, may take to end.
END_SECONDS = 20


def pytest_configure() -> None:
    """Make what the tests start end as it would in a terminal, and find what does not.

    A runner in the background ignores SIGINT, and whatever it starts inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have each worker begin with the slowest tests, so that none is left alone at the end.

    pytest-xdist gives each worker a part of the list, one after the other.
    """
    items.sort(key=seconds, reverse=True)
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    items[:] = [item for first in range(workers) for item in items[first::workers]]


def seconds(item: pytest.Item) -> float:
    """Return about how long a test takes: what its mark `slow` says, or little."""
    mark = item.get_closest_marker("slow")
    return mark.kwargs.get("seconds", 10) if mark else 0


def child_processes() -> set[int]:
    """Return the processes whose parent is this one."""
    if sys.platform != "linux":
        return {child.pid for child in psutil.Process().children()}
    children: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            children |= set(map(int, path.read_text().split()))
    return children


def is_at_work(pid: int) -> bool:
    """Return whether a child is a process of its test; collect it where it has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            process.wait()
            return False
        # Python starts it once and keeps it.
        return "multiprocessing.resource_tracker" not in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, ChildProcessError):
        return False


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Fails a test that leaves a process at work, and ends that."""
    before = child_processes()
    yield
    end = time.monotonic() + END_SECONDS
    while left := [pid for pid in child_processes() - before if is_at_work(pid)]:
        if time.monotonic() > end:
            names = [" ".join(psutil.Process(pid).cmdline()) for pid in left]
            for pid in left:
                psutil.Process(pid).kill()
            pytest.fail(f"left at work: {names}")
        time.sleep(0.05)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder for the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes that end with the test."""
    with ExitStack() as stack:
        yield lambda folder, *command, env=None: stack.enter_context(
            started(folder, *command, env=env)
        )


@pytest.fixture(scope="session")
def reproduced_clone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make a clone in which the pipeline has run; return it and what was printed."""
    return make_once(tmp_path_factory, "reproduced", reproduce)


@pytest.fixture
def clone(reproduced_clone: tuple[Path, str], tmp_path: Path) -> Path:
    """Copy the reproduced clone, for the test to change."""
    shutil.copytree(reproduced_clone[0], tmp_path / "clone", symlinks=True)
    return tmp_path / "clone"
