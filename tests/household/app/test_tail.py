"""A file that is still written, read while it grows, is cut, rotated and truncated."""

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from household.app import tail
from household.app.tail import FileReplacedError, FollowedFile
from household.readings import lines as text_lines


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll every hundredth of a second."""
    monkeypatch.setattr(tail, "POLL_SECONDS", 0.01)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=6), max_size=8), st.integers(1, 9))
@pytest.mark.usefixtures("empty_folder")
def test_a_complete_file_is_read_like_any_other(parts: list[bytes], limit: int) -> None:
    text = b"\n".join(parts)
    path = Path("whole")
    path.write_bytes(text)
    with closing(FollowedFile(path, wait=False)) as given, path.open("rb") as plain:
        line = given.readline(limit)
        assert line == plain.readline(limit)
        given.unread(line)
        plain.seek(0)
        found = b"".join(iter(lambda: given.read(limit), b""))
        assert found == plain.read()


def test_a_line_written_in_parts_is_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "text"
    lines = [f"line {number}\n".encode() for number in range(40)]
    path.write_bytes(b"")

    def write() -> None:
        whole = b"".join(lines)
        with path.open("ab", buffering=0) as file:
            for first in range(0, len(whole), 7):
                file.write(whole[first : first + 7])
                time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    with closing(FollowedFile(path, wait=True)) as text:
        assert text.readline(100) == lines[0]
        found = b""
        for block, _ in text_lines.iter_line_blocks(text, "text"):
            assert block.endswith(b"\n")
            found += block
            if found.endswith(lines[-1]):
                break
    writer.join()
    assert found == b"".join(lines[1:])


def rotated(path: Path) -> None:
    path.rename(path.with_name("text.1"))
    path.write_bytes(b"new\n")


def truncated(path: Path) -> None:
    path.write_bytes(b"new\n")


def removed_and_made_again(path: Path) -> None:
    path.unlink()
    time.sleep(0.05)
    path.write_bytes(b"new\n")


@pytest.mark.parametrize("replace", [rotated, truncated, removed_and_made_again])
def test_a_file_that_is_replaced_is_noticed(replace: object, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"old and longer\n")
    assert callable(replace)
    with closing(FollowedFile(path, wait=True)) as text:
        assert text.readline(100) == b"old and longer\n"
        threading.Timer(0.05, replace, [path]).start()
        with pytest.raises(FileReplacedError):
            text.read(100)
    with closing(FollowedFile(path, wait=True)) as text:
        assert text.readline(100) == b"new\n"
