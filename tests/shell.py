"""Commands as a person types them, in the activated environment."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

PATIENCE = 300  # seconds


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of a person who has no settings of their own."""
    name = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder.parent), "GIT_COMMITTER_EMAIL": "a@b", **name}


def _end(pid: int) -> None:
    """Kill all processes of the session that began with the process `pid`."""
    if sys.platform == "win32":
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(pid)
            for process in (*first.children(recursive=True), first):
                process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


class Start(Protocol):
    """Starts `command` in `folder`, by default with the variables of `environment`."""

    def __call__(
        self, folder: Path, *command: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]": ...


@contextmanager
def started(
    folder: Path, *command: str, env: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Start `command` in a session of its own, and end that with the block."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=env or environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            _end(process.pid)


def run(
    folder: Path,
    *command: str,
    env: Mapping[str, str] | None = None,
    fails: bool = False,
    patience: float = PATIENCE,
) -> str:
    """Return what `command` printed, in `patience` seconds at the most; assert how it ended."""
    with started(folder, *command, env=env) as process:
        printed, _ = process.communicate(timeout=patience)
    assert (process.returncode != 0) == fails, printed
    return printed


def can(*command: str) -> bool:
    """Return whether this machine has the program, and lets it do that."""
    return (
        shutil.which(command[0]) is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )
