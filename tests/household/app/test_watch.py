"""`household watch` in a pseudo-terminal, and what it says of the minutes so far."""

import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv
import pyte
import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminal", allow_module_level=True)

import pty
import termios
from fcntl import ioctl

from household.app.forecaster import Forecaster
from household.app.live import LiveForecast
from tests.household.app.small_model import LOOKBACK, model, readings
from tests.project import ROOT

ROWS, COLUMNS = 24, 90


class Terminal:
    """A command in a terminal of its own, and what stands on the screen of that."""

    def __init__(self, *arguments: str) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.raw = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "household", "watch", *arguments],
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # So that Ctrl-C comes from the terminal.
            preexec_fn=lambda: ioctl(slave, termios.TIOCSCTTY, 0),  # noqa: PLW1509
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
        )
        os.close(slave)

    def see(self, expected: str, seconds: float = 60) -> str:
        """Return the screen once it matches `expected`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            shown = "\n".join(self.screen.display)
            if re.search(expected, shown):
                return shown
            if not self._read():
                break
        raise AssertionError(f"no {expected!r} in\n" + "\n".join(self.screen.display))

    def _read(self) -> bool:
        """Draw what the command has written; return whether it may write more."""
        if select.select([self._master], [], [], 0.2)[0]:
            try:
                some = os.read(self._master, 1 << 16)
            except OSError:  # the other end is closed
                return False
            self.raw += some
            self._stream.feed(some)
        return True

    def finish(self, seconds: float = 20) -> int:
        """Return the exit status of the command, which may have more to write before its end."""
        end = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < end
        return self.process.wait(timeout=seconds)

    def reads_to_the_end_of(self, path: Path, seconds: float = 60) -> None:
        """Wait until the command has read all of `path`."""
        end = time.monotonic() + seconds
        opened = psutil.Process(self.process.pid)
        while all(
            file.position < path.stat().st_size
            for file in opened.open_files()
            if file.path == str(path)
        ):
            assert time.monotonic() < end
            time.sleep(0.01)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Open terminals with a `watch` that ends with the test."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """Save a small model."""
    (tmp_path / "lstm").mkdir()
    return model(tmp_path / "lstm")


def csv(table: pa.Table) -> list[bytes]:
    """Header and lines of a CSV."""
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes().splitlines(keepends=True)


def test_watch_follows_a_file_that_grows_rotates_and_shrinks(
    terminal: Callable[..., Terminal], model_folder: Path, tmp_path: Path
) -> None:
    table = readings(60)
    header, *lines = csv(table)
    path = tmp_path / "meter.csv"
    path.write_bytes(header + b"".join(lines[:20]))
    seen = terminal(str(model_folder), str(path))
    screen = seen.see("15 minutes: RMSE .* kW, persistence .* kW, skill [+-]")
    assert "meter.csv" in screen
    assert "── actual" in screen
    assert "── forecast" in screen
    assert any("⠀" < character <= "⣿" for character in screen)

    with path.open("ab", buffering=0) as file:
        file.write(lines[20])
        seen.see("16 minutes")
        file.write(lines[21][:9])
        seen.reads_to_the_end_of(path)
        file.write(lines[21][9:])  # a line that was cut in the middle
        seen.see("17 minutes")
        file.write(b"no reading at all\n" + lines[22])
        seen.see("18 minutes")
        file.write(lines[24])  # one minute is not there
        seen.see("no reading between 2007-03-31 22:20 and 2007-03-31 22:22")
        file.write(b"".join(lines[25:30]))
        # After as many minutes in a row as the model reads there is a forecast again.
        seen.see("19 minutes")
    path.rename(tmp_path / "meter.csv.1")
    path.write_bytes(header + b"".join(lines[30:32]))
    seen.see("21 minutes")
    path.write_bytes(header + lines[32])
    seen.see("22 minutes")

    seen.type(b"\x03")
    seen.see(r"22 minutes: RMSE")
    assert seen.finish() == 0
    assert b"Traceback" not in seen.raw


def test_a_replay_ends_with_the_errors_of_all_its_minutes(
    terminal: Callable[..., Terminal], model_folder: Path, tmp_path: Path
) -> None:
    table = readings(30)
    path = tmp_path / "meter.csv"
    path.write_bytes(b"".join(csv(table)))
    seen = terminal(str(model_folder), str(path), "--speed", "6000")
    seen.see("25 minutes: RMSE")
    live = LiveForecast(Forecaster(model_folder), shown=30)
    for row in range(30):
        live.add(table.slice(row, 1))
    assert seen.finish() == 0
    assert live.summary() in "\n".join(seen.screen.display)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "meter.csv"], "watch: nowhere: no such folder"),
        (["{model}", "absent.csv"], "watch: absent.csv: No such file"),
        (["{model}", "{other}"], "no column timestamp, global_active_power, voltage"),
    ],
)
def test_a_file_that_cannot_be_watched_is_refused_in_one_line(
    arguments: list[str], said: str, model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text("time,power\n1,2\n")
    names = {"model": model_folder, "other": tmp_path / "other.csv"}
    command = [each.format(**names) for each in arguments]
    found = subprocess.run(
        [sys.executable, "-m", "household", "watch", *command],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 1
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def test_live_errors_are_of_forecasts_made_before_each_minute(model_folder: Path) -> None:
    table = readings(40)
    forecaster = Forecaster(model_folder)
    live = LiveForecast(forecaster, shown=10)
    assert live.summary() == "no forecast minute has arrived yet"
    ours, theirs = [], []
    for row in range(40):
        if row >= LOOKBACK:
            power = table["global_active_power"][row].as_py()
            ours.append(forecaster.forecast(table.slice(0, row))["mean_kw"][0].as_py() - power)
            theirs.append(table["global_active_power"][row - 1].as_py() - power)
        live.add(table.slice(row, 1))
    # Once more, as where a file was replaced.
    live.remember(table.slice(0, 30))
    for row in range(30, 40):
        live.add(table.slice(row, 1))
    rmse, naive = (np.sqrt(np.mean(np.square(errors))) for errors in (ours, theirs))
    assert live.summary() == (
        f"35 minutes: RMSE {rmse:.3f} kW, persistence {naive:.3f} kW, skill {1 - rmse / naive:+.1%}"
    )
    assert len(live.points) == 10
    _, _, _, low_80, high_80, low_95, high_95 = live.points[-1]
    assert low_95 <= low_80 < high_80 < high_95
    assert [str(point.time)[11:16] for point in live.upcoming] == ["22:38"]
