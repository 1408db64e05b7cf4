"""A day ahead by the hour, forecast once a day, through all stages."""

import importlib

import pandas as pd
import pytest

from household.core import files, paths
from household.core.errors import UserError
from stages import evaluate
from tests.project import changed

pytestmark = pytest.mark.usefixtures("empty_folder")
STAGES = ("fetch", "parse", "window", "split", "train", "evaluate", "plot")
SETTINGS = {
    "fetch.sample.days": 60,
    "parse.step": "1h",
    "window.lookback": 24,
    "window.horizon": 24,
    "window.features": ["global_active_power"],
    "train.chunk_length": 24,
    "train.ensemble_size": 1,
    "train.units": [4],
    "train.epochs": 1,
    "evaluate.origin": "06:00",
    "plot.start": "first",
}


def test_forecasts_of_one_time_of_day_are_scored_and_shown_as_whole_days(
    capsys: pytest.CaptureFixture[str],
) -> None:
    params = changed(SETTINGS)
    for stage in STAGES:
        importlib.import_module(f"stages.{stage}").main(params)
    predictions = files.read_table(paths.PREDICTIONS).to_pandas()
    made = predictions[predictions["step"] == 1]["timestamp"]
    assert len(made) >= 3
    assert set(made.dt.strftime("%H:%M")) == {"06:00"}
    assert made.diff().dropna().unique().tolist() == [pd.Timedelta(days=1)]
    assert f"{len(made)} test windows of 24 hours" in capsys.readouterr().out
    # Of whole days, each of which is one forecast.
    fan = pd.read_csv(paths.PLOTS / "fan.csv", parse_dates=["timestamp"])
    shown = fan[fan["band"] == "95%"]
    assert shown["timestamp"].iloc[0].hour == 6
    assert shown["timestamp"].is_monotonic_increasing
    assert len(shown) == 24 * min(len(made), 5)
    by_step = pd.read_csv(paths.PLOTS / "error_by_step.csv")
    assert by_step["ahead"].unique().tolist() == [f"{hour} h" for hour in range(1, 25)]

    with pytest.raises(UserError, match="is made at 06:30; use every, or a multiple of 1 hour"):
        evaluate.main(changed(SETTINGS | {"evaluate.origin": "06:30"}))
