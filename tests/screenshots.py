"""Pictures of the page of plots, as a browser shows it: `make screenshots` writes them to docs/.

Of the workspace, and of the workspace beside the experiment that `make tutorial` leaves.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser import Scheme, browser, executable, opened

DOCS = Path("docs")
# Name, arguments to `dvc plots`, width and scheme of the screen; each down to "What to doubt".
PICTURES: list[tuple[str, list[str], int, Scheme]] = [
    ("report", ["show"], 1120, "light"),
    ("report-phone", ["show"], 400, "dark"),
    ("report-diff", ["diff", "workspace", "tutorial"], 1120, "light"),
]


def main() -> None:
    if executable() is None:
        sys.exit("screenshots: no Chromium here; install it")
    with TemporaryDirectory() as folder, browser() as given:
        for name, command, width, scheme in PICTURES:
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
                end = page.get_by_role("heading", name="What to doubt").bounding_box()
                assert end is not None
                page.screenshot(
                    path=DOCS / f"{name}.png",
                    full_page=True,
                    clip={"x": 0, "y": 0, "width": width, "height": end["y"]},
                )
            print(
                f"screenshots: {DOCS / name}.png, of a page of {size / 1e6:.2f} MB "
                f"that was open and drawn after {seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
