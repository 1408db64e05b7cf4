"""The commands that README.md and the pages of docs/ give, to be typed by the tests."""

import re
from pathlib import Path

from tests.conftest import ROOT, run

PROGRAMS = ("dvc", "git", "gto", "make", "python", "unzip")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# A word that begins with # begins a comment, as in a shell.
COMMENT = re.compile(r"\s+# .*$")


def commands(page: str, heading: str) -> list[str]:
    """The shell commands under a heading of a page, in their order, without their comments."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    lines = [
        line
        for language, block in BLOCK.findall(section)
        if not language
        for line in block.replace("\\\n", "").splitlines()
    ]
    return [COMMENT.sub("", line) for line in lines if line.startswith(PROGRAMS)]


def typed(folder: Path, line: str, *, fails: bool = False) -> str:
    """What a command prints in a terminal of 100 columns; asserts how it ended."""
    return run(folder, "bash", "-c", f"export COLUMNS=100\n{line}", fails=fails)
