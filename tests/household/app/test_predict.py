"""`household predict` as a user types it, where neither TensorFlow nor DVC is there."""

import csv
import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from household.core.layout import LayoutParams
from household.readings import layouts
from tests.household.app.small_model import model, readings
from tests.project import ROOT

ENDS = ["low_80_kw", "high_80_kw", "low_95_kw", "high_95_kw"]
WITHOUT = ("dvc", "keras", "onnx", "pandas", "pydantic", "ruamel", "tensorflow", "tqdm")
# Besides its five minutes the model takes nine days into account.
SHORT = (
    "60 minutes; a forecast takes up to 12,965 into account, for the usual power at each time of "
    "day\n"
)
COMMAND = """
import runpy, sys

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {without}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = ["household", "predict", *sys.argv[1:]]
runpy.run_module("household", run_name="__main__")
"""


@pytest.fixture
def model_and_hour(tmp_path: Path) -> tuple[str, str]:
    """Return the names of a model and of a file with an hour of readings."""
    (tmp_path / "lstm").mkdir()
    pa.csv.write_csv(readings(60), tmp_path / "hour.csv")
    return str(model(tmp_path / "lstm", horizon=2)), str(tmp_path / "hour.csv")


def predict(
    *arguments: str, without: tuple[str, ...] = WITHOUT, **options: Any
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND.format(without=without), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


def test_predict_prints_the_same_as_a_table_csv_and_json(model_and_hour: tuple[str, str]) -> None:
    plain, as_csv, as_json = (
        predict(*model_and_hour, *each) for each in ([], ["--csv"], ["--json"])
    )
    short = f"predict: {model_and_hour[1]}: {SHORT}"
    assert {each.stderr for each in (plain, as_csv, as_json)} == {short}
    rows = json.loads(as_json.stdout)
    assert [row["timestamp"] for row in rows] == ["2007-03-31T22:58", "2007-03-31T22:59"]
    head, *lines = (line.split() for line in plain.stdout.splitlines())
    assert head == ["timestamp", "step", "mean_kw", "median_kw", *ENDS]
    for line, row, written in zip(
        lines, rows, csv.DictReader(as_csv.stdout.splitlines()), strict=True
    ):
        assert "T".join(line[:2]) == row["timestamp"] == written["timestamp"]
        assert float(line[3]) == pytest.approx(row["mean_kw"], abs=5e-4)
        assert float(written["mean_kw"]) == pytest.approx(row["mean_kw"], abs=1e-6)


def test_standard_input_is_read_like_a_file(model_and_hour: tuple[str, str]) -> None:
    given = Path(model_and_hour[1]).read_text()
    assert predict(model_and_hour[0], "-", input=given).stdout == predict(*model_and_hour).stdout


def test_compressed_texts_and_workbooks_are_read_like_a_text(
    model_and_hour: tuple[str, str], tmp_path: Path
) -> None:
    expected = predict(*model_and_hour).stdout
    rows = list(csv.reader(Path(model_and_hour[1]).read_text().splitlines()))
    with gzip.open(tmp_path / "hour.csv.gz", "wt") as text:
        csv.writer(text).writerows(rows)
    with xlsxwriter.Workbook(tmp_path / "hour.xlsx", {"strings_to_numbers": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    for name in ("hour.csv.gz", "hour.xlsx"):
        found = predict(model_and_hour[0], str(tmp_path / name))
        assert found.stdout == expected
        assert found.stderr == f"predict: {tmp_path / name}: {SHORT}"


def test_a_text_of_several_sensors_is_refused(
    model_and_hour: tuple[str, str], tmp_path: Path
) -> None:
    header, *rows = Path(model_and_hour[1]).read_text().splitlines()
    lines = [f"{header},sensor", *(f"{row},{n % 2}" for n, row in enumerate(rows))]
    (tmp_path / "two.csv").write_text("\n".join(lines))
    found = predict(model_and_hour[0], str(tmp_path / "two.csv"))
    assert found.returncode == 1
    assert found.stderr.endswith("two.csv: the column sensor names 0, 1; use those of one\n")


def test_a_backtest_scores_the_model_beside_persistence(model_and_hour: tuple[str, str]) -> None:
    rows = json.loads(predict(*model_and_hour, "--backtest", "--json").stdout)
    said = predict(*model_and_hour, "--backtest").stdout.splitlines()
    for line, column in zip(said, ("mean_kw", "persistence_kw"), strict=False):
        rmse = np.sqrt(np.mean([(row[column] - row["actual_kw"]) ** 2 for row in rows]))
        assert f"RMSE {rmse:.4f} kW" in line
    assert said[2].startswith("53 windows in ")
    # Trained on the first 84 of its minutes.
    assert said[3].startswith(
        "106 of these 106 minutes (100%) are not after the training: the error"
    )


def test_quantiles_are_printed_and_not_taken_for_the_scores_of_a_backtest(
    model_and_hour: tuple[str, str],
) -> None:
    asked = ["--quantiles", "0.05,0.95"]
    head = predict(*model_and_hour, *asked).stdout.splitlines()[0].split()
    assert head == ["timestamp", "step", "mean_kw", "q0.05_kw", "q0.95_kw"]
    rows = json.loads(predict(*model_and_hour, *asked, "--backtest", "--json").stdout)
    assert {"q0.05_kw", "q0.95_kw", "actual_kw"} <= rows[0].keys()
    said = predict(*model_and_hour, *asked, "--backtest")
    assert said.returncode == 1
    assert "--backtest scores mean and median; add --csv or --json to --quantiles" in said.stderr
    wrong = predict(*model_and_hour, "--quantiles", "half")
    assert "argument --quantiles: invalid levels value: 'half'" in wrong.stderr
    unknown = predict(*model_and_hour, "--quantiles", "0.07")
    assert unknown.returncode == 1
    assert "no quantile 0.07; the model forecasts those of 0.01, " in unknown.stderr


def test_a_backtest_on_later_readings_says_nothing_of_the_training(
    model_and_hour: tuple[str, str], tmp_path: Path
) -> None:
    later = readings(60)
    stamps = pc.add(later["timestamp"], pa.scalar(timedelta(days=1)))
    pa.csv.write_csv(later.set_column(0, "timestamp", stamps), tmp_path / "later.csv")
    said = predict(model_and_hour[0], str(tmp_path / "later.csv"), "--backtest").stdout
    assert said.splitlines()[-1].startswith("53 windows in ")


@pytest.mark.parametrize(
    "line",
    [
        "{predict} {model} {file} --backtest --csv | head -n 1",
        "cat {file} | {predict} {model} -",
        "{predict} {model} <(cat {file})",
    ],
)
def test_predict_works_in_a_pipe(model_and_hour: tuple[str, str], line: str) -> None:
    command = f"{sys.executable} -m household predict"
    typed = line.format(predict=command, model=model_and_hour[0], file=model_and_hour[1])
    said = subprocess.run(
        ["bash", "-c", typed], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stderr.endswith(SHORT) or ("--backtest" in line and not said.stderr)
    assert said.stderr.count("\n") <= 1
    assert said.stdout.strip('" ').startswith("timestamp")


def test_readings_that_are_too_old_are_refused_where_that_is_asked_for(
    model_and_hour: tuple[str, str],
) -> None:
    said = predict(*model_and_hour, "--max-age", "5")
    assert said.returncode == 1
    assert "hour.csv: the last minute is 2007-03-31 22:57, " in said.stderr
    assert said.stderr.endswith("minutes ago; expected at most 5 (--max-age)\n")


@pytest.mark.parametrize(
    ("offset", "clock"),
    [
        (None, "Europe/Berlin"),
        ("Z", "Europe/Berlin"),
        ("Z", "America/New_York"),
        ("-0500", "Asia/Tokyo"),
    ],
)
def test_the_age_of_readings_follows_their_zone_or_else_the_local_clock(
    model_and_hour: tuple[str, str], tmp_path: Path, offset: str | None, clock: str
) -> None:
    now = datetime.now(ZoneInfo(clock))
    if offset:
        now = now.astimezone(datetime.strptime(offset, "%z").tzinfo)
    for age, ends in ((2, 0), (240, 1)):
        last = now - timedelta(minutes=age)
        stamps = [last - timedelta(minutes=before) for before in range(19, -1, -1)]
        lines = [f"{stamp:%Y-%m-%dT%H:%M:00}{offset or ''},1.5,240" for stamp in stamps]
        (tmp_path / "now.csv").write_text(
            "\n".join(["timestamp,global_active_power,voltage", *lines, ""])
        )
        arguments = (model_and_hour[0], str(tmp_path / "now.csv"), "--max-age", "5")
        said = predict(*arguments, env={"TZ": clock})
        assert said.returncode == ends, said.stderr
        written = f"{last:%Y-%m-%d %H:%M}" + (f"{last:%z}"[:3] + ":00" if offset else "")
        if ends:
            assert f"now.csv: the last minute is {written}, 24" in said.stderr
            continue
        after = (last + timedelta(minutes=1)).replace(second=0, microsecond=0)
        if not offset:
            after = after.replace(tzinfo=None)
        assert said.stdout.splitlines()[1].strip().startswith(after.isoformat(" ", "minutes"))
        (row, _) = json.loads(predict(*arguments, "--json", env={"TZ": clock}).stdout)
        assert row["timestamp"] == after.isoformat("T", "minutes")


def test_seconds_since_1970_are_of_utc(tmp_path: Path) -> None:
    columns = {"global_active_power": "kw", "voltage": "v"}
    given = {"time_format": "epoch", "time_columns": ["ts"], "columns": columns}
    layout = layouts.resolve(LayoutParams.model_validate(given))
    (tmp_path / "shelly").mkdir()
    folder = model(tmp_path / "shelly", horizon=2, layout=layout)
    begin = int(datetime.now(UTC).timestamp()) // 60 * 60 - 20 * 60
    lines = [f"{begin + 60 * minute},1.5,240" for minute in range(20)]
    (tmp_path / "ts.csv").write_text("\n".join(["ts,kw,v", *lines, ""]))
    arguments = (str(folder), str(tmp_path / "ts.csv"), "--max-age", "5", "--csv")
    said = predict(*arguments, env={"TZ": "Europe/Berlin"})
    assert said.returncode == 0, said.stderr
    due = datetime.fromtimestamp(begin + 20 * 60, UTC)
    assert next(csv.DictReader(said.stdout.splitlines()))["timestamp"] == due.isoformat(
        "T", "minutes"
    )


def test_an_invalid_parameter_is_one_line_and_exit_status_1(
    model_and_hour: tuple[str, str], tmp_path: Path
) -> None:
    pq.write_table(readings(3), tmp_path / "short.parquet")
    for arguments in (
        [model_and_hour[0], str(tmp_path / "short.parquet")],
        [model_and_hour[0], str(tmp_path / "absent.csv")],
        [str(tmp_path), model_and_hour[1]],
    ):
        said = predict(*arguments)
        assert (said.returncode, said.stdout) == (1, "")
        assert said.stderr.startswith("predict: ")
        assert said.stderr.count("\n") == 1


def test_a_missing_extra_says_how_to_install_it(model_and_hour: tuple[str, str]) -> None:
    said = predict(*model_and_hour, without=("onnxruntime",))
    assert said.returncode == 1
    assert said.stderr == (
        "predict: onnxruntime is not installed; in the project's folder, python -m pip install "
        "'.[predict]'\n"
    )
