"""What README and docs/ say is so: their commands are typed, their figures looked up."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from household.core import files, paths
from household.report import plots
from tests import screenshots
from tests.clones import change, dvc, stages_run
from tests.documents import read_commands, type_command
from tests.in_process import run_dvc
from tests.project import ROOT
from tests.shell import environment, run

README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "docs/index.md").read_text(encoding="utf-8")
TROUBLE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")


@pytest.mark.slow(seconds=20)
def test_an_experiment_is_run_compared_and_removed_without_a_trace(clone: Path) -> None:
    listed = read_commands("docs/index.md", "Try a change")
    diff, repro, metrics, plots, report, restore, back, *_ = listed
    dvc(clone, "exp", "run", "--name", "longer", "--set-param", "window.horizon=2")
    assert (clone / "reports/figures/error_by_step.png").exists()
    assert "window.horizon" in type_command(clone, diff)
    assert "LSTM.rmse_kw" in type_command(clone, metrics)
    assert "index.html" in type_command(clone, plots)
    assert report == "make report"  # tests/commands/test_pipeline.py types it
    type_command(clone, restore)
    assert repro == back == "dvc repro"
    assert stages_run(dvc(clone, "repro")) == ["plot"]
    assert run(clone, "git", "status", "--porcelain") == ""


@pytest.mark.slow(seconds=15)
def test_a_change_is_run_and_compared_as_the_readme_says(clone: Path) -> None:
    diff, repro, plots = read_commands("README.md", "Change something")
    change(clone, plot__steps=50)
    assert "plot.steps" in type_command(clone, diff)
    assert stages_run(type_command(clone, repro)) == ["plot"]
    assert "index.html" in type_command(clone, plots)


@pytest.mark.slow(seconds=30)
def test_a_meter_of_a_reader_is_found_learnt_and_forecast_as_the_readme_says(
    tmp_path: Path,
) -> None:
    found, learnt, forecast = read_commands("README.md", "Forecast your own meter")
    times = pd.date_range("2026-03-02", periods=2880, freq="min")
    rng = np.random.default_rng(0)
    watts = 300 + 200 * (np.arange(2880) // 40 % 3) + rng.normal(0, 20, 2880).round()
    frame = pd.DataFrame({"time": times.strftime("%d.%m.%Y %H:%M"), "power (W)": watts})
    frame.to_csv(tmp_path / "readings.csv", sep=";", index=False)
    assert "wrote layouts/mine.yaml" in type_command(tmp_path, found)
    assert "run: LSTM RMSE 0." in type_command(tmp_path, f"{learnt} --set train.epochs=2")
    assert "\n2026-03-04 00:00 " in type_command(tmp_path, forecast)


@pytest.mark.slow
def test_a_corrected_file_of_the_same_name_is_read_as_the_message_says(
    clone: Path, tmp_path: Path
) -> None:
    text = tmp_path / "my power.txt"
    with (clone / "data/raw/power/sample.zip").open("rb") as file:
        shutil.unpack_archive(file.name, tmp_path, "zip")
    (tmp_path / "household_power_consumption.txt").rename(text)
    good = text.read_text()
    text.write_text(good.replace(";240.", ";24O.", 1))
    (given,) = re.findall(r'`(-S "fetch\.source=.*?")`', START)
    given = given.replace("$HOME/my power.zip", str(text))
    said = type_command(clone, f"dvc exp run {given} parse", fails=True)
    assert "parse: my power.txt line " in said
    (remedy,) = re.findall(r"run `(dvc repro --force fetch)`, correct parse.layout", said)
    text.write_text(good)
    (line,) = (each for each in read_commands("docs/index.md", "The real data") if remedy in each)
    assert line == f"{remedy} && dvc repro"
    printed = [dvc(clone, *command.split()[1:]) for command in line.split(" && ")]
    assert "evaluate: LSTM RMSE" in printed[-1]


MISTAKES = {
    "Could not override 'window.lookbak'": "dvc exp run -S window.lookbak=3",
    "LexerNoViableAltException": "dvc exp run -S 'fetch.source=~/my power.zip'",
    "DVC failed to load some plots for following revisions: 'HEAD'": (
        "rm -r .dvc/cache; sed -i '/steps:/s/100/50/' params.yaml; dvc repro plot; "
        "dvc plots diff; git checkout --quiet ."
    ),
    "Parameters 'seed' are missing from 'params.yaml'": (
        "sed -i '/^seed:/d' params.yaml; dvc repro; git checkout --quiet ."
    ),
    "ERROR: failed to reproduce 'parse'": (
        "sed -i 's/layout: uci/layout: ucy/' params.yaml; dvc repro; git checkout --quiet ."
    ),
    "python: not found": "sed -i '/steps:/s/100/50/' params.yaml; "
    'dvc=$(command -v dvc) && PATH=$(dirname "$(command -v git)") $dvc repro plot',
    "Unable to find artifact 'lstm @ v0.1.0'": "dvc artifacts get . lstm --rev v0.1.0 --out x",
}


@pytest.mark.slow(seconds=15)
def test_the_messages_of_dvc_are_those_that_it_prints(clone: Path) -> None:
    for message, mistake in MISTAKES.items():
        assert f"| `{message}` |" in TROUBLE
        said = [make_mistake(clone, line) for line in mistake.split("; ")]
        assert message in "".join(said), mistake


def make_mistake(clone: Path, line: str) -> str:
    """Return what `line` prints, however it ends."""
    program, *arguments = shlex.split(line)
    if program == "dvc" and "artifacts" not in arguments:
        return run_dvc(clone, environment(clone), *arguments)[1]
    return type_command(clone, f"{line} 2>&1 || true")


def test_the_figures_of_readme_are_those_that_are_committed() -> None:
    with (ROOT / plots.FACTS.path).open(encoding="utf-8") as file:
        facts = {row["name"]: row["text"] for row in csv.DictReader(file)}
    for name in ("against persistence", "distribution", "against the best baseline"):
        assert f"\nevaluate: {facts[name]}\n" in README
        assert f"\nevaluate: {facts[name]}\n" in START
    quality = files.read_json(ROOT / paths.QUALITY)
    assert f"\nparse: {quality['rows']:,} minutes from {quality['first']} to " in START
    # Those of the text are none of another run.
    scores = json.loads((ROOT / paths.METRICS).read_text())
    assert f"LSTM RMSE {scores['LSTM']['rmse_kw']:.4f} kW" in README


def test_the_pictures_of_the_page_are_of_the_run_that_is_committed() -> None:
    for name, *_ in screenshots.PICTURES:
        picture = (ROOT / screenshots.DOCS / f"{name}.png").read_bytes()
        assert screenshots.read_run(picture) == screenshots.digest(ROOT), "run `make screenshots`"
