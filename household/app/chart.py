"""Draw the last readings and the forecast as a chart for a terminal."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import plotille

from household.app.live import LiveForecast, Point
from household.core import arrow

Color = tuple[int, int, int] | None
INTERVAL_95: Color = (165, 165, 165)
INTERVAL_80: Color = (105, 105, 105)
ACTUAL: Color = None  # the terminal's text color
FORECAST: Color = (10, 124, 192)
# In drawing order: the most important line comes last, on top.
LINES: dict[str, tuple[Color, tuple[str, ...]]] = {
    "95 % interval": (INTERVAL_95, ("low_95", "high_95")),
    "80 % interval": (INTERVAL_80, ("low_80", "high_80")),
    "actual": (ACTUAL, ("actual",)),
    "forecast": (FORECAST, ("forecast",)),
}
# Characters next to the chart, for its axis, and lines above and below it.
MARGIN, AROUND = 24, 9


def draw(live: LiveForecast, width: int, height: int) -> str:
    """Return the chart as text with color codes.

    Args:
        live: The readings and forecasts.
        width: The width in characters.
        height: The height in lines.
    """
    points = [*live.points, *live.upcoming]
    figure = plotille.Figure()
    figure.width, figure.height = max(width - MARGIN, 10), max(height - AROUND, 3)
    figure.color_mode, figure.origin = "rgb", False
    figure.x_label, figure.y_label = "time", "kW"
    figure.register_label_formatter(float, _kilowatts)
    figure.register_label_formatter(datetime, _clock)
    values = [value for point in points for value in point[1:] if np.isfinite(value)]
    # A household that feeds into the grid has a negative power.
    figure.set_y_limits(min_=1.05 * min([*values, 0]), max_=1.05 * max([*values, 0.1]))
    if points:
        first, last = (_time(points[i], live) for i in (0, -1))
        figure.set_x_limits(min_=first, max_=max(last, first + live.step.duration))
    for color, fields in LINES.values():
        for field in fields:
            for times, power in _runs(points, field, live):
                figure.plot(times, power, lc=color)
    legend = (
        plotille.color(f"── {name}", fg=color_of_line, mode="rgb")
        for name, (color_of_line, _) in LINES.items()
    )
    return f"{figure.show()}\n{'   '.join(legend)}"


def _runs(
    points: Sequence[Point], field: str, live: LiveForecast
) -> list[tuple[list[datetime], list[float]]]:
    """Return the runs of consecutive steps that have a value."""
    runs: list[tuple[list[datetime], list[float]]] = []
    for point in points:
        value = getattr(point, field)
        if not np.isfinite(value):
            continue
        time = _time(point, live)
        if not runs or time - runs[-1][0][-1] != live.step.duration:
            runs.append(([], []))
        runs[-1][0].append(time)
        runs[-1][1].append(value)
    return runs


def _time(point: Point, live: LiveForecast) -> datetime:
    """Return the local time of a point."""
    time: datetime = arrow.to_local(point.time, live.timezone).astype("datetime64[s]").item()
    return time


def _kilowatts(value: float, chars: int, left: bool = False, **_: object) -> str:
    return f"{value:.2f}".ljust(chars) if left else f"{value:.2f}".rjust(chars)


def _clock(value: datetime, chars: int, left: bool = False, **_: object) -> str:
    return f"{value:%H:%M}".ljust(chars) if left else f"{value:%H:%M}".rjust(chars)
