"""Reads the commands of README.md and the pages of docs/, and types them."""

import re
from pathlib import Path

from tests.project import ROOT
from tests.shell import PATIENCE, run

PROGRAMS = tuple(
    f"{name} " for name in ("dvc", "git", "gto", "household", "make", "python", "unzip", "uv")
)
# A block: its language, what follows that, and its text.
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.M | re.S)
# A word that begins with # begins a comment, as in a shell.
COMMENT = re.compile(r"\s+# .*$")


def read_commands(page: str, heading: str) -> list[str]:
    """Return the shell commands below a heading of a page, in their order, without comments."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    lines = [
        line
        for language, _, block in BLOCK.findall(section)
        if not language
        for line in block.replace("\\\n", "").splitlines()
    ]
    return [COMMENT.sub("", line) for line in lines if line.startswith(PROGRAMS)]


def type_command(
    folder: Path, line: str, *, fails: bool = False, patience: float = PATIENCE
) -> str:
    """Return what a command prints in a terminal of 100 columns; assert how it ends."""
    return run(folder, "bash", "-c", f"export COLUMNS=100\n{line}", fails=fails, patience=patience)
