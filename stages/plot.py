"""Makes what a person looks at: tables for `dvc plots`, and the same as pictures.

Reads reports/predictions.parquet, reports/train/history.csv, reports/metrics.json and
data/raw/source.json. Writes reports/plots/*.csv and reports/figures/*.png.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from household import files, stage
from household.params import Params

PREDICTIONS = Path("reports/predictions.parquet")
HISTORY = Path("reports/train/history.csv")
METRICS = Path("reports/metrics.json")
SOURCE = Path("data/raw/source.json")
PLOTS = Path("reports/plots")
FIGURES = Path("reports/figures")

# `dvc plots` puts every point into its page.
MOST_POINTS = 2_000
LABELS = {"lstm": "LSTM", "persistence": "persistence"}
# Okabe and Ito (2008), Color Universal Design: told apart with any kind of colour vision. Colour
# never stands alone either: each series has its own dashes and markers.
STYLES: dict[str, dict[str, Any]] = {
    "actual": {"color": "#000000", "linestyle": "-", "marker": ""},
    "LSTM": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "persistence": {"color": "#D55E00", "linestyle": "--", "marker": "^"},
    "train": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "validation": {"color": "#D55E00", "linestyle": "--", "marker": "^"},
}


def main(params: Params) -> None:
    predictions = pd.read_parquet(PREDICTIONS)
    metrics = files.read_json(METRICS)
    history = pd.read_csv(HISTORY)
    household = household_name(files.read_json(SOURCE))
    tables = {
        "forecast": forecast(predictions, params.plot.steps),
        "loss": history.rename(columns={"part": "series"}),
        "predicted_actual": predicted_actual(predictions),
        "error_by_hour": error_by_hour(predictions),
        "rmse": rmse(metrics),
    }
    for name, table in tables.items():
        shown = table.assign(household=household)
        files.write_csv(PLOTS / f"{name}.csv", pa.Table.from_pandas(shown, preserve_index=False))
        figure = Figure(figsize=(9, 5), layout="constrained")
        DRAWN[name](figure.add_subplot(), table, household)
        with files.whole(FIGURES / f"{name}.png") as aside:
            # Matplotlib would write its own version into the picture.
            figure.savefig(aside, dpi=120, metadata={"Software": None})
    print(f"plot: {len(tables)} pictures in {FIGURES}; `dvc plots show` makes a page of them")


def household_name(source: dict[str, Any]) -> str:
    """Whose minutes these are, in plain words, from source.json."""
    if source["simulated"]:
        return "simulated household"
    return "UCI household" if source["licence"] else Path(source["address"]).name


def forecast(predictions: pd.DataFrame, steps: int) -> pd.DataFrame:
    """The first `steps` test minutes: rows (timestamp, series, power_kw)."""
    return (
        predictions.head(steps)
        .assign(timestamp=lambda first: first["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
        .rename(columns=LABELS)
        .melt(id_vars="timestamp", var_name="series", value_name="power_kw")
    )


def predicted_actual(predictions: pd.DataFrame) -> pd.DataFrame:
    """Rows (series, actual_kw, forecast_kw), evenly spaced over the test part."""
    every = -(-len(predictions) * len(LABELS) // MOST_POINTS)
    return (
        predictions.iloc[::every]
        .drop(columns="timestamp")
        .rename(columns={"actual": "actual_kw", **LABELS})
        .melt(id_vars="actual_kw", var_name="series", value_name="forecast_kw")
    )


def error_by_hour(predictions: pd.DataFrame) -> pd.DataFrame:
    """Rows (hour, series, rmse_kw), for the hours of the day that the test part has."""
    power = predictions[["actual", *LABELS]].astype("float64")
    squares = power[list(LABELS)].sub(power["actual"], axis=0) ** 2
    by_hour = squares.groupby(predictions["timestamp"].dt.hour).mean() ** 0.5
    return (
        by_hour.rename_axis("hour")
        .rename(columns=LABELS)
        .reset_index()
        .melt(id_vars="hour", var_name="series", value_name="rmse_kw")
    )


def rmse(metrics: dict[str, Any]) -> pd.DataFrame:
    """Rows (series, rmse_kw)."""
    return pd.DataFrame(
        {
            "series": list(LABELS.values()),
            "rmse_kw": [metrics[name]["rmse_kw"] for name in LABELS],
        }
    )


def draw_forecast(axes: Axes, table: pd.DataFrame, household: str) -> None:
    timestamps = pd.to_datetime(table["timestamp"])
    for name, rows in table.groupby("series", sort=False):
        axes.plot(timestamps[rows.index], rows["power_kw"], label=name, **style(name), markevery=5)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    steps = len(table) // table["series"].nunique()
    finish(axes, f"The first {steps} test minutes", "time", "active power (kW)", household)


def draw_loss(axes: Axes, table: pd.DataFrame, household: str) -> None:
    for name, rows in table.groupby("series", sort=False):
        axes.plot(rows["epoch"], rows["loss"], label=name, **style(name))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlim=(0.5, table["epoch"].max() + 0.5), ylim=(0, None))
    finish(axes, "Loss by epoch", "epoch", "loss (of the power in kW)", household)


def draw_predicted_actual(axes: Axes, table: pd.DataFrame, household: str) -> None:
    for name, rows in table.groupby("series", sort=False):
        axes.plot(
            rows["actual_kw"],
            rows["forecast_kw"],
            label=name,
            **{**style(name), "linestyle": "", "alpha": 0.5, "markeredgewidth": 0},
        )
    most = float(np.nanmax(table[["actual_kw", "forecast_kw"]].to_numpy()))
    axes.plot([0, most], [0, most], color="#999999", linewidth=1, label="no error")
    finish(axes, "Forecast against actual", "actual (kW)", "forecast (kW)", household)


def draw_error_by_hour(axes: Axes, table: pd.DataFrame, household: str) -> None:
    for name, rows in table.groupby("series", sort=False):
        axes.plot(rows["hour"], rows["rmse_kw"], label=name, **style(name))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(ylim=(0, None))
    finish(axes, "Error by hour of the day", "hour of the day", "RMSE (kW)", household)


def draw_rmse(axes: Axes, table: pd.DataFrame, household: str) -> None:
    colours = [style(name)["color"] for name in table["series"]]
    bars = axes.barh(table["series"], table["rmse_kw"], color=colours, height=0.4)
    axes.bar_label(bars, fmt="%.4f kW", padding=4)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    finish(axes, f"Error of each forecaster, {household}", "RMSE on the test part (kW)", "", None)
    axes.grid(visible=False, axis="y")


def style(name: Any) -> dict[str, Any]:
    return {"markersize": 4, "linewidth": 1.5, **STYLES[cast(str, name)]}


def finish(axes: Axes, title: str, x_label: str, y_label: str, legend: str | None) -> None:
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    if legend:
        axes.legend(title=legend, frameon=False)


DRAWN = {
    "forecast": draw_forecast,
    "loss": draw_loss,
    "predicted_actual": draw_predicted_actual,
    "error_by_hour": draw_error_by_hour,
    "rmse": draw_rmse,
}


if __name__ == "__main__":
    stage.run("plot", main)
