"""The docs as a site, in a real browser that reaches nothing but that site."""

import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Error, Request

from tests.browser import browser, executable
from tests.clones import dvc
from tests.project import ROOT

pytestmark = pytest.mark.skipif(executable() is None, reason="NO BROWSER: the site is not tested")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A handler of requests that prints none of them."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(reproduced_clone: tuple[Path, str], tmp_path: Path) -> Iterator[str]:
    """Build the site strictly, serve it, and return its address."""
    shutil.copytree(reproduced_clone[0], tmp_path / "clone", symlinks=True)
    dvc(tmp_path / "clone", "plots", "show")
    for name in ("docs", "mkdocs.yml", "household"):
        shutil.rmtree(tmp_path / "clone" / name, ignore_errors=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / "clone" / name)
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    built = subprocess.run(
        build, cwd=tmp_path / "clone", capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    handler = partial(Quiet, directory=str(tmp_path / "clone/site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def _note_url(urls: list[str], request: Request) -> None:
    urls.append(request.url)


def _note_error(errors: list[str], error: Error) -> None:
    errors.append(str(error))


@pytest.mark.slow(seconds=30)
def test_the_site_is_complete_and_searched_without_a_network(site: str) -> None:
    with browser() as given:
        for width in (1400, 400):
            page = given.new_page(viewport={"width": width, "height": 900})
            asked, faults = list[str](), list[str]()
            page.on("request", partial(_note_url, asked))
            page.on("pageerror", partial(_note_error, faults))
            page.goto(site)
            assert page.inner_text("h1").startswith("Start")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if width == 400:
                page.locator("label[for=__search]:visible").first.click()
            page.locator("input[name=query]").click()
            page.keyboard.type("warm start", delay=60)
            page.get_by_text("matching documents").wait_for()
            assert "Compare runs" in page.inner_text(".md-search-result__list")
            page.goto(f"{site}api/")
            for name in ("household.predict", "household.run"):
                assert page.get_by_role("heading", name=name).count()
            assert "frame: DataFrame" in page.inner_text("article")
            page.goto(f"{site}sample-report.html")
            page.wait_for_function("document.body.dataset.drawn !== undefined")
            assert page.locator(".tiles dd.figure").count() == 4
            assert faults == []
            assert {url for url in asked if not url.startswith(site)} == set()
            page.close()
