"""Looks for a text that the reader reads otherwise than a naive one, guided by its coverage.

    python -m pip install --require-hashes -r lock/fuzz.txt
    python -m tests.fuzz -runs=1000000 -seed=1

The options are those of libFuzzer. What it finds it writes to a file crash-*, which belongs into
tests/household/readings/test_uci.py.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["household.readings.lines", "household.readings.uci"]):
    import household.readings.uci  # noqa: F401

from tests.household.readings import test_uci

OPTIONS = ["-max_len=400", "-timeout=20", "-rss_limit_mb=4096", "-print_final_stats=1"]
WORDS = [*"0123456789;/:?.-+eE \r\t", "\n", "nan", "inf", "1e400", ":00;", "16/12/2006", "31/2/"]


def one(data: bytes) -> None:
    """Read the data after two bytes that say how."""
    if len(data) < 2:
        return
    skip, spare, text = bool(data[0] & 1), data[1], test_uci.text() + data[2:]
    # A line that is longer than a block is another story.
    block = max(map(len, text.split(b"\n"))) + 1 + 3 * spare
    found, expected = test_uci.outcome(text, skip, block), test_uci.naive(text, skip)
    if found != expected:
        raise AssertionError(f"{data[2:]!r}\n{skip=} {block=}\nfound {found}\nexpected {expected}")


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        seeds, words = Path(made) / "seeds", Path(made) / "words"
        seeds.mkdir()
        same: list[Any] = [example.values[0] for example in test_uci.SAME]
        bad: list[Any] = [example.values[0] for example in test_uci.BAD]
        around = test_uci.line(4), test_uci.line(7)
        texts = [*same, *(test_uci.text(around[0], each, around[1]) for each in bad)]
        for place, text in enumerate(texts):
            (seeds / str(place)).write_bytes(bytes([place, place]) + text.partition(b"\n")[2])
        quoted = ["".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS]
        words.write_text("".join(f'"{word}"\n' for word in quoted))
        atheris.Setup([*sys.argv, *OPTIONS, f"-dict={words}", str(seeds)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
