"""The next seven days, in the setting of a well-known tutorial.

    python -m bench.week_ahead household_power_consumption.zip [--year 2010] [--seeds 3]

Brownlee (2018), LSTM models for multi-step time series forecasting of household power consumption,
forecasts the daily totals of Global_active_power, in kW summed over minutes. A missing minute has
the value of a day before. Weeks are from Sunday to Saturday. Training ends before the first Sunday
of the year, the whole weeks of that year are the test, and RMSE is over all their days.

The network and the ridge regression have the settings of recipes/week_ahead.yaml. Nothing is chosen
by the test weeks, and no validation split is held out: the number of epochs is fixed.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench import given, measure
from bench.given import Given
from bench.uci_minutes import DAY, fill_from_day_before, read_power
from household.core.schema import Power
from household.dataset import windows
from household.evaluation import baselines, metrics
from household.evaluation.baselines import Baseline
from household.evaluation.ridge import ridge
from household.model import inference

PUBLISHED_YEAR = 2010
# As the tutorial and its two companions print them for the 46 weeks of 2010.
PUBLISHED = {
    "published: the day before, for all days": 511.9,
    "published: the week before": 469.4,
    "published: a week a year before": 465.3,
    "published: LSTM": 399.5,
    "published: encoder-decoder LSTM": 372.6,
    "published: CNN-LSTM": 372.1,
    "published: ConvLSTM": 367.9,
}
NAIVE: dict[str, Baseline] = {
    "the day before, for all days": baselines.persistence,
    "the week before": baselines.NAIVE["week before"],
    "a week a year before": partial(baselines.seasonal_naive, days=364),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("zip", type=Path)
    parser.add_argument("--year", type=int, default=PUBLISHED_YEAR)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    totals = daily_totals(read_power(options.zip))
    data = given_year(totals, options.year, seed=0)
    errors = {name: [error] for name, error in PUBLISHED.items()}
    if options.year != PUBLISHED_YEAR:
        errors = {}
    plain = plain_errors(totals, options.year)
    for name, naive in NAIVE.items():
        errors[name] = [total_rmse(data, naive(data.context, data.test))]
        errors[f"{name}, by NumPy"] = [plain[name]]
    errors["ridge regression"] = [total_rmse(data, ridge(data.context, data.test))]
    size = data.settings.train.ensemble_size
    errors[f"ours, {size} members, by seed"] = [
        total_rmse(data, forecast_year(totals, options.year, seed=seed))
        for seed in range(options.seeds)
    ]
    head = [f"{len(data.test)} weeks of {options.year}", "RMSE (kW min)"]
    rows = [[name, ", ".join(f"{error:.1f}" for error in each)] for name, each in errors.items()]
    print(measure.table(head, rows))


def daily_totals(power: pd.Series) -> pd.Series:
    """Return the total of each day in kW summed over minutes, from the first Sunday on.

    The last day is absent if its minutes are not complete.
    """
    filled = fill_from_day_before(power)
    totals = filled.resample("D").sum()[filled.resample("D").count() == DAY]
    return totals[totals.index >= first_sunday(totals.index[0])]


def first_sunday(day: pd.Timestamp) -> pd.Timestamp:
    return day + pd.Timedelta(days=(6 - day.day_of_week) % 7)


def test_days(totals: pd.Series, year: int) -> pd.Series:
    """Return the days of the whole weeks of a year."""
    days = totals[first_sunday(pd.Timestamp(year, 1, 1)) : pd.Timestamp(year, 12, 31)]
    return days[: len(days) // 7 * 7]


def plain_errors(totals: pd.Series, year: int) -> dict[str, float]:
    """Return the RMSE of the naive forecasts by plain shifts of the totals."""
    test = test_days(totals, year)
    first = (test.index[0] - totals.index[0]).days
    weeks = test.to_numpy().reshape(-1, 7)
    # A week for each test week, the first of which begins so many days before the test.
    shifted = {
        days: totals.to_numpy()[first - days : first - days + test.size].reshape(-1, 7)
        for days in (7, 364)
    }
    forecasts = [shifted[7][:, -1:], shifted[7], shifted[364]]
    return {
        name: float(np.sqrt(np.mean((weeks - forecast) ** 2)))
        for name, forecast in zip(NAIVE, forecasts, strict=True)
    }


def given_year(totals: pd.Series, year: int, *, seed: int) -> Given:
    """Return the days as mean power in kW, with the windows of the test weeks and those before."""
    test = test_days(totals, year)
    first = (test.index[0] - totals.index[0]).days
    return given.of_power("week_ahead", {}, totals / DAY, first + np.arange(0, len(test), 7), seed)


def forecast_year(totals: pd.Series, year: int, *, seed: int) -> Power:
    """Return the mean that a network forecasts for each test week: (weeks, 7)."""
    data = given_year(totals, year, seed=seed)
    return inference.predict(given.train_network(data), data.inputs, data.test).mean


def total_rmse(data: Given, forecast: Power) -> float:
    """Return the RMSE of daily totals in kW summed over minutes."""
    return DAY * metrics.rmse(windows.targets(data.values, data.test, data.shape), forecast)


FEATURES = "window.features"

if __name__ == "__main__":
    main()
