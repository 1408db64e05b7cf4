"""Progress bars are drawn on a terminal, in one style, and leave nothing there or in a file."""

import multiprocessing
import re
import sys

import pytest

from household.core import parallel
from household.core.progress_bar import progress_bar


class Terminal:
    """A standard error that says it is a terminal, and keeps what is written."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_far_the_work_is_and_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("train: epoch 2/3", 30, "steps", done=10) as bar:
        bar.update(5)
        bar.refresh()
    shown = terminal.written.split("\r")
    assert any(
        re.fullmatch(r"train: epoch 2/3 \|[^|]{20}\| 15/30 steps, \d\d:\d\d left", line)
        for line in shown
    )
    assert shown[-2].strip() == shown[-1] == ""


def test_a_file_and_a_worker_show_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar("parse", 2, "meters") as bar:
        bar.update()
        bar.refresh()
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(
        "household.core.progress_bar.parent_process", multiprocessing.current_process
    )
    with progress_bar("parse", 2, "meters") as bar:
        bar.update()
    assert terminal.written == ""


def test_the_map_over_meters_shows_one(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(parallel.map_items(str, [1, 2, 3], "parse")) == ["1", "2", "3"]
    assert "parse |" in terminal.written
    assert "0/3 meters" in terminal.written
