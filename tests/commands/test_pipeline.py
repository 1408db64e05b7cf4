"""The commands that people type, typed in a temporary clone with a small sample."""

import csv
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import vl_convert

from bench import backtest
from household.core import files, params, paths
from household.evaluation.predictions import BASELINES
from household.report import plots
from tests.clones import (
    UP_TO_DATE,
    change,
    commit,
    dvc,
    pretend_that_the_environment_is_made,
    stages_run,
)
from tests.documents import read_commands, type_command
from tests.in_process import run_dvc
from tests.project import ROOT, section, tutorial
from tests.shell import Start, environment, run

START = (ROOT / "docs/index.md").read_text()
STAGES = ["fetch", "parse", "window", "split", "train", "evaluate", "plot"]
# Without rows where the horizon is a minute, and the test part within a month, of one meter.
OPTIONAL = ("error_by_step", "gain_by_month", "gain_by_meter")
DRAWN = [plot for plot in plots.CHARTS if plot.name not in OPTIONAL]


def test_one_command_runs_all_and_leaves_nothing_to_do(
    reproduced_clone: tuple[Path, str], clone: Path
) -> None:
    folder, output = clone, reproduced_clone[1]
    assert stages_run(output) == STAGES
    assert run(folder, "git", "status", "--porcelain") == ""
    again = dvc(folder, "repro")
    assert stages_run(again) == []
    assert UP_TO_DATE in again
    assert UP_TO_DATE in dvc(folder, "status")

    metrics = json.loads((folder / "reports/metrics.json").read_text())
    predictions = pq.read_table(folder / "reports/predictions.parquet")
    quantiles = [f"q{level}" for level in params.load(ROOT / paths.PARAMS).train.quantiles]
    names = ["timestamp", "actual", "LSTM", *BASELINES, "LSTM median", *quantiles]
    assert predictions.column_names == names
    assert f"{predictions.num_rows} test windows" in output
    assert metrics["LSTM"]["skill"] == pytest.approx(
        1 - metrics["LSTM"]["rmse_kw"] / metrics["persistence"]["rmse_kw"], abs=1e-5
    )
    assert f"LSTM RMSE {metrics['LSTM']['rmse_kw']:.4f} kW, persistence" in output
    assert "test windows, simulated data" in output
    for plot in DRAWN:
        picture = (folder / f"reports/figures/{plot.name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 10_000


@pytest.mark.parametrize(
    ("changed", "up_to", "stages", "back"),
    [
        # DVC keeps no run of a stage with outputs that are in git alone and no metrics, as the
        # pictures are.
        ({"plot__steps": 50}, "plot", ["plot"], ["plot"]),
        ({"window__across_gaps": True}, "split", ["window", "split"], []),
    ],
)
def test_a_change_reruns_only_what_depends_on_it(
    clone: Path, changed: dict[str, Any], up_to: str, stages: list[str], back: list[str]
) -> None:
    change(clone, **changed)
    key = next(iter(changed)).replace("__", ".")
    shown = json.loads(dvc(clone, "params", "diff", "--json"))
    assert list(shown["params.yaml"]) == [key]
    assert stages_run(dvc(clone, "repro", up_to)) == stages
    # And back again from the cache.
    run(clone, "git", "restore", "--staged", "--worktree", ".")
    assert stages_run(dvc(clone, "repro")) == back
    assert UP_TO_DATE in dvc(clone, "status")
    assert run(clone, "git", "status", "--porcelain") == ""


def test_a_changed_comment_in_params_reruns_nothing(clone: Path) -> None:
    with (clone / "params.yaml").open("a") as file:
        file.write("# a remark\n")
    assert stages_run(dvc(clone, "repro")) == []


@pytest.mark.slow(seconds=25)
def test_the_model_is_an_artifact_that_others_get_by_its_name(clone: Path, tmp_path: Path) -> None:
    run(tmp_path, "git", "init", "--quiet", "--bare", "shared.git")
    run(clone, "git", "remote", "add", "origin", str(tmp_path / "shared.git"))
    run(clone, "git", "push", "--quiet", "--set-upstream", "origin", "HEAD")
    add, modify, register, push, origin, get = read_commands("docs/experiments.md", "Share a run")
    for line in (add.replace("s3://bucket/folder", str(tmp_path / "store")), modify):
        type_command(clone, line)
    commit(clone)
    type_command(clone, "dvc push")
    assert "Created git tag 'lstm@v0.1.0'" in type_command(clone, register)
    type_command(clone, push)
    assert "version: lstm@v0.1.0" in type_command(clone, origin)
    type_command(tmp_path, get.replace("<repository>", str(clone)))
    (tmp_path / "lstm").rename(tmp_path / "old")
    first = (clone / "models/lstm/model.keras").read_bytes()
    change(clone, train__epochs=2)
    dvc(clone, "repro")
    commit(clone)
    dvc(clone, "push")
    run(clone, "gto", "register", "lstm", "--bump-minor")
    assert "v0.2.0" in run(clone, "gto", "show")
    run(tmp_path, "dvc", "artifacts", "get", str(clone), "lstm", "--rev", "v0.2.0")
    assert (tmp_path / "old/model.keras").read_bytes() == first
    told = run(clone, "python", "-m", "household", "provenance", str(tmp_path / "old"))
    zipped = clone / "data/raw/power/sample.zip"
    data, minutes, version, code = told.splitlines()
    assert data.endswith(f" as sample.zip, sha256 {files.sha256(zipped)}")
    assert minutes.startswith("readings: 2006-12-16 00:00 to 2006-12-16 ")
    assert version == "version: lstm@v0.1.0"
    first_commit = run(clone, "git", "rev-parse", "--short", "HEAD~2").strip()
    assert code.startswith(f"code: {first_commit} ")
    assert "has this network in its dvc.lock" in run(
        tmp_path, "household", "provenance", "old", "--repository", str(ROOT)
    )
    for name in ("README.md", "model.keras", "model.onnx", "metadata.json"):
        same = (clone / "models/lstm" / name).read_bytes()
        assert (tmp_path / "lstm" / name).read_bytes() == same


@pytest.mark.slow
def test_the_snippets_for_a_model_run_in_a_folder_that_holds_nothing_else(
    clone: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (clone / "models/lstm").rename(folder / "lstm")
    minutes = pq.read_table(clone / "data/series/power.parquet").to_pandas()
    predictions = pq.read_table(clone / "reports/predictions.parquet").to_pandas()
    before = minutes[minutes["timestamp"] < predictions["timestamp"].iloc[-1]]
    before.to_csv(folder / "readings.csv", index=False)
    last = predictions.iloc[-1]
    page = (ROOT / "docs/using-the-model.md").read_text()
    (header,) = re.findall(r"^timestamp,.*$", page, re.M)
    assert (folder / "readings.csv").read_text().startswith(f"{header}\n")
    ours, keras = re.findall(r"```python\n(.*?)```", page, re.S)
    # As where the package is installed.
    installed = f"import sys; sys.path.insert(0, {str(clone)!r})\n"
    output = run(folder, "python", "-c", installed + ours)
    assert f"{last['timestamp']}" in output
    shown = [float(number) for number in output.split()[-6:]]
    columns = ("LSTM", "LSTM median", "q0.1", "q0.9", "q0.025", "q0.975")
    assert shown == pytest.approx([last[name] for name in columns], abs=1e-5)
    assert f"{last['LSTM']:.4f} kW" in run(folder, "python", "-c", installed + keras)


@pytest.mark.slow
def test_a_warm_start_is_compared_with_the_previous_model(
    reproduced_clone: tuple[Path, str], clone: Path
) -> None:
    earlier = clone.parent / "earlier"
    shutil.copytree(clone / "models/lstm", earlier)
    (stopped,) = re.findall(r"epoch 1/1, loss .*, val_loss ([0-9.]+)", reproduced_clone[1])
    before = json.loads((clone / "reports/metrics.json").read_text())
    change(clone, train__warm_start=str(earlier), evaluate__previous_model="../earlier")
    output = dvc(clone, "repro")
    assert stages_run(output) == ["train", "evaluate", "plot"]
    assert f"warm start from {earlier}\n" in output
    assert f"initial validation loss {stopped}\n" in output
    record = json.loads((clone / "models/lstm/metadata.json").read_text())
    (went,) = record["lineage"]
    assert went["sha256"] == files.sha256(earlier / "model.keras")
    assert went["trained_on"] == record["trained_on"]
    after = json.loads((clone / "reports/metrics.json").read_text())
    assert after["previous LSTM"] == before["LSTM"]
    assert after["verdict"]["best_baseline"] == before["verdict"]["best_baseline"]
    assert after["verdict"]["previous_training_overlap"] == 0
    assert f"Previous LSTM RMSE {before['LSTM']['rmse_kw']:.4f} kW: the LSTM is" in output
    assert "Previous LSTM RMSE " in (clone / "reports/report.md").read_text()
    card = (clone / "models/lstm/README.md").read_text()
    assert f"| continued from | a model of {record['trained_on']['first'][:10]}" in card

    change(clone, train__units=[4], window__lookback=48)
    assert (
        f"\ntrain: train.warm_start: the model in {earlier} has window.lookback 49, but "
        "params.yaml has 48; use the same value, or set train.warm_start to null\n"
    ) in dvc(clone, "repro", fails=True)


def rows_shown(table: str) -> list[str]:
    lines = table.splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in table
    return lines


@pytest.mark.slow
def test_an_experiment_is_compared_by_metrics_and_plots_in_tables_that_fit_a_terminal(
    clone: Path,
) -> None:
    output = dvc(clone, "exp", "run", "--name", "longer", "--set-param", "train.epochs=2")
    assert stages_run(output) == ["train", "evaluate", "plot"]
    changed = run(clone, "git", "diff", "--unified=0", "params.yaml").splitlines()
    assert [line[0] for line in changed[5:]] == ["-", "+"], changed
    rows = list(csv.DictReader(dvc(clone, "exp", "show", "--csv").splitlines()))
    assert {row["Experiment"]: row["train.epochs"] for row in rows}["longer"] == "2"
    differences = rows_shown(dvc(clone, "metrics", "diff"))
    assert any("LSTM.rmse_kw" in line for line in differences)

    shown = json.loads(dvc(clone, "metrics", "diff", "--json"))
    assert shown["reports/metrics.json"]["LSTM.rmse_kw"]["diff"] != 0
    assert "LSTM.rmse_kw" in dvc(clone, "metrics", "show")
    for command, revisions in (("show", ["workspace"]), ("diff", ["HEAD", "workspace"])):
        # What the page is made of, and, split, what editors take.
        shown = json.loads(dvc(clone, "plots", command, "--json"))["data"]
        split = json.loads(dvc(clone, "plots", command, "--json", "--split"))["data"]
        assert list(shown) == list(split) == [plot.name for plot in plots.PLOTS]
        assert all(shown[name] == [] for name in OPTIONAL)
        for plot in (each for each in plots.PLOTS if each.name not in OPTIONAL):
            (entry,) = shown[plot.name]
            spec = entry["content"]
            points = spec["data"]["values"]
            assert {point["rev"] for point in points} == set(entry["revisions"]) == set(revisions)
            if plot.written is None:
                assert {point["household"] for point in points} == {"simulated household"}
            del spec["$schema"]
            drawn = vl_convert.vegalite_to_svg(spec, plots.VEGA_LITE)
            marks = re.findall(r'aria-roledescription="(?:line|point|rect|text)\b', drawn)
            assert len(marks) >= len(revisions), plot.name
            assert "NaN" not in drawn
            (parted,) = split[plot.name]
            assert parted["content"]["data"]["values"] == "<DVC_METRIC_DATA>"
            anchors = parted["anchor_definitions"]
            assert anchors["<DVC_METRIC_DATA>"] == points
            assert anchors["<DVC_METRIC_TITLE>"] == plot.axes["title"]


def test_an_unknown_key_is_refused_in_every_section(clone: Path) -> None:
    before = (clone / "dvc.lock").read_bytes()
    for name in ["fetch.sample", "parse", "window", "plot"]:
        change(clone, **{f"{name.replace('.', '__')}__unknown": 1})
        output = dvc(clone, "repro", fails=True)
        assert f": params.yaml: {name}.unknown: Extra inputs are not permitted, found 1;" in output
        assert "Traceback" not in output
        run(clone, "git", "checkout", "params.yaml")
    dvc(clone, "repro")
    assert (clone / "dvc.lock").read_bytes() == before


@pytest.mark.parametrize("gone", ["seed: 0", "  lookback: 49", "    days: 1"])
def test_a_missing_key_is_named_in_one_line(clone: Path, gone: str) -> None:
    params = clone / "params.yaml"
    lines = [line for line in params.read_text().splitlines(True) if not line.startswith(gone)]
    params.write_text("".join(lines))
    *_, said = (line for line in dvc(clone, "repro", fails=True).splitlines() if "param" in line)
    assert f"{gone.strip().partition(':')[0]}" in said
    assert "params.yaml" in said


def test_a_missing_zip_is_one_line(clone: Path) -> None:
    change(clone, fetch__source="no/such.zip")
    output = run(clone, "python", "-m", "stages.fetch", fails=True)
    assert output.startswith("fetch: fetch.source: no file at no/such.zip; use sample, uci,")
    assert output.count("\n") == 1


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_model_and_its_losses_can_be_drawn(
    clone: Path, start: Start
) -> None:
    change(clone, train__epochs=9)
    training = start(clone, "python", "-m", "dvc", "repro")
    assert training.stdout
    assert any("epoch 3/9" in line for line in iter(training.stdout.readline, ""))
    os.killpg(training.pid, signal.SIGSTOP)
    spec = json.loads(dvc(clone, "plots", "show", "loss", "--show-vega"))
    os.killpg(training.pid, signal.SIGKILL)
    training.wait()
    seen = [point["epoch"] for point in spec["data"]["values"] if point["split"] == "validation"]
    assert seen[:2] == ["1", "2"]

    output = dvc(clone, "repro", "train")
    assert stages_run(output) == ["train"]
    assert re.search(r"resuming after epoch \d+ of 9", output)
    assert not (clone / "models/checkpoint.npz").exists()
    resumed = (clone / "models/lstm/model.keras").read_bytes()
    assert "resuming" not in dvc(clone, "repro", "--force", "--single-item", "train")
    assert (clone / "models/lstm/model.keras").read_bytes() == resumed


@pytest.mark.slow
def test_the_report_is_one_command_and_says_what_differs_from_main(clone: Path) -> None:
    pretend_that_the_environment_is_made(clone)
    run(clone, "git", "branch", "--move", "main")
    change(clone, plot__steps=50)
    dvc(clone, "repro")
    output = run(clone, "make", "report")
    assert re.search(r"\| plot\.steps +\| 100 +\| 50 +\|", output)
    report = (clone / "reports/report.md").read_text()
    assert output.endswith(report)
    pictures = re.findall(r"!\[[^]]+\]\((.*?)\)", report)
    assert pictures == [f"figures/{plot.name}.png" for plot in DRAWN]
    assert all((clone / "reports" / picture).is_file() for picture in pictures)
    scores = json.loads((clone / "reports/metrics.json").read_text())
    assert f"| LSTM | {scores['LSTM']['rmse_kw']:.4f} |" in report
    assert "| plot.steps | 50 |" in report
    for line in (line for line in report.splitlines() if line.startswith("|")):
        assert line.count(" | ") in (1, 7)


@pytest.mark.slow(seconds=30)
def test_the_tutorial_is_one_command(clone: Path) -> None:
    """Its settings reach the run, its experiment stands beside, and the workspace is left alone."""
    pretend_that_the_environment_is_made(clone)
    before = (clone / "dvc.lock").read_bytes()
    # It takes the place of an earlier one.
    dvc(clone, "exp", "save", "--name", "tutorial")
    output = run(clone, "make", "tutorial")
    assert (clone / "dvc.lock").read_bytes() == before
    assert run(clone, "git", "status", "--porcelain") == ""
    *_, shown = json.loads(dvc(clone, "exp", "show", "--json"))
    params = shown["experiments"][0]["revs"][0]["data"]["params"]["params.yaml"]["data"]
    for key, value in tutorial().items():
        where, name = section(params, key)
        assert where[name] == value, key
    table = output[output.index("─") :]
    header = next(line for line in rows_shown(table) if "Experiment" in line)
    assert all(name in header for name in ("LSTM.rmse_kw", "LSTM.mae_kw", "LSTM.skill"))
    assert "tutorial" in table


@pytest.mark.slow
def test_a_backtest_trains_on_the_windows_before_each_cut(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    monkeypatch.setattr(sys, "argv", ["backtest", "0.8", "0.9"])
    monkeypatch.setattr(
        backtest, "dvc", lambda *arguments, **_: run_dvc(clone, environment(clone), *arguments)
    )
    backtest.main()
    output = capsys.readouterr().out
    table = [line.strip("| ").split(" | ") for line in output.splitlines() if line[:1] == "|"]
    by_cut = {row[0]: [float(cell) for cell in row[1:5]] for row in table[2:4]}
    (*_, shown) = json.loads(dvc(clone, "exp", "show", "--json"))
    for experiment in shown["experiments"]:
        (rev,) = experiment["revs"]
        scores = rev["data"]["metrics"]["reports/metrics.json"]["data"]
        params = rev["data"]["params"]["params.yaml"]["data"]
        cut = params["split"]["train_fraction"] * params["window"]["use_fraction"]
        assert by_cut.pop(f"first {cut:.0%}") == pytest.approx(
            [scores[of][key] for of in ("LSTM", "persistence") for key in ("rmse_kw", "mae_kw")],
            abs=6e-5,
        )
    assert not by_cut
    assert table[4][0] == "mean ± deviation"
    mean = statistics.fmean(float(row[1]) for row in table[2:4])
    assert float(table[4][1].split()[0]) == pytest.approx(mean, abs=2e-4)
    # All forecasts together, and by hour and month.
    grouped = {tuple(row[:2]): row[2:] for row in table[7:]}
    assert float(grouped["all", "all"][0]) == pytest.approx(mean, abs=0.05)
    assert {int(group) for by, group in grouped if by == "hour"} <= set(range(24))
    assert {"all", "hour", "month"} == {by for by, _ in grouped}
    assert all("not proven" in row[2] or " to " in row[2] for row in grouped.values())
    assert run(clone, "git", "status", "--porcelain") == ""


def test_make_without_a_fitting_python_says_so(clone: Path) -> None:
    output = run(clone, "make", "repro", "PYTHON=/no/python3", fails=True)
    first, *rest = output.splitlines()
    assert first == (
        "No Python 3.11, 3.12 or 3.13 with venv among: /no/python3. "
        "Install one, or name it: make repro PYTHON=/path/to/python3.12"
    )
    assert all(line.startswith("make: ***") for line in rest)


def test_make_without_a_git_repository_says_so_before_it_installs_anything(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    output = run(tmp_path, "make", ".venv/bin/python", fails=True)
    assert output.startswith(
        "This folder is not a git repository, which DVC needs. Clone it with git,"
    )
    assert not (tmp_path / ".venv").exists()


def test_a_stage_outside_of_the_environment_says_what_is_not_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "stages.train"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(
        rf"stages: \w+ is not installed for {sys.executable}; run `\. \.venv/bin/activate` first, "
        r"or `make repro`, which creates that environment\n",
        done.stderr,
    )
