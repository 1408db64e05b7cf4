"""Pictures of the page of plots, as a browser shows it: `make screenshots` writes them to docs/.

Of the workspace, and of the workspace beside the experiment that `make tutorial` leaves. A picture
says in a text of its own of which run it is: a test compares that with what is committed.
"""

import hashlib
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import FloatRect

from household.core import paths
from tests.browser import Scheme, browser, executable, opened

DOCS = Path("docs")
# Name, arguments to `dvc plots`, width and scheme of the screen, and what ends the picture.
PICTURES: list[tuple[str, list[str], int, Scheme, str]] = [
    ("report", ["show"], 1120, "light", "header figure + p"),
    ("report-phone", ["show"], 400, "dark", "header figure + p"),
    ("report-diff", ["diff", "workspace", "tutorial"], 1120, "light", "section:nth-of-type(2)"),
]


# What a picture calls its run, in a tEXt chunk of PNG: https://www.w3.org/TR/png/#11tEXt
KEY = b"Run\0"


def digest(project: Path) -> str:
    """Return a hash of the scores of a run."""
    return hashlib.sha256((project / paths.METRICS).read_bytes()).hexdigest()


def write_run(picture: bytes, run: str) -> bytes:
    """Return a PNG with the hash of its run in it, before the chunk that ends it."""
    body = b"tEXt" + KEY + run.encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:-12] + chunk + picture[-12:]


def read_run(picture: bytes) -> str:
    """Return the hash of the run that a PNG shows, empty where it has none."""
    _, _, text = picture.partition(b"tEXt" + KEY)
    return text[:64].decode() if text else ""


def main() -> None:
    if executable() is None:
        sys.exit("screenshots: no Chromium here; install it")
    with TemporaryDirectory() as folder, browser() as given:
        for name, command, width, scheme, end_of_picture in PICTURES:
            out = Path(folder, name)
            subprocess.run(
                [sys.executable, "-m", "dvc", "plots", *command, "--out", str(out)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            size = (out / "index.html").stat().st_size
            began = time.perf_counter()
            with opened(given, out / "index.html", width, scheme) as (page, _):
                seconds = time.perf_counter() - began
                end = page.locator(end_of_picture).first.bounding_box()
                assert end is not None
                clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": end["y"]}
                picture = page.screenshot(full_page=True, clip=clip)
            (DOCS / f"{name}.png").write_bytes(write_run(picture, digest(Path())))
            print(
                f"screenshots: {DOCS / name}.png, of a page of {size / 1e6:.2f} MB "
                f"that was open and drawn after {seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
