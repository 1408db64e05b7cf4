"""Start and end a stage."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from filelock import FileLock, Timeout

from household.core import params, paths
from household.core.errors import exit_on_error
from household.core.params import Params


def run(
    name: str, main: Callable[[Params], object], is_exclusive: Callable[[], bool] = lambda: True
) -> None:
    """Run `main` with the validated parameters.

    An error is reported in one line and ends the process with status 1, Ctrl-C with status 130.

    Args:
        name: The name of the stage.
        main: What the stage does.
        is_exclusive: Returns whether no other stage may run in this folder at the same time. Only
            the first of several training workers is exclusive.
    """
    # Until here Ctrl-C ended the process silently; see stages/__init__.py.
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        exit_on_error(name, resume="run `dvc repro` to resume"),
        _stage_lock(name) if is_exclusive() else nullcontext(),
    ):
        main(params.load())


@contextmanager
def _stage_lock(name: str) -> Iterator[None]:
    """Wait until no other stage is running in this folder.

    DVC runs one stage at a time. But when DVC is killed, its stage keeps running, and the next `dvc
    repro` would start a second one.
    """
    paths.LOCK.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.LOCK)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        print(f"{name}: waiting for a stage still running from an earlier run", file=sys.stderr)
        held = lock.acquire()
    with held:
        yield
