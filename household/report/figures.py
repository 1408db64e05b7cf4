"""What a person looks at: the tables behind `dvc plots`, and the same as pictures.

Each plot is described once, in PLOTS. dvc.yaml has to repeat what DVC needs of that, since DVC
takes no file of its own that a stage makes; a test holds the two together.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from household.pipeline import paths

# `dvc plots` puts every point into its page.
MAX_POINTS = 2_000
ACTUAL = "actual"
# Okabe and Ito (2008), Color Universal Design: told apart with any kind of color vision. Color
# never stands alone either: each series has its own dashes and a name beside it.
BLACK = "#000000"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", ":", "-.", (0, (1, 1)), (0, (5, 1, 1, 1)))
# A picture is 1,080 by 600 pixels and still reads at half that size.
SIZE, DPI, FONT_SIZE = (9, 5), 120, 13


class Results(NamedTuple):
    """What evaluate and train left, and whose minutes they are."""

    predictions: pd.DataFrame  # timestamp, actual, and a column for each forecaster, in kW
    losses: pd.DataFrame  # epoch, part, loss
    metrics: dict[str, dict[str, Any]]  # the scores of each forecaster, and the verdict
    steps: int  # minutes in the picture of the forecast
    household: str

    @property
    def forecasters(self) -> list[str]:
        return [name for name in self.metrics if name != "verdict"]

    @property
    def compared(self) -> list[str]:
        """Those that a picture of minutes has room for: the LSTM, its best rival, persistence."""
        shown = ("LSTM", "persistence", self.metrics["verdict"]["best_baseline"])
        return [name for name in self.forecasters if name in shown]

    @property
    def minutes(self) -> pd.DataFrame:
        """The predictions of those alone."""
        return self.predictions[["timestamp", ACTUAL, *self.compared]]

    def style(self, name: str) -> tuple[str, Any]:
        """The color and the dashes of a forecaster, the same in every picture."""
        return style(self.forecasters.index(name))


class Plot(NamedTuple):
    """One plot: its table, of which DVC draws column `y` over `x`, and its picture.

    A table that a stage writes as it runs is drawn while it grows; it stands here as its path.
    """

    name: str
    title: str
    template: str  # one of .dvc/plots
    x: str
    y: str
    x_label: str
    y_label: str
    table: Callable[[Results], pd.DataFrame] | Path
    draw: Callable[["Plot", Figure, Results], None]

    @property
    def path(self) -> Path:
        """Where the table stands."""
        return self.table if isinstance(self.table, Path) else paths.PLOTS / f"{self.name}.csv"

    def picture(self, results: Results) -> Figure:
        with rc_context({"font.size": FONT_SIZE, "axes.titlesize": FONT_SIZE + 1}):
            figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
            figure.suptitle(
                f"{self.title}, {results.household}",
                x=0.01,
                ha="left",
                fontsize=FONT_SIZE + 2,
                fontweight="bold",
            )
            self.draw(self, figure, results)
            # Ticks take their font size when they are first drawn, which has to be in here.
            figure.draw_without_rendering()
        return figure

    def dvc(self) -> dict[str, Any]:
        """The entry of dvc.yaml for this plot."""
        path = str(self.path)
        return {
            self.name: {
                "title": self.title,
                "template": self.template,
                "x": {path: self.x},
                "y": {path: self.y},
                "x_label": self.x_label,
                "y_label": self.y_label,
            }
        }


def household(source: dict[str, Any]) -> str:
    """Whose minutes these are, in plain words, from the record of where the data is from."""
    if source["simulated"]:
        return "simulated household"
    return "UCI household" if source["licence"] else Path(source["address"]).name


def forecast(results: Results) -> pd.DataFrame:
    """The first test minutes: rows (timestamp, series, power_kw)."""
    first = results.minutes.head(results.steps)
    return first.assign(timestamp=first["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S")).melt(
        id_vars="timestamp", var_name="series", value_name="power_kw"
    )


def draw_forecast(plot: Plot, figure: Figure, results: Results) -> None:
    axes = figure.add_subplot()
    first = results.predictions.head(results.steps)
    for name in [*results.compared, ACTUAL]:
        color, dashes = (BLACK, "-") if name == ACTUAL else results.style(name)
        axes.plot(first["timestamp"], first[name], color=color, linestyle=dashes, label=name)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
    finish(axes, plot.x_label, plot.y_label)


def draw_losses(plot: Plot, figure: Figure, results: Results) -> None:
    axes = figure.add_subplot()
    ends = []
    for place, (name, rows) in enumerate(results.losses.groupby("part", sort=False)):
        color, dashes = style(place)
        # One epoch alone has a single validation loss, which no line would show.
        marker = "o" if len(rows) == 1 else ""
        axes.plot(
            rows["epoch"],
            rows["loss"],
            color=color,
            linestyle=dashes,
            marker=marker,
            clip_on=False,
        )
        ends.append((str(name), color, float(rows["loss"].iloc[-1])))
    if results.losses["loss"].min() > 0:
        axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlim(0, float(results.losses["epoch"].max()))
    finish(axes, plot.x_label, plot.y_label)
    name_lines(figure, axes, ends)


def predicted_actual(results: Results) -> pd.DataFrame:
    """Rows (series, actual_kw, forecast_kw), evenly spaced over the test part."""
    every = -(-len(results.predictions) * len(results.compared) // MAX_POINTS)
    thinned = results.minutes.iloc[::every].drop(columns="timestamp")
    return thinned.rename(columns={ACTUAL: "actual_kw"}).melt(
        id_vars="actual_kw", var_name="series", value_name="forecast_kw"
    )


def draw_predicted_actual(plot: Plot, figure: Figure, results: Results) -> None:
    power = results.minutes.drop(columns="timestamp").to_numpy()
    room = 0.02 * np.ptp(power) or 0.1
    edges = np.linspace(power.min() - room, power.max() + room, 61)
    actual = results.predictions[ACTUAL]
    counts = {
        name: np.histogram2d(actual, results.predictions[name], [edges, edges])[0].T
        for name in results.compared
    }
    color_scale = LogNorm(1, max(2, *(count.max() for count in counts.values())))
    panels = figure.subplots(1, len(counts), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, count) in zip(panels, counts.items(), strict=True):
        axes.axline((0, 0), slope=1, color="#999999", linewidth=1, zorder=0)
        density = axes.pcolormesh(
            edges, edges, np.ma.masked_equal(count, 0), norm=color_scale, cmap="viridis_r"
        )
        axes.set_aspect("equal")
        axes.set_title(name, loc="left")
        finish(axes, plot.x_label, plot.y_label if axes is panels[0] else "")
    figure.colorbar(density, ax=list(panels), label="minutes", shrink=0.8)


def error_by_hour(results: Results) -> pd.DataFrame:
    """Rows (hour, series, rmse_kw, minutes), for the hours of the day that the test part has."""
    power = results.minutes.drop(columns="timestamp").astype("float64")
    squares = power[results.compared].sub(power[ACTUAL], axis=0) ** 2
    hours = results.predictions["timestamp"].dt.hour.rename("hour")
    by_hour = (squares.groupby(hours).mean() ** 0.5).reset_index()
    rows = by_hour.melt(id_vars="hour", var_name="series", value_name="rmse_kw")
    return rows.assign(minutes=rows["hour"].map(hours.value_counts()))


def draw_error_by_hour(plot: Plot, figure: Figure, results: Results) -> None:
    errors, counts = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    table = error_by_hour(results)
    ends = []
    for name, rows in table.groupby("series", sort=False):
        color, dashes = results.style(str(name))
        errors.plot(rows["hour"], rows["rmse_kw"], color=color, linestyle=dashes)
        ends.append((str(name), color, float(rows["rmse_kw"].iloc[-1])))
    errors.set_ylim(0, None)
    one = table.drop_duplicates("hour")
    counts.bar(one["hour"], one["minutes"], color="#BBBBBB", width=0.8)
    counts.set_xlim(-0.5, 23.5)
    counts.xaxis.set_major_locator(MaxNLocator(integer=True))
    counts.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    finish(errors, "", plot.y_label)
    finish(counts, plot.x_label, "minutes")
    name_lines(figure, errors, ends)


def scores(results: Results) -> pd.DataFrame:
    """Rows (series, score, kw), the RMSE and the MAE of each forecaster."""
    return pd.DataFrame(
        [
            {"series": name, "score": score, "kw": results.metrics[name][key]}
            for score, key in (("RMSE", "rmse_kw"), ("MAE", "mae_kw"))
            for name in results.forecasters
        ]
    )


def draw_scores(_: Plot, figure: Figure, results: Results) -> None:
    table = scores(results)
    panels = figure.subplots(1, table["score"].nunique(), sharey=True)
    for axes, (score, rows) in zip(panels, table.groupby("score", sort=False), strict=True):
        for place, (name, value) in enumerate(zip(rows["series"], rows["kw"], strict=True)):
            color, _ = results.style(name)
            axes.hlines(place, 0, value, color="#DDDDDD", linewidth=1)
            axes.plot(value, place, "o", color=color, markersize=9)
            axes.annotate(
                f"{value:.4f}",
                (value, place),
                xytext=(0, 10),
                textcoords="offset points",
                ha="center",
            )
        axes.set_title(str(score), loc="left")
        axes.set_yticks(range(len(rows)), rows["series"].tolist())
        axes.set_ylim(len(rows) - 0.5, -0.7)
        axes.set_xlim(0, float(rows["kw"].max()) * 1.15 or 1)
        finish(axes, "kW", "")
        axes.grid(visible=False, axis="y")
    figure.set_size_inches(SIZE[0], 1.9 + 0.6 * len(results.forecasters))


def style(place: int) -> tuple[str, Any]:
    """The color and the dashes of the series at `place` among its like."""
    return COLORS[place % len(COLORS)], DASHES[place % len(DASHES)]


def name_lines(figure: Figure, axes: Axes, ends: Sequence[tuple[str, str, float]]) -> None:
    """Writes the name of each line in its color beside where it ends: (name, color, height)."""
    figure.draw_without_rendering()
    heights = axes.transData.transform([(0, height) for _, _, height in ends])[:, 1]
    apart = 1.3 * FONT_SIZE * DPI / 72
    lowest = -np.inf
    for place in np.argsort(heights):
        lowest = max(heights[place], lowest + apart)
        name, color, height = ends[place]
        axes.annotate(
            name,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(6, (lowest - heights[place]) * 72 / DPI),
            textcoords="offset points",
            color=color,
            va="center",
            annotation_clip=False,
        )


def finish(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)


PLOTS = (
    Plot(
        "forecast",
        "Forecast and actual over the first test minutes",
        "timeline",
        "timestamp",
        "power_kw",
        "time",
        "active power (kW)",
        forecast,
        draw_forecast,
    ),
    Plot(
        "loss",
        "Loss through the training",
        "losses",
        "epoch",
        "loss",
        "epoch",
        "loss (of the power in kW)",
        paths.HISTORY,
        draw_losses,
    ),
    Plot(
        "predicted_actual",
        "Forecast against actual",
        "points",
        "actual_kw",
        "forecast_kw",
        "actual (kW)",
        "forecast (kW)",
        predicted_actual,
        draw_predicted_actual,
    ),
    Plot(
        "error_by_hour",
        "Error by hour of the day",
        "lines",
        "hour",
        "rmse_kw",
        "hour of the day",
        "RMSE (kW)",
        error_by_hour,
        draw_error_by_hour,
    ),
    Plot(
        "scores",
        "Error of each forecaster on the test part",
        "dots",
        "kw",
        "series",
        "error (kW)",
        "forecaster",
        scores,
        draw_scores,
    ),
)
