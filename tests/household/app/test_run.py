"""household.run gives what the stages give, continues a model and keeps an interrupted one."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import household
from household.app import provenance, run
from household.core import files, paths
from household.core.errors import UserError
from household.model import progress, saved_model
from household.readings import source
from tests.project import changed

pytestmark = pytest.mark.usefixtures("empty_folder")

SMALL: dict[str, Any] = {
    "fetch": {"sample": {"days": 1}},
    "train": {"ensemble_size": 1, "units": [3], "epochs": 2},
}
STAGES = ("fetch", "parse", "window", "split", "train", "evaluate")


@pytest.fixture(scope="module")
def first_run() -> run.Run:
    """Make a run for several tests, since it takes seconds."""
    return household.run(**SMALL)


def test_run_gives_what_the_stages_give(first_run: run.Run) -> None:
    params = changed({"fetch.sample.days": 1, "train.ensemble_size": 1, "train.units": [3]})
    given = params.model_copy(update={"train": params.train.model_copy(update={"epochs": 2})})
    for stage in STAGES:
        importlib.import_module(f"stages.{stage}").main(given)
    assert first_run.results.metrics == files.read_json(paths.METRICS)
    assert first_run.results.quality == files.read_json(paths.QUALITY)
    assert first_run.results.source == files.read_json(paths.SOURCE)
    assert first_run.predictions.equals(files.read_table(paths.PREDICTIONS).to_pandas())
    losses = pd.read_csv(paths.HISTORY)
    assert first_run.losses["loss"].to_numpy() == pytest.approx(losses["loss"].to_numpy())
    assert not first_run.interrupted
    saved = first_run.save("mine")
    for path in (paths.NETWORK, paths.GRAPH, paths.FORECASTER):
        assert (saved / path.name).read_bytes() == path.read_bytes()
    frame = first_run.data[["global_active_power", *first_run.data.columns[1:]]].ffill()
    assert len(household.predict(saved, frame)) == 1
    assert first_run.scores.loc["LSTM", "rmse_kw"] == first_run.results.metrics["LSTM"]["rmse_kw"]
    assert "LSTM RMSE 0." in first_run._repr_markdown_()
    assert first_run.plot("scores")._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(UserError, match=r"^no plot 'score'; use one of scores, forecast,"):
        first_run.plot("score")


def test_run_continues_from_an_earlier_run_and_takes_data_in_memory(
    first_run: run.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(source, "fetch", None)  # nothing is fetched
    again = household.run(first_run, first_run.data, train=SMALL["train"])
    before, after = (
        each.losses[each.losses["split"] == "validation"] for each in (first_run, again)
    )
    assert after["epoch"].iloc[0] == 0
    assert after["loss"].iloc[0] == pytest.approx(before["loss"].min(), rel=1e-6)
    assert f"initial validation loss {before['loss'].min():.4f}" in capsys.readouterr().out
    (went,) = again.results.forecaster["lineage"]
    assert went["trained_on"] == first_run.results.forecaster["trained_on"]
    assert again.results.source == first_run.results.source
    assert again.results.forecaster["parameters"]["train"]["warm_start"] is None
    # The same from a folder, and from a frame with the time in a column, of fewer columns.
    with pytest.raises(UserError, match=r"has train\.units \[3\], but params.yaml has \[4\]"):
        household.run(first_run.save("mine"), first_run.data, train=SMALL["train"] | {"units": [4]})
    power = first_run.data[["global_active_power"]].reset_index()
    alone = household.run(data=power, train=SMALL["train"] | {"epochs": 1})
    assert alone.model.input["readings"].shape == (None, 49, 2)  # the power and its anomaly
    assert alone.data["voltage"].isna().all()
    assert alone.results.source == first_run.results.source
    power.attrs.clear()
    alone = household.run(data=power, train=SMALL["train"] | {"epochs": 1})
    assert alone.results.source["address"] == "a frame"
    saved = saved_model.load(alone.save("alone"))
    assert next(provenance.lines(saved, Path())) == "data: a frame"


def test_run_takes_and_gives_several_meters() -> None:
    several = SMALL | {"fetch": {"sample": {"days": 1, "meters": 3}}}
    made = household.run(**several, split={"holdout_meters": 0.34})
    assert list(made.data.groupby("meter").size()) == [1440] * 3
    assert any(line.startswith("Better than persistence on") for line in made.verdict)
    assert made.results.meters is not None
    again = household.run(data=made.data, train=SMALL["train"], split={"holdout_meters": 0.34})
    assert again.scores.equals(made.scores)
    assert again.results.quality == made.results.quality
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("epoch", [0, 1])
def test_ctrl_c_keeps_the_best_epoch_so_far(
    first_run: run.Run, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    begin = progress.TrainingProgress.begin_epoch

    def interrupted(self: Any) -> None:
        begin(self)
        if self.done == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.TrainingProgress, "begin_epoch", interrupted)
    cut = household.run(data=first_run.data, train=SMALL["train"] | {"lr_schedule": "constant"})
    assert cut.interrupted
    assert len(cut.losses[cut.losses["split"] == "validation"]) == epoch
    monkeypatch.undo()
    persistence = cut.results.metrics["persistence"]["rmse_kw"]
    if not epoch:  # a forecast of the difference starts as the anchor, near persistence
        assert cut.results.metrics["LSTM"]["rmse_kw"] == pytest.approx(persistence, rel=0.02)
    else:
        one = SMALL["train"] | {"epochs": 1, "lr_schedule": "constant"}
        assert household.run(data=first_run.data, train=one).scores.equals(cut.scores)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"train": {"epoch": 3}}, "the parameters: train.epoch: Extra inputs are not permitted"),
        ({"trains": {"epochs": 3}}, "the parameters: trains: Extra inputs are not permitted"),
        ({"train": {"epochs": 0}}, "the parameters: train.epochs: Input should be greater"),
        ({"model": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_unknown_settings_are_refused(
    first_run: run.Run, sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        household.run(data=first_run.data, **sections)
    assert str(caught.value).startswith(said)


MINUTES = pd.date_range("2007-01-01", periods=200, freq="min")
POWER = pd.DataFrame({"global_active_power": np.linspace(0.2, 3, 200)}, index=MINUTES)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (POWER[::-1], "data: duplicate times or not in time order"),
        (pd.concat([POWER, POWER[-1:]]), "data: duplicate times or not in time order"),
        (POWER.rename(columns={"global_active_power": "kw"}), "data: no column global_active"),
        (POWER[:0], "data: no readings; use a frame that has some"),
        (POWER.set_index(MINUTES.where(MINUTES[3] != MINUTES)), "data: a reading has no timestamp"),
        (POWER.assign(meter="../escaped"), "data: meter '../escaped': use letters, digits, - and"),
        (
            POWER.assign(meter=pd.array([pd.NA, *["a"] * 199])),
            "data: meter <NA>: use letters, digits, - and",
        ),
        (POWER.assign(meter=[1, *["1"] * 199])[::-1], "data: duplicate times or not in time order"),
        (POWER.assign(global_active_power=np.nan), "no minute has a value for global_active"),
        (
            POWER.set_index(MINUTES[0] + np.arange(200) * pd.Timedelta("15min")),
            "data: readings are usually 15",
        ),
        (POWER[:40], "no window of window.lookback 49 and window.horizon 1 in 40 minutes"),
        ("readings.csv", "data: expected a pandas DataFrame, found 'readings.csv'"),
    ],
)
def test_unusable_data_is_refused(data: pd.DataFrame, said: str) -> None:
    with pytest.raises(UserError) as caught:
        household.run(data=data)
    assert str(caught.value).startswith(said)
    assert Path.cwd().is_dir()


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "household.app", None)
    with pytest.raises(UserError, match=r"in the project's folder, python -m pip install '.\[pipe"):
        household.run()
