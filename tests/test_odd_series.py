"""What becomes of series that are short, empty or never change: each stage in turn, no DVC."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from household import files, params, series
from household.failure import Failure
from household.params import Params
from stages import evaluate, parse, plot, split, train, window

SHIPPED = params.load(Path(__file__).parents[1] / "params.yaml")
SOURCE = {"simulated": False, "licence": None, "address": "/home/me/mine.zip"}
AFTER_PARSE = ("window", "split", "train", "evaluate", "plot")


def with_window(**changed: Any) -> Params:
    return SHIPPED.model_copy(
        update={
            "window": SHIPPED.window.model_copy(update=changed),
            "train": SHIPPED.train.model_copy(update={"hidden": [2]}),
        }
    )


def put(power: Sequence[float | None]) -> None:
    """What parse and fetch would have left, in the current folder."""
    stamps = np.datetime64("2007-01-01", "ms") + np.arange(len(power)) * np.timedelta64(1, "m")
    power_kw = pa.array(power, pa.float32())
    columns = [pa.array(stamps), *[power_kw] * len(series.NAMES)]
    files.write_table(parse.PARSED, pa.table(columns, schema=series.SCHEMA))
    files.write_json(evaluate.SOURCE, SOURCE)


def run(given: Params, *stages: str) -> None:
    for stage in stages:
        importlib.import_module(f"stages.{stage}").main(given)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("power", "changed", "reason"),
    [
        pytest.param([None] * 99, {}, "no minute has a value for global_active", id="all missing"),
        pytest.param([1.0], {}, "1 minutes hold no window of window.length 50", id="one minute"),
        pytest.param([1.0] * 50, {}, "50 minutes hold no window", id="a minute too short"),
        pytest.param([1.0, None] * 99, {"gaps": "break"}, "gaps break; shorten", id="all gaps"),
        pytest.param([1.0] * 99, {"fraction": 0.1}, "10 minutes hold no", id="small fraction"),
    ],
)
def test_no_window_is_a_failure_that_says_why_and_writes_nothing(
    power: list[float | None], changed: dict[str, Any], reason: str
) -> None:
    put(power)
    with pytest.raises(Failure, match=reason):
        window.main(with_window(**changed))
    assert not window.SERIES.parent.exists()


def test_too_few_windows_to_split_write_nothing() -> None:
    put([1.0] * 51)
    run(with_window(), "window")
    with pytest.raises(Failure, match="1 windows are too few"):
        split.main(with_window())
    assert not split.SPLIT.exists()


@pytest.mark.parametrize("length", [2, 50])
def test_a_series_that_never_changes_goes_through(
    length: int, capsys: pytest.CaptureFixture[str]
) -> None:
    put([1.5] * 400)
    run(with_window(length=length), *AFTER_PARSE)
    assert files.read_json(split.CENTRE) == {series.TARGET: 1.5}
    metrics = files.read_json(evaluate.METRICS)
    assert metrics["persistence"] == {
        "rmse_kw": 0, "mae_kw": 0, "mase": None, "r2": None, "skill": None
    }  # fmt: skip
    # All inputs are 0 once centred, and so is the forecast, but for what the bias has learnt.
    assert metrics["lstm"]["rmse_kw"] == pytest.approx(0, abs=1e-6)
    assert "persistence makes no error at all" in capsys.readouterr().out


def test_the_shortest_windows_predict_a_minute_from_the_one_before() -> None:
    put([float(minute % 7) for minute in range(400)])
    run(with_window(length=2), *AFTER_PARSE)
    predictions = pa.parquet.read_table(evaluate.PREDICTIONS).to_pydict()
    assert predictions["persistence"][1:] == predictions["actual"][:-1]


def test_all_columns_may_be_input() -> None:
    put([float(minute % 7) for minute in range(400)])
    run(with_window(length=5, features=list(series.NAMES)), *AFTER_PARSE)
    settings = files.read_json(train.SETTINGS)
    assert settings["features"] == list(series.NAMES)
    assert set(settings["units"]) == set(settings["centre"]) == set(series.NAMES)


def test_the_centre_may_be_that_of_the_training_part_or_none() -> None:
    put([0.0] * 360 + [4.0] * 90)
    centres = {}
    for center in ("all", "train", "none"):
        run(with_window(length=10, center=center), "window", "split")
        centres[center] = files.read_json(split.CENTRE)[series.TARGET]
    assert centres["none"] == 0
    assert 0 < centres["train"] < centres["all"]


def test_a_training_that_goes_astray_is_told_and_keeps_no_model() -> None:
    put([float(minute % 7) for minute in range(400)])
    settings = with_window(length=5)
    wild = settings.train.model_copy(
        update={"learning_rate": 1e38, "optimizer": "sgd", "batch_size": 8}
    )
    run(settings, "window", "split")
    with pytest.raises(Failure, match=r"lower train\.learning_rate"):
        train.main(settings.model_copy(update={"train": wild}))
    assert not train.MODEL.exists()
    assert not train.HISTORY.exists()


def test_the_pictures_name_the_zip_that_was_given() -> None:
    put([float(minute % 7) for minute in range(400)])
    run(with_window(length=5), *AFTER_PARSE)
    for table in plot.PLOTS.glob("*.csv"):
        assert set(pa.csv.read_csv(table)["household"].to_pylist()) == {"mine.zip"}, table
