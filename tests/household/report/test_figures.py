"""The tables behind the plots, against the same said with plain Python."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from household.report import figures


def predictions(n: int, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    power = draw.integers(0, 9_000, (n, 3)).astype(np.float32) / 1000
    return pd.DataFrame(power, columns=["actual", "LSTM", "persistence"]).assign(
        timestamp=pd.Timestamp("2007-03-31 21:58") + pd.to_timedelta(np.arange(n) * 7, "min")
    )[["timestamp", "actual", "LSTM", "persistence"]]


def results(made: pd.DataFrame, steps: int = 100) -> figures.Results:
    losses = pd.DataFrame(
        {"epoch": [0.5, 1.0, 1.0], "part": ["train", "train", "validation"], "loss": [2.0, 0.5, 1]}
    )
    metrics = {name: {"rmse_kw": 0.4, "mae_kw": 0.2} for name in made.columns[2:]}
    verdict = {"best_baseline": made.columns[-1]}
    return figures.Results(made, losses, metrics | {"verdict": verdict}, steps, "a household")


def test_the_forecast_is_the_first_minutes_of_each_series() -> None:
    made = predictions(9)
    table = figures.forecast(results(made, steps=4))
    assert table.columns.tolist() == ["timestamp", "series", "power_kw"]
    assert table["series"].tolist() == ["actual"] * 4 + ["LSTM"] * 4 + ["persistence"] * 4
    assert table["timestamp"].tolist()[:2] == ["2007-03-31T21:58:00", "2007-03-31T22:05:00"]
    for name, column in (("actual", "actual"), ("LSTM", "LSTM"), ("persistence", "persistence")):
        shown = table.loc[table["series"] == name, "power_kw"].tolist()
        assert shown == made[column].tolist()[:4]


def test_more_steps_than_there_are_minutes_show_all() -> None:
    assert len(figures.forecast(results(predictions(9)))) == 3 * 9


@given(st.integers(1, 9_000))
def test_the_points_are_spread_evenly_and_no_more_than_a_page_holds(n: int) -> None:
    made = predictions(n)
    table = figures.predicted_actual(results(made))
    assert len(table) <= figures.MAX_POINTS
    assert len(table) > figures.MAX_POINTS / 2 or len(table) == 2 * n
    lstm = table[table["series"] == "LSTM"]
    every = math.ceil(n / len(lstm))
    assert lstm["actual_kw"].tolist() == made["actual"].tolist()[::every]
    assert lstm["forecast_kw"].tolist() == made["LSTM"].tolist()[::every]


@given(st.integers(1, 300), st.integers(0, 5))
def test_error_by_hour_is_the_rmse_of_the_minutes_of_that_hour(n: int, seed: int) -> None:
    made = predictions(n, seed)
    errors: dict[tuple[int, str], list[float]] = {}
    for row in made.to_dict("records"):
        for name, forecast in (("LSTM", row["LSTM"]), ("persistence", row["persistence"])):
            errors.setdefault((row["timestamp"].hour, name), []).append(forecast - row["actual"])
    table = figures.error_by_hour(results(made))
    found = {(row["hour"], row["series"]): row["rmse_kw"] for row in table.to_dict("records")}
    assert found.keys() == errors.keys()
    counts = {(row["hour"], row["series"]): row["minutes"] for row in table.to_dict("records")}
    assert counts == {key: len(values) for key, values in errors.items()}
    for key, values in errors.items():
        assert found[key] == pytest.approx(
            math.sqrt(sum(error**2 for error in values) / len(values)), rel=1e-5
        )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"simulated": True, "licence": None, "address": "simulated"}, "simulated household"),
        ({"simulated": False, "licence": "CC BY 4.0", "address": "x.zip"}, "UCI household"),
        ({"simulated": False, "licence": None, "address": "https://a.org/b/c.zip"}, "c.zip"),
    ],
)
def test_the_source_has_a_plain_name(source: dict[str, object], name: str) -> None:
    assert figures.household(source) == name


@pytest.mark.parametrize("plot", figures.PLOTS, ids=[plot.name for plot in figures.PLOTS])
@pytest.mark.parametrize("forecasters", [2, 7])
def test_every_picture_names_every_series_and_the_household(
    plot: figures.Plot, forecasters: int
) -> None:
    """With more forecasters than there are colors, too."""
    made = predictions(300)
    for place in range(2, forecasters):
        made[f"forecaster {place}"] = made["LSTM"] + place / 10
    given = results(made)
    figure = plot.picture(given)
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert f"{plot.title}, a household" in texts
    named = given.losses["part"] if isinstance(plot.table, Path) else plot.table(given)["series"]
    assert len(named)
    assert set(named) <= texts


def test_the_scores_are_those_of_the_metrics() -> None:
    table = figures.scores(results(predictions(9)))
    assert table["kw"].tolist() == [0.4, 0.4, 0.2, 0.2]
    assert table["score"].tolist() == ["RMSE", "RMSE", "MAE", "MAE"]
    assert table["series"].tolist() == ["LSTM", "persistence"] * 2
