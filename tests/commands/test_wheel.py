"""The wheel, in an environment of its own and in a folder that holds nothing."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from household.readings import source
from tests.project import ROOT, SMALL_RUN, changed

# The libraries, but not the project itself, which is only a .pth file there.
LIBRARIES = sysconfig.get_path("purelib")


@pytest.mark.slow(seconds=20)
def test_the_wheel_trains_and_forecasts_without_the_repository(tmp_path: Path) -> None:
    build = ["-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("household-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {
        "household/py.typed",
        "household/project/params.yaml",
        "household/project/layouts/shelly.yaml",
        "household/project/recipes/day_ahead.yaml",
        "household/report/page/licences.txt",
        "stages/train.py",
    } <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "bench/", "data/"))]

    venv.create(tmp_path / "venv", with_pip=True)
    bin_folder = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([bin_folder / "python", *install], check=True)
    folder = tmp_path / "folder"
    folder.mkdir()

    def household(*arguments: str, libraries: str = LIBRARIES) -> str:
        return subprocess.run(
            [str(bin_folder / "household"), *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": libraries},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert household("--version", libraries="") == "household 1.0.0\n"
    assert "usage: household predict" in household("predict", "--help", libraries="")
    assert "run: wrote mine" in household("run", *SMALL_RUN, "--save=mine")
    sample = changed({"fetch.sample.days": 2}).fetch.sample
    source.fetch_one("sample", sample, folder / "sample.zip")
    assert "mean_kw" in household("predict", "mine", "sample.zip")
    assert "layout: uci" in household("layout", "sample.zip")
