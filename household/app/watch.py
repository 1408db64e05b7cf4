"""Run `household watch`: show a meter and its forecast live in the terminal."""

import argparse
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.live import Live as Screen
from rich.text import Text

from household.app import chart
from household.app.forecaster import Forecaster
from household.app.live import LiveForecast
from household.app.tail import POLL_SECONDS, FileReplacedError, FollowedFile
from household.core.errors import UserError, exit_on_error

# Steps in the chart.
SHOWN = 120


def main(options: argparse.Namespace) -> None:
    """Run the command."""
    with exit_on_error("watch", file=options.file), suppress(KeyboardInterrupt):
        forecaster = Forecaster(options.model)
        if forecaster.known_ahead:
            raise UserError(
                f"the model reads {' and '.join(forecaster.known_ahead)} of the steps ahead, which "
                "are not in a file of readings so far; use predict"
            )
        live = LiveForecast(forecaster, SHOWN)
        console = Console()
        with Screen(console=console, screen=console.is_terminal, auto_refresh=False) as screen:

            def show() -> None:
                drawn = chart.draw(live, console.width, console.height)
                state = f"{live.summary()}\n{live.error}"
                screen.update(Text.from_ansi(f"{options.file}\n{drawn}\n{state}"), refresh=True)

            _follow(options.file, options.speed, forecaster, live=live, show=show)
    print(live.summary())


def _follow(
    file: Path,
    speed: float | None,
    forecaster: Forecaster,
    *,
    live: LiveForecast,
    show: Callable[[], None],
) -> None:
    """Read new readings, and start over when the file is replaced. A replay ends with the file."""
    show()
    while True:
        try:
            with closing(FollowedFile(file, wait=speed is None)) as text:
                for table in forecaster.stream(text, str(file)):
                    _take(table, speed, live, show=show)
                return
        except FileReplacedError:
            live.error = f"{file} was replaced; reading it from its start"
            show()
        except FileNotFoundError:
            if not live.points:
                raise
            time.sleep(POLL_SECONDS)


def _take(
    table: pa.Table, speed: float | None, live: LiveForecast, *, show: Callable[[], None]
) -> None:
    first = 0
    if speed is None and table.num_rows > live.shown:
        # Of a file that already holds years, only the last readings are shown.
        first = table.num_rows - live.shown
        begin = max(0, table.num_rows - live.capacity)
        live.remember(table.slice(begin, first - begin))
    for row in range(first, table.num_rows):
        live.add(table.slice(row, 1))
        if speed is not None:
            show()
            time.sleep(60 / speed)
    show()
