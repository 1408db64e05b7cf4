"""What becomes of series that are short, empty or never change: each stage in turn, no DVC."""

import importlib
import re
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from household.core import files, paths, schema, store
from household.core.errors import UserError
from household.core.params import Params
from household.core.schema import TARGET
from household.core.step import MINUTE
from household.evaluation import baselines, predictions
from household.readings import quality
from tests.project import changed, tutorial

pytestmark = pytest.mark.usefixtures("empty_folder")

SOURCE = {"simulated": False, "licence": None, "address": "/home/me/mine.zip"}
AFTER_PARSE = ("window", "split", "train", "evaluate", "plot")


def with_window(**values: Any) -> Params:
    """Return the tutorial's settings with a small network and other windows."""
    return changed(
        tutorial() | {"train.units": [2]} | {f"window.{key}": each for key, each in values.items()}
    )


def put(power: Sequence[float | None]) -> None:
    """Write the outputs of fetch and parse for `power` to the current folder."""
    stamps = np.datetime64("2007-01-01", "ms") + np.arange(len(power)) * np.timedelta64(1, "m")
    power_kw = pa.array(power, pa.float32())
    columns = [pa.array(stamps), *[power_kw] * len(schema.NAMES)]
    table = pa.table(columns, schema=schema.SCHEMA)
    list(store.write_months(paths.PARSED / "power", iter([table])))
    found = quality.QualityReport(MINUTE)
    found.add(table)
    files.write_json(paths.QUALITY, found.to_dict({}, "mine.txt", {}))
    files.write_json(paths.SOURCE, SOURCE)


def run(given: Params, *stages: str) -> None:
    for stage in stages:
        importlib.import_module(f"stages.{stage}").main(given)


@pytest.mark.parametrize(
    ("power", "window", "reason"),
    [
        pytest.param([None] * 99, {}, "no minute has a value for global_active", id="all missing"),
        pytest.param(
            [1.0],
            {},
            "no window of window.lookback 49 and window.horizon 1 in 1 minutes",
            id="one minute",
        ),
        pytest.param(
            [1.0] * 50,
            {},
            "no window of window.lookback 49 and window.horizon 1 in 50 minutes",
            id="a minute too short",
        ),
        pytest.param(
            [1.0, None] * 99,
            {"across_gaps": False},
            "without crossing a gap; shorten",
            id="all gaps",
        ),
        pytest.param(
            [1.0] * 99, {"use_fraction": 0.1}, "no window of .* in 10 minutes", id="small fraction"
        ),
    ],
)
def test_a_series_without_a_window_is_refused_and_writes_nothing(
    power: list[float | None], window: dict[str, Any], reason: str
) -> None:
    put(power)
    with pytest.raises(UserError, match=reason):
        run(with_window(**window), "window")
    assert not paths.SERIES.exists()


def test_too_few_windows_to_split_write_nothing() -> None:
    put([1.0] * 51)
    run(with_window(), "window")
    with pytest.raises(UserError, match="1 windows are too few"):
        run(with_window(), "split")
    assert not paths.TRAIN.exists()


@pytest.mark.parametrize("lookback", [1, 49])
def test_a_constant_series_passes_all_stages(
    lookback: int, capsys: pytest.CaptureFixture[str]
) -> None:
    put([1.5] * 400)
    run(with_window(lookback=lookback), *AFTER_PARSE)
    assert files.read_json(paths.SCALING) == {TARGET: {"center": 1.5, "scale": 1}}
    metrics = files.read_json(paths.METRICS)
    assert metrics["persistence"] == {
        "rmse_kw": 0, "mae_kw": 0, "mase": None, "skill": None
    }  # fmt: skip
    # All inputs are 0 once centered, and so is the forecast, but for what the bias has learnt.
    assert metrics["LSTM"]["rmse_kw"] == pytest.approx(0, abs=1e-6)
    assert "no error to compare with" in capsys.readouterr().out


def test_the_shortest_window_has_one_input_and_one_target() -> None:
    put([float(minute % 7) for minute in range(400)])
    run(with_window(lookback=1), *AFTER_PARSE)
    predictions = pa.parquet.read_table(paths.PREDICTIONS).to_pydict()
    assert predictions["persistence"][1:] == predictions["actual"][:-1]


def test_several_minutes_are_forecast_at_once_and_scored_by_step() -> None:
    power = [float(minute % 7) for minute in range(700)]
    put(power)
    run(with_window(lookback=9, horizon=3), *AFTER_PARSE)
    assert files.read_json(paths.FORECASTER)["output"]["shape"] == ["windows", 3]
    rows = pa.parquet.read_table(paths.PREDICTIONS).to_pylist()
    begin = datetime(2007, 1, 1)
    for place, row in enumerate(rows):
        minute = int((row["timestamp"] - begin) / timedelta(minutes=1))
        assert row["step"] == place % 3 + 1
        assert row["actual"] == power[minute]
        assert row["persistence"] == power[minute - row["step"]]
        # What recurs every 7 minutes is a linear function of the last 9.
        assert row["linear"] == pytest.approx(power[minute], abs=0.1)
    # The windows of the test part begin a minute apart, and the last of them ends where they do.
    assert len(rows) == 3 * 69
    broken_down = pa.csv.read_csv(paths.BREAKDOWN).to_pylist()
    steps = {row["group"]: row["minutes"] for row in broken_down if row["by"] == "step"}
    assert steps == {"1": 69, "2": 69, "3": 69}
    shown = pa.csv.read_csv(paths.PLOTS / "error_by_step.csv").to_pylist()
    assert {row["step"] for row in shown} == {1, 2, 3}
    assert (paths.FIGURES / "error_by_step.png").exists()
    assert "error_by_step.png" in paths.REPORT.read_text()


@pytest.mark.parametrize("lookback", [2, 49])
def test_the_default_network_accepts_a_constant_series(
    lookback: int, capsys: pytest.CaptureFixture[str]
) -> None:
    put([1.5] * 600)
    small = {"train.ensemble_size": 1, "train.units": [2], "train.epochs": 1}
    run(changed(small | {"window.lookback": lookback}), *AFTER_PARSE)
    assert files.read_json(paths.METRICS)["LSTM"]["rmse_kw"] == pytest.approx(0, abs=0.1)
    assert "no error to compare with" in capsys.readouterr().out


def test_all_columns_may_be_input() -> None:
    put([float(minute % 7) for minute in range(400)])
    run(with_window(lookback=4, features=list(schema.NAMES)), *AFTER_PARSE)
    settings = files.read_json(paths.FORECASTER)
    features = settings["input"]["features"]
    assert [feature["name"] for feature in features] == list(schema.NAMES)
    assert [feature["unit"] for feature in features] == ["kW", "kvar", "V", "A", "Wh", "Wh", "Wh"]


def test_the_center_may_be_of_the_training_split_or_none() -> None:
    put([0.0] * 360 + [4.0] * 90)
    centers = {}
    for center in ("all", "train", "none"):
        run(
            changed(tutorial() | {"window.lookback": 9, "scaling.center": center}),
            "window",
            "split",
        )
        centers[center] = files.read_json(paths.SCALING)[TARGET]["center"]
    assert centers["none"] == 0
    assert 0 < centers["train"] < centers["all"]


def test_the_scale_may_be_of_the_training_split() -> None:
    put([0.0, 4.0] * 180 + [100.0] * 90)
    scales = {}
    for scale in ("train", "none"):
        settings = {"window.lookback": 9, "scaling.scale": scale, "split.train_fraction": 0.5}
        run(changed(tutorial() | settings), "window", "split")
        scales[scale] = files.read_json(paths.SCALING)[TARGET]["scale"]
    assert scales == {"train": pytest.approx(2), "none": 1}


def test_a_diverging_training_is_an_error_and_writes_no_model() -> None:
    put([float(minute % 7) for minute in range(400)])
    settings = with_window(lookback=4)
    run(settings, "window", "split")
    wild = settings.train.model_copy(
        update={"learning_rate": 1e38, "optimizer": "sgd", "batch_size": 8}
    )
    with pytest.raises(UserError, match=r"lower train\.learning_rate"):
        run(settings.model_copy(update={"train": wild}), "train")
    assert not paths.NETWORK.exists()
    assert not paths.CHECKPOINT.exists()


def test_the_pictures_name_the_zip_that_was_given() -> None:
    # Enough for 99 validation windows, of which the largest error is the quantile at 0.99.
    put([float(minute % 7) for minute in range(2_600)])
    run(with_window(lookback=4, horizon=2), *AFTER_PARSE)
    for table in paths.PLOTS.glob("*.csv"):
        if table.stem in ("gain_by_month", "gain_by_meter"):  # of a single one it has no rows
            continue
        assert set(pa.csv.read_csv(table)["household"].to_pylist()) == {"mine.zip"}, table


def test_one_line_adds_a_forecaster_to_scores_tables_and_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put([float(minute % 7) for minute in range(500)])
    forecasters = predictions.BASELINES | {
        "a week of minutes ago": lambda given, starts: baselines.persistence(
            given._replace(shape=given.shape._replace(lookback=given.shape.lookback - 6)), starts
        )
    }
    monkeypatch.setattr(predictions, "BASELINES", forecasters)
    run(with_window(lookback=9), *AFTER_PARSE)
    names = ["LSTM", *forecasters]
    metrics = files.read_json(paths.METRICS)
    assert set(metrics) == {*names, "verdict", "distribution", "intervals"}
    assert metrics["verdict"]["best_baseline"] == "a week of minutes ago"
    assert metrics["a week of minutes ago"]["rmse_kw"] == 0
    columns = pa.parquet.read_schema(paths.PREDICTIONS).names
    assert columns[: len(names) + 2] == ["timestamp", "actual", *names]
    for table in paths.PLOTS.glob("*.csv"):
        shown = pa.csv.read_csv(table)
        # Over a forecaster without an error there is no gain.
        if shown.num_rows and "series" in shown.column_names and table.stem != "gain_by_day":
            assert "a week of minutes ago" in shown["series"].to_pylist(), table
    broken_down = pa.csv.read_csv(paths.BREAKDOWN)["forecaster"].to_pylist()
    assert set(broken_down) == set(names)


def refusal(minutes: int) -> str:
    """Why a sample of so many minutes is refused, "" where it is split."""
    try:
        run(changed({"fetch.sample.days": minutes / 1440}), "fetch", "parse", "window", "split")
    except UserError as failure:
        return str(failure)
    assert all(
        files.row_count(path / "power.parquet")
        for path in (paths.TRAIN, paths.VALIDATION, paths.TEST)
    )
    return ""


def test_a_series_of_any_length_is_split_or_refused_with_the_reason() -> None:
    # From some length on there is enough.
    enough = bisect_left(range(401), True, lo=1, key=lambda minutes: not refusal(minutes))
    assert 50 < enough < 400
    around = range(enough - 20, enough + 20)
    refusals = {minutes: refusal(minutes) for minutes in {*range(1, 401, 9), *around}}
    assert {minutes for minutes, reason in refusals.items() if not reason} == {
        minutes for minutes in refusals if minutes >= enough
    }
    said = r"no window of window|windows are too few for a train.* split; use more readings"
    assert all(re.search(said, reason) for reason in refusals.values() if reason)
