"""Check that the links of the pages lead to files and headings of the repository.

    python -m tests.links

Links to other sites are not checked, since that needs a network.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.project import ROOT

PARSER = MarkdownIt("commonmark").enable("table")


def tokens(page: Path) -> Iterator[Token]:
    """Yield all tokens of a page, those inside a line included."""
    for block in PARSER.parse(page.read_text(encoding="utf-8")):
        yield block
        yield from block.children or ()


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path, files: set[Path]) -> Iterator[str]:
    """Yield each link of `page` that leads to nothing in `files`, the files of the repository."""
    for token in tokens(page):
        url = urlsplit(str(token.attrs.get("href") or token.attrs.get("src") or ""))
        if url.scheme or url.netloc or not (url.path or url.fragment):
            continue
        target = (page.parent / unquote(url.path)).resolve() if url.path else page
        if not target.is_relative_to(ROOT):
            continue  # a page of the repository's host, such as the state of the tests
        is_there = target in files or any(target in file.parents for file in files)
        if not is_there or (url.fragment and url.fragment not in anchors(target)):
            yield f"{page.relative_to(ROOT)}: {url.geturl()} leads nowhere; correct the link"


def main() -> None:
    """Print the dead links; exit with status 1 if there are any."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = {(ROOT / name).resolve() for name in listed.stdout.split("\0") if name}
    pages = sorted(file for file in files if file.suffix == ".md")
    dead = [link for page in pages for link in dead_links(page, files)]
    print("\n".join(dead) or f"links: {len(pages)} pages checked")
    sys.exit(bool(dead))


if __name__ == "__main__":
    main()
