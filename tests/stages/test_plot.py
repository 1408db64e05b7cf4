"""The tables behind the plots, against the same said with plain Python."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import plot


def predictions(n: int, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    power = draw.integers(0, 9_000, (n, 3)).astype(np.float32) / 1000
    return pd.DataFrame(power, columns=["actual", "lstm", "persistence"]).assign(
        timestamp=pd.Timestamp("2007-03-31 21:58") + pd.to_timedelta(np.arange(n) * 7, "min")
    )[["timestamp", "actual", "lstm", "persistence"]]


def test_the_forecast_is_the_first_minutes_of_each_series() -> None:
    made = predictions(9)
    table = plot.forecast(made, 4)
    assert table.columns.tolist() == ["timestamp", "series", "power_kw"]
    assert table["series"].tolist() == ["actual"] * 4 + ["LSTM"] * 4 + ["persistence"] * 4
    assert table["timestamp"].tolist()[:2] == ["2007-03-31T21:58:00", "2007-03-31T22:05:00"]
    for name, column in (("actual", "actual"), ("LSTM", "lstm"), ("persistence", "persistence")):
        shown = table.loc[table["series"] == name, "power_kw"].tolist()
        assert shown == made[column].tolist()[:4]


def test_more_steps_than_there_are_minutes_show_all() -> None:
    assert len(plot.forecast(predictions(9), 100)) == 3 * 9


@given(st.integers(1, 9_000))
def test_the_points_are_spread_evenly_and_no_more_than_a_page_holds(n: int) -> None:
    made = predictions(n)
    table = plot.predicted_actual(made)
    assert len(table) <= plot.MOST_POINTS
    assert len(table) > plot.MOST_POINTS / 2 or len(table) == 2 * n
    lstm = table[table["series"] == "LSTM"]
    every = math.ceil(n / len(lstm))
    assert lstm["actual_kw"].tolist() == made["actual"].tolist()[::every]
    assert lstm["forecast_kw"].tolist() == made["lstm"].tolist()[::every]


@given(st.integers(1, 300), st.integers(0, 5))
def test_error_by_hour_is_the_rmse_of_the_minutes_of_that_hour(n: int, seed: int) -> None:
    made = predictions(n, seed)
    errors: dict[tuple[int, str], list[float]] = {}
    for row in made.to_dict("records"):
        for name, forecast in (("LSTM", row["lstm"]), ("persistence", row["persistence"])):
            errors.setdefault((row["timestamp"].hour, name), []).append(forecast - row["actual"])
    found = {
        (row["hour"], row["series"]): row["rmse_kw"]
        for row in plot.error_by_hour(made).to_dict("records")
    }
    assert found.keys() == errors.keys()
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
def test_a_legend_names_the_source(source: dict[str, object], name: str) -> None:
    assert plot.household_name(source) == name
