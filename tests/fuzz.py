"""Looks for a text that a reader reads otherwise than a naive one, guided by its coverage.

    python -m pip install --require-hashes -r lock/fuzz.txt
    python -m tests.fuzz uci -runs=1000000 -seed=1
    python -m tests.fuzz layouts -runs=100000 -seed=1

`uci` takes bytes for a text in UCI's layout, `layouts` for the choices by which
tests/household/readings/test_any_layout.py writes a layout and a text. The options are those of
libFuzzer. What it finds it writes to a file crash-*. The text belongs into
tests/household/readings/test_uci.py or test_any_layout.py.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["household.readings"]):
    import household.readings.delimited
    import household.readings.uci  # noqa: F401

from tests.household.readings import test_any_layout, test_uci

OPTIONS = ["-timeout=20", "-rss_limit_mb=4096", "-print_final_stats=1"]
WORDS = [*"0123456789;/:?.-+eE \r\t", "\n", "nan", "inf", "1e400", ":00;", "16/12/2006", "31/2/"]


def read_uci(data: bytes) -> None:
    """Read the data after two bytes that say how."""
    if len(data) < 2:
        return
    skip, spare, text = bool(data[0] & 1), data[1], test_uci.text() + data[2:]
    # A line that is longer than a block is another story.
    block = max(map(len, text.split(b"\n"))) + 1 + 3 * spare
    found, expected = test_uci.outcome(text, skip, block), test_uci.naive(text, skip)
    if found != expected:
        raise AssertionError(f"{data[2:]!r}\n{skip=} {block=}\nfound {found}\nexpected {expected}")


def write_seeds(folder: Path) -> list[str]:
    """Write texts to start from, and the words of UCI's layout; return the options for them."""
    seeds, words = folder / "seeds", folder / "words"
    seeds.mkdir()
    same: list[Any] = [example.values[0] for example in test_uci.SAME]
    bad: list[Any] = [example.values[0] for example in test_uci.BAD]
    around = test_uci.line(4), test_uci.line(7)
    texts = [*same, *(test_uci.text(around[0], each, around[1]) for each in bad)]
    for place, text in enumerate(texts):
        (seeds / str(place)).write_bytes(bytes([place, place]) + text.partition(b"\n")[2])
    quoted = ["".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS]
    words.write_text("".join(f'"{word}"\n' for word in quoted))
    return ["-max_len=400", f"-dict={words}", str(seeds)]


def main() -> None:
    """Run one of the two."""
    program, target, *options = sys.argv
    with tempfile.TemporaryDirectory() as folder:
        if target == "layouts":
            read: Any = test_any_layout.test_the_reader_equals_a_naive_reader
            read, more = read.hypothesis.fuzz_one_input, ["-max_len=4000", "-len_control=0"]
        elif target == "uci":
            read, more = read_uci, write_seeds(Path(folder))
        else:
            raise SystemExit(f"fuzz: uci or layouts, found {target}")
        atheris.Setup([program, *options, *OPTIONS, *more], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
