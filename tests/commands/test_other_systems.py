"""What only one system has is not used unguarded, as on Windows or macOS."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

# Python has these modules on Linux and macOS, but not on Windows. `make lint` has mypy look for
# other names that a system lacks.
HIDE = """
import sys

import dvc.schema  # which imports fcntl unless this is Windows

HIDDEN = ("fcntl", "pty", "resource", "termios", "tty")

class Absent:
    def find_spec(self, name, *_):
        if name in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for name in HIDDEN:
    sys.modules.pop(name, None)
"""
IMPORT_ALL = """
import importlib, pkgutil, household, stages

names = [
    module.name
    for package in (household, stages)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not module.name.endswith("__main__")
]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
RUN_STAGES = """
import importlib, shutil
from pathlib import Path

from household.core import files, params, stage
from ruamel.yaml import YAML

shutil.copytree(Path(root) / "layouts", "layouts")
shipped = params.load(Path(root) / "params.yaml")
small = params.with_overrides(
    shipped,
    {"fetch": {"sample": {"days": 1}}, "train": {"ensemble_size": 1, "units": [3], "epochs": 1}},
)
YAML().dump(small.model_dump(exclude_unset=True), Path("params.yaml"))
for name in ("fetch", "parse", "window", "split", "train", "evaluate", "plot"):
    stage.run(name, importlib.import_module(f"stages.{name}").main)
"""


def printed(code: str, folder: Path) -> str:
    """Return what Python prints without the modules and names of Unix."""
    script = f"{HIDE}\nroot = {str(ROOT)!r}\nsys.path.insert(0, root)\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_every_module_imports_without_what_only_unix_has(tmp_path: Path) -> None:
    assert int(printed(IMPORT_ALL, tmp_path)) > 90


@pytest.mark.slow(seconds=15)
def test_the_stages_run_without_what_only_unix_has(tmp_path: Path) -> None:
    lines = printed(RUN_STAGES, tmp_path).splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith(("fetch", "plot"))] == [
        "fetch", "plot",
    ]  # fmt: skip
    for path in (tmp_path / "reports").rglob("*.md"):
        assert b"\r" not in path.read_bytes()


def test_git_keeps_the_line_ends_of_unix() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(listed) > 300
    for line in listed:
        info, path = line.split("\t")
        assert info.startswith(("i/lf ", "i/-text ", "i/none ")), path
        assert "eol=lf" in info or "attr/-text" in info, path
