"""A meter with a temperature that is known ahead, from its file to a forecast."""

import importlib
from contextlib import chdir
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from household.__main__ import main
from household.app.forecaster import Forecaster
from household.core import files, paths
from household.core.errors import UserError
from stages import window
from tests.project import changed

STAGES = ("fetch", "parse", "window", "split", "train", "evaluate", "plot")
BEGIN, HOURS, AHEAD = datetime(2014, 3, 1), 40 * 24, 6
# The last window of a backtest ends an hour before the readings do, as those of the tutorial.
NOW = HOURS - AHEAD - 1
LAYOUT = {
    "time_columns": ["time"],
    "columns": {"global_active_power": "kW", "temperature": "outside"},
}
SETTINGS = {
    "fetch.source": "meter.csv",
    "parse.layout": LAYOUT,
    "parse.step": "1h",
    "window.lookback": 24,
    "window.horizon": AHEAD,
    "window.known_ahead": ["temperature"],
    "train.chunk_length": 24,
    "train.ensemble_size": 1,
    "train.units": [4],
    "train.head_units": [4],
    "train.epochs": 1,
}
TEMPERATURE = np.random.default_rng(0).normal(10, 5, HOURS + AHEAD).round(2)


def text(hours: int, temperatures: np.ndarray = TEMPERATURE, ahead: int = AHEAD) -> str:
    """Return readings of a house that is heated, and then only the temperature."""
    lines = ["time,kW,outside"]
    for hour in range(hours + ahead):
        stamp = BEGIN + timedelta(hours=hour)
        power = f"{3 - 0.1 * TEMPERATURE[hour]:.4f}" if hour < hours else ""
        lines.append(f"{stamp:%Y-%m-%dT%H:%M},{power},{temperatures[hour]}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with chdir(folder):
        Path("meter.csv").write_text(text(HOURS, ahead=0))
        params = changed(SETTINGS)
        for stage in STAGES:
            importlib.import_module(f"stages.{stage}").main(params)
    return folder


@pytest.fixture
def model(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Forecaster:
    monkeypatch.chdir(trained)
    return Forecaster(paths.NETWORK.parent)


def test_what_is_known_ahead_is_read_of_each_target(
    model: Forecaster, capsys: pytest.CaptureFixture[str]
) -> None:
    # Power is linear in the temperature of the same hour, which nothing else tells.
    scores = files.read_json(paths.METRICS)
    assert scores["linear"]["rmse_kw"] < 0.01
    assert scores["persistence"]["rmse_kw"] > 0.5
    assert model.features == ["global_active_power", "temperature"]
    assert model.known_ahead == ("temperature",)

    # Readings up to an hour, and then what is known ahead, give what the backtest gives there.
    Path("now.csv").write_text(text(NOW))
    forecast = model.forecast(model.read("now.csv")).to_pylist()
    backtest = model.backtest(model.read("meter.csv")).to_pylist()[-AHEAD:]
    assert [row["timestamp"] for row in forecast] == [row["timestamp"] for row in backtest]
    assert [row["mean_kw"] for row in forecast] == [row["mean_kw"] for row in backtest]
    other = TEMPERATURE.copy()
    other[HOURS - 2] += 20
    Path("warm.csv").write_text(text(NOW, other))
    warm = model.forecast(model.read("warm.csv")).to_pylist()
    assert warm[:-1] == forecast[:-1]
    assert warm[-1]["mean_kw"] != forecast[-1]["mean_kw"]

    main(["predict", "models/lstm", "now.csv", "--csv"])
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()[-AHEAD:]) == AHEAD
    assert "950 hours; a forecast takes up to" not in printed.err
    with pytest.raises(SystemExit):
        main(["predict", "models/lstm", "now.csv", "--max-age", "60"])
    assert "the last hour is 2014-04-09 16:00" in capsys.readouterr().err


@pytest.mark.parametrize("ahead", [0, AHEAD - 1])
def test_a_forecast_without_what_it_needs_to_know_is_refused(
    ahead: int, model: Forecaster, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("now.csv").write_text(text(NOW, ahead=ahead))
    expected = (
        "now.csv: the model needs temperature for each of the 6 hours after 2014-04-09 16:00, the "
        "last one with a reading; add rows"
    )
    with pytest.raises(UserError, match=expected):
        model.forecast(model.read("now.csv"), "now.csv")
    with pytest.raises(SystemExit):
        main(["watch", "models/lstm", "now.csv"])
    assert "watch: the model reads temperature of the steps ahead" in capsys.readouterr().err


@pytest.mark.usefixtures("empty_folder")
def test_a_column_that_the_meter_does_not_have_is_not_known_ahead() -> None:
    Path("meter.csv").write_text(text(HOURS, ahead=0))
    params = changed(SETTINGS | {"window.known_ahead": ["temperature", "price"]})
    for stage in ("fetch", "parse"):
        importlib.import_module(f"stages.{stage}").main(params)
    with pytest.raises(UserError, match=r"^window\.known_ahead: the readings have no price; name"):
        window.main(params)
