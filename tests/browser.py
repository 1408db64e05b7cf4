"""The page of plots in a real browser, for the tests and for the screenshots."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Without its own calls home, which a closed network refuses, and as root, as CI often runs.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
DRAWN = "document.body.dataset.drawn !== undefined"

Scheme = Literal["light", "dark"]


def executable() -> str | None:
    """Return the path of Chromium, if installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable(), args=OPTIONS)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(
    given: Browser, file: Path, width: int, scheme: Scheme
) -> Iterator[tuple[Page, list[str]]]:
    """Return the page in `file` once all is drawn, and its requests and complaints.

    The browser has no network.
    """
    context = given.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    faults: list[str] = []
    address = file.as_uri()
    page.on("request", lambda request: faults.append(request.url))
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.goto(address)
    page.wait_for_function(DRAWN)
    faults.remove(address)
    try:
        yield page, faults
    finally:
        context.close()
