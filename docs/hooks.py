"""Add the report of the sample to the site, and adapt links to files of the repository."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

REPORT = Path("dvc_plots/index.html")
# The text and the path of a link to a file above docs/.
OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./([^)]*)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page that `dvc plots show` wrote."""
    if not REPORT.exists():
        raise PluginError(f"no {REPORT}; run `make docs`, which writes it")
    html = REPORT.read_text(encoding="utf-8")
    files.append(File.generated(config, "sample-report.html", content=html))
    return files


def on_page_markdown(markdown: str, *, config: MkDocsConfig, **_: object) -> str:
    """Have links to files of the repository lead there, or be text where no repository is known."""

    def link(match: re.Match[str]) -> str:
        text, path = match.groups()
        if not config.repo_url:
            return text
        address = posixpath.join(config.repo_url.rstrip("/"), "blob/main", path)
        return f"[{text}]({address})"

    return OUTSIDE.sub(link, markdown)
