"""A stage touches what dvc.yaml declares for it, all of that, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tracer
from tests.shell import can
from tests.test_dvc_yaml import STAGES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not can("strace", "true"), reason="NO STRACE: what a stage opens is not tested"
    ),
]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_touches_what_it_declares_and_nothing_else(clone: Path, stage: str) -> None:
    assert list(tracer.faults(clone, stage)) == []


def edited(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert text.count(old) == 1
        (folder / name).write_text(text.replace(old, new))

    return edit


def stage(line: str) -> Callable[[Path], None]:
    """Return an edit that makes the window stage run `line` first."""
    start = "    window, parsed = params.window, meters.by_name(root / paths.PARSED)\n"
    return edited("stages/window.py", start, f"    {line}\n{start}")


def declared(old: str, new: str) -> Callable[[Path], None]:
    return edited("dvc.yaml", old, new)


CODE = "      - stages/window.py\n"
PARAM = "      - window.across_gaps\n"
BROKEN = [
    (stage("open('README.md').close()"), "opens README.md, which is none of its deps"),
    (
        stage("import household.readings.archive"),
        "opens household/readings/",
    ),
    (stage("open('data/other', 'w').close()"), "writes data/other, which is none of its outs"),
    (declared(CODE, f"{CODE}      - README.md\n"), "never opens README.md, one of its deps"),
    (
        declared(CODE, f"{CODE}      - household/readings/archive.py\n"),
        "never opens household/readings/archive.py, one of its deps",
    ),
    (
        stage("params.plot.steps"),
        "reads the parameter plot.steps, which is none of its params",
    ),
    (
        declared(PARAM, "      - plot.steps\n" + PARAM),
        "never reads the parameter plot.steps, one of its params",
    ),
    (
        stage("import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', 9))"),
        'asks the network: sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")',
    ),
    (stage("import os; os.system('cat /etc/hostname README.md')"), "opens README.md, which is"),
]


@pytest.mark.parametrize(("broken", "fault"), BROKEN, ids=[fault for _, fault in BROKEN])
def test_a_stage_that_reads_or_writes_something_else_is_named(
    clone: Path, broken: Callable[[Path], None], fault: str
) -> None:
    broken(clone)
    faults = list(tracer.faults(clone, "window"))
    assert faults
    assert all(line.startswith(f"window {fault}") for line in faults)
