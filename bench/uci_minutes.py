"""The minutes of the UCI text as a data frame, for tables that others have published."""

from pathlib import Path

import numpy as np
import pandas as pd

from household.core.schema import TARGET

POWER = "Global_active_power"
DAY = 1440


def read_power(path: Path) -> pd.Series:
    """Return the power of each minute in kW, NaN where it is missing."""
    columns = ["Date", "Time", POWER]
    text = pd.read_csv(path, sep=";", na_values="?", usecols=columns, dtype={"Date": str})
    times = pd.to_datetime(text["Date"] + " " + text["Time"], format="%d/%m/%Y %H:%M:%S")
    power = pd.Series(text[POWER].to_numpy(np.float64), times, name=TARGET)
    return power.asfreq("min")


def fill_from_day_before(power: pd.Series) -> pd.Series:
    """Return the power with the value a day before where a minute is missing."""
    values = power.to_numpy(copy=True)
    # One after the other, since the day before may have been filled itself.
    for minute in np.flatnonzero(np.isnan(values)):
        values[minute] = values[minute - DAY]
    return pd.Series(values, power.index, name=power.name)
