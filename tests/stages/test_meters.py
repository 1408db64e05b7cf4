"""Several meters: what each stage makes of them, and of one that is bad."""

import importlib
import json
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import household
from household.core import files, meters, parallel, paths
from household.core.errors import UserError
from household.core.params import Params
from household.dataset import scaling, windows
from household.readings import archive
from tests.project import changed

pytestmark = pytest.mark.usefixtures("empty_folder")

FORECASTERS = ("LSTM", "persistence")
DATA = ("fetch", "parse", "window", "split")
SMALL = {"fetch.sample.days": 1, "fetch.sample.meters": 4}


def run(given: Params, *stages: str) -> None:
    for stage in stages:
        importlib.import_module(f"stages.{stage}").main(given)


def contents(folder: Path = Path("data")) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spoil(meter: str) -> None:
    """Replace the zip of a meter by one without a header."""
    with zipfile.ZipFile(paths.RAW / meter / f"{meter}.zip", "w") as zipped:
        zipped.writestr(archive.TEXT_NAME, "nothing\n")


def test_each_simulated_meter_has_other_habits() -> None:
    run(changed(SMALL), *DATA)
    names = [f"sample_{number:04}" for number in range(4)]
    for path in (paths.RAW, paths.PARSED, paths.SERIES, paths.WINDOWS, paths.TRAIN, paths.TEST):
        assert list(meters.by_name(path)) == names, path
    assert list(files.read_json(paths.SOURCE)["parts"]) == [f"{name}.zip" for name in names]
    power = [
        pq.read_table(path)["global_active_power"].to_numpy()
        for path in meters.by_name(paths.PARSED).values()
    ]
    assert len({np.nanmean(each) for each in power}) == 4
    # The first is the one that there is alone.
    first = pq.read_table(paths.PARSED / "sample_0000")
    run(changed({"fetch.sample.days": 1}), "fetch", "parse")
    assert pq.read_table(paths.PARSED).equals(first)


def test_a_folder_of_zips_and_a_pattern_are_each_meters() -> None:
    run(changed(SMALL), "fetch")
    here = Path("meters")
    here.mkdir()
    for path in paths.RAW.glob("*/*.zip"):
        shutil.copy(path, here)
    Path("meters/notes.md").touch()
    held = contents(paths.RAW)
    for source in (
        "meters",
        "meters/*",
        "meters/sample_*.zip",
        ["meters/*0.zip", "meters/*[1-3].zip"],
    ):
        run(changed({"fetch.source": source, "fetch.one_meter_per_file": True}), "fetch")
        assert contents(paths.RAW) == held
    with pytest.raises(UserError, match=r"no .zip, .csv or .txt in meters/x\*; add some"):
        run(changed({"fetch.source": "meters/x*", "fetch.one_meter_per_file": True}), "fetch")


def test_in_processes_of_any_order_the_bytes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run(changed(SMALL), *DATA)
    alone = contents()
    shutil.rmtree("data")
    monkeypatch.setattr(parallel, "SERIAL_THRESHOLD", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    run(changed(SMALL), *DATA)
    assert contents() == alone


def test_the_quality_record_has_each_meter_and_their_sums() -> None:
    run(changed(SMALL), "fetch", "parse")
    record = files.read_json(paths.QUALITY)
    rows = record["meters"]
    assert list(rows) == [f"sample_{number:04}" for number in range(4)]
    assert record["rows"] == sum(row["rows"] for row in rows.values()) == 4 * 1440
    assert record["missing"]["voltage"] == sum(row["missing"]["voltage"] for row in rows.values())
    assert sum(record["gaps"]["by_day"].values()) == record["missing"]["global_active_power"]
    power = np.concatenate(
        [
            pq.read_table(path)["global_active_power"].drop_null().to_numpy()
            for path in meters.by_name(paths.PARSED).values()
        ]
    )
    extent = record["columns"]["global_active_power"]
    assert extent["mean"] == pytest.approx(power.mean(dtype=np.float64), abs=1e-6)
    assert (extent["min"], extent["max"]) == tuple(
        float(str(each)) for each in (power.min(), power.max())
    )


def test_a_bad_meter_fails_the_stage_or_is_skipped_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(changed(SMALL), "fetch")
    spoil("sample_0002")
    with pytest.raises(UserError, match=r"^meter sample_0002: .* line 1: expected Date;Time.*skip"):
        run(changed(SMALL), "parse")
    assert not paths.PARSED.exists()
    skip = changed(SMALL | {"on_error": "skip"})
    run(skip, "parse", "window", "split")
    assert "skipped meter sample_0002" in capsys.readouterr().out
    record = files.read_json(paths.QUALITY)
    assert list(record["left_out"]) == ["sample_0002"]
    assert list(meters.by_name(paths.TEST)) == ["sample_0000", "sample_0001", "sample_0003"]
    for name in ("sample_0000", "sample_0001", "sample_0003"):
        spoil(name)
    with pytest.raises(UserError, match="all 4 meters failed; sample_0000"):
        run(skip, "parse")


def test_a_meter_without_a_window_is_named_or_skipped() -> None:
    run(changed(SMALL), "fetch", "parse")
    (path,) = (paths.PARSED / "sample_0001").iterdir()
    files.write_table(path, pq.read_table(path)[:30])
    with pytest.raises(UserError, match=r"^meter sample_0001: no window of .* in 30 minutes"):
        run(changed(SMALL), "window")
    assert not paths.SERIES.exists()
    run(changed(SMALL | {"on_error": "skip"}), "window", "split")
    assert list(meters.by_name(paths.SERIES)) == ["sample_0000", "sample_0002", "sample_0003"]


@pytest.mark.parametrize("window", [{}, {"scaling.center": "all"}, {"scaling.center": "none"}])
def test_the_scaling_is_fitted_to_all_meters_together(window: dict[str, Any]) -> None:
    given = changed(SMALL | window)
    run(given, *DATA)
    shape = windows.WindowShape(given.window.lookback, given.window.horizon)
    held = {
        kind: np.concatenate(
            [
                windows.inputs(
                    pq.read_table(path).to_pandas().to_numpy()[:, 1:].astype(np.float64),
                    windows.read_starts(meters.by_name(part)[meter]),
                    shape.length,
                ).reshape(-1, 7)
                for meter, path in meters.by_name(paths.SERIES).items()
            ]
        )
        for kind, part in {"train": paths.TRAIN, "all": paths.WINDOWS}.items()
    }
    found = scaling.read(paths.SCALING, list(given.window.features))
    center = held[given.scaling.center].mean(axis=0) if "none" not in window.values() else 0
    np.testing.assert_allclose(found.center, center, rtol=1e-11)
    deviation = held["train"].std(axis=0)
    np.testing.assert_allclose(found.scale, np.where(deviation > 0, deviation, 1), rtol=1e-11)


def test_holdout_meters_are_only_tested() -> None:
    run(changed(SMALL), *DATA)
    before, scale = contents(paths.TEST), paths.SCALING.read_bytes()
    given = changed(SMALL | {"split.holdout_meters": 0.25})
    run(given, "split")
    assert contents(paths.TEST) == before
    assert len(meters.by_name(paths.TRAIN)) == len(meters.by_name(paths.VALIDATION)) == 3
    assert set(meters.by_name(paths.TRAIN)) < set(meters.by_name(paths.TEST))
    assert paths.SCALING.read_bytes() != scale
    with pytest.raises(UserError, match=r"split.holdout_meters: 10% of 4 meters is none; use"):
        run(changed(SMALL | {"split.holdout_meters": 0.1}), "split")


def test_from_one_meter_to_several_and_back() -> None:
    one = changed({"fetch.sample.days": 1})
    run(one, *DATA)
    first = contents()
    run(changed(SMALL), *DATA)
    assert len(meters.by_name(paths.TEST)) > 1
    run(one, *DATA)
    assert contents() == first
    assert json.loads(paths.QUALITY.read_text())["rows"] == 1440


MODEL = {
    "fetch.sample.days": 1.2,
    "train.ensemble_size": 1,
    "train.units": [3],
    "train.epochs": 2,
    "split.holdout_meters": 0.25,
}


def test_one_model_is_trained_on_some_meters_and_scored_on_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = changed(SMALL | MODEL)
    run(given, *DATA, "train")
    model = {path.name: path.read_bytes() for path in paths.NETWORK.parent.iterdir()}
    # In small pieces, and twice.
    run(given, "train", "evaluate", "plot")
    assert {name: (paths.NETWORK.parent / name).read_bytes() for name in model} == model
    record = files.read_json(paths.FORECASTER)["trained_on"]
    assert record["meters"] == 3
    sizes = [files.row_count(path) for path in meters.by_name(paths.TRAIN).values()]
    assert record["windows"] == sum(sizes)

    rows = pa.csv.read_csv(paths.METERS).to_pylist()
    assert [row["meter"] for row in rows] == list(meters.by_name(paths.TEST))
    assert [row["meter"] for row in rows if row["in_training"]] == list(meters.by_name(paths.TRAIN))
    predictions = pq.read_table(paths.PREDICTIONS).to_pandas()
    for row in rows:
        own = predictions[predictions["meter"] == row["meter"]]
        assert len(own) == (row["windows"] if row["in_training"] else 0)
        if row["in_training"]:
            errors = [((own[name] - own["actual"]) ** 2).mean() ** 0.5 for name in FORECASTERS]
            assert [row["rmse_kw"], row["persistence_kw"]] == pytest.approx(errors, abs=1e-5)
            assert row["skill"] == pytest.approx(1 - errors[0] / errors[1], abs=1e-4)
    metrics = files.read_json(paths.METRICS)
    errors = [
        ((predictions[name] - predictions["actual"]) ** 2).mean() ** 0.5 for name in FORECASTERS
    ]
    assert [metrics[name]["rmse_kw"] for name in FORECASTERS] == pytest.approx(errors, abs=1e-5)
    found = metrics["meters"]
    assert [found[kind]["meters"] for kind in ("in_training", "held_out")] == [3, 1]
    skills = [row["skill"] for row in rows if row["in_training"]]
    assert found["in_training"]["median"] == pytest.approx(np.median(skills), abs=1e-6)
    assert found["in_training"]["wins"] == pytest.approx(np.mean(np.array(skills) > 0), abs=1e-6)

    said = capsys.readouterr().out
    assert re.search(r"evaluate: Better than persistence on \S+ of 3 meters ", said)
    assert re.search(r"evaluate: Better than persistence on \S+ of 1 meter not used for", said)
    report = paths.REPORT.read_text()
    assert "figures/gain_by_meter.png" in report
    assert "Worst: sample_" in report


def test_a_model_of_several_meters_is_used_like_any_other() -> None:
    run(changed(SMALL | MODEL), *DATA, "train")
    readings = pq.read_table(meters.by_name(paths.PARSED)["sample_0002"]).to_pandas()
    assert len(household.predict(paths.NETWORK.parent, readings))
