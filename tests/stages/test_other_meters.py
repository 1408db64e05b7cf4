"""Other meters, each from its file to a forecast of what comes after it, without DVC."""

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from household.app.forecaster import Forecaster
from household.core import files, paths
from household.readings.text_format import TextFormat
from tests.household.readings.test_delimited import LAYOUTS, MADE
from tests.project import changed

pytestmark = pytest.mark.usefixtures("empty_folder")
STAGES = ("fetch", "parse", "window", "split", "train", "evaluate", "plot")
BEGIN = datetime(2014, 3, 1, 22, 0)
MINUTES = 900


@pytest.mark.parametrize("name", MADE)
def test_from_the_file_of_a_meter_to_a_forecast(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text, power = MADE[name](BEGIN, MINUTES)
    Path("meter.csv").write_text(text, newline="")
    small = {"fetch.source": "meter.csv", "window.lookback": 9, "parse.layout": {"extends": name}}
    params = changed(small | {"train.ensemble_size": 1, "train.units": [4], "train.epochs": 1})
    for stage in STAGES:
        importlib.import_module(f"stages.{stage}").main(params)
    assert f"parse: {len(power)} minutes from 2014-03-01T22:00" in capsys.readouterr().out

    columns = list(TextFormat.of(LAYOUTS[name]).columns)
    record = files.read_json(paths.FORECASTER)
    assert [feature["name"] for feature in record["input"]["features"]] == columns
    assert f"reads | 9 minutes of {len(columns)} column" in paths.REPORT.read_text()

    forecaster = Forecaster(paths.NETWORK.parent)
    readings = forecaster.read("meter.csv")
    last = list(power)[-1]
    zone = readings["timestamp"].type.tz
    assert zone == (None if name == "refit" else "+00:00")
    if zone:
        last = last.replace(tzinfo=UTC)
    assert readings["timestamp"][-1].as_py() == last
    forecast = forecaster.forecast(readings)
    assert forecast["timestamp"].to_pylist() == [last + timedelta(minutes=1)]
