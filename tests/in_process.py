"""Commands of DVC, and the stages that they run, in the process of the test.

Python, DVC and TensorFlow take seconds to start, in each of seven stages. A test of what is printed
and written needs none of that; one of the command itself uses `tests.shell.run`. The stages are
those of this project, not of the clone: a test that changes their code types the command.
"""

import importlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import (
    ExitStack,
    chdir,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
)
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from unittest import mock

from household.core import arithmetic, stage


def run_dvc(folder: Path, environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run `dvc` with `arguments` in `folder`; return its exit status and what it printed."""
    with TemporaryFile("w+", encoding="utf-8", buffering=1) as output, ExitStack() as stack:
        for context in (
            redirect_stdout(output),
            redirect_stderr(output),
            _redirect_child_processes(output),
            chdir(folder),
            # TensorFlow may be imported in here.
            mock.patch.dict(os.environ, arithmetic.PINS | dict(environment), clear=True),
            warnings.catch_warnings(action="ignore"),
        ):
            stack.enter_context(context)
        # Here, since its import gives the standard output of that moment to its loggers.
        import dvc.cli  # noqa: PLC0415

        stack.enter_context(mock.patch("dvc.stage.run._run", _run_stage))
        stack.enter_context(
            mock.patch("dvc.utils.serialize._yaml.parse_yaml_for_update", _parse_yaml)
        )
        # Else it would print to the standard output of the first call.
        stack.enter_context(mock.patch("dvc.ui.disable_colorama", nullcontext))
        for name in ("dvc", "dvc_data", "dvc_objects"):
            for handler in logging.getLogger(name).handlers:
                stack.enter_context(mock.patch.object(handler, "stream", output))
        status = dvc.cli.main(list(arguments))
        output.seek(0)
        printed = output.read()
    # As a clone of a repository of git does.
    closed = sys.stdout.closed or sys.stderr.closed
    assert not closed, f"dvc {' '.join(arguments)} closes the standard streams: type it"
    return status, printed


def _run_stage(_: str, command: str, cwd: str, env: Mapping[str, str], **__: object) -> None:
    """Run the stage of `command` as DVC would; raise what DVC raises where it fails."""
    from dvc.stage.exceptions import StageCmdFailedError  # noqa: PLC0415

    found = re.fullmatch(r"python -m stages\.(\w+)", command)
    assert found, command
    with chdir(cwd), mock.patch.dict(os.environ, env, clear=True):
        try:
            stage.run(found[1], importlib.import_module(f"stages.{found[1]}").main)
        except SystemExit as end:
            raise StageCmdFailedError(command, end.code) from None


def _parse_yaml(text: str, path: str) -> Any:
    """Return what a file of YAML holds, with its comments but for dvc.lock, which has none.

    DVC reads and writes dvc.lock after each stage. To keep comments costs a third of a second.
    """
    from dvc.utils.serialize import parse_yaml  # noqa: PLC0415

    return parse_yaml(text, path, "safe" if Path(path).name == "dvc.lock" else "rt")


@contextmanager
def _redirect_child_processes(output: IO[str]) -> Iterator[None]:
    """Have the processes that the block starts, such as git, print to `output`."""
    standard = (1, 2)
    copies = [os.dup(number) for number in standard]
    try:
        for number in standard:
            os.dup2(output.fileno(), number)
        yield
    finally:
        for number, copy in zip(standard, copies, strict=True):
            os.dup2(copy, number)
            os.close(copy)
