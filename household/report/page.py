"""Build the page of `dvc plots show`, one file that needs no network.

`python -m household.report.page` writes .dvc/report.html, the page template in .dvc/config. It
joins the files in household/report/page with vega, vega-lite and vega-embed from vl-convert-python.
"""

from importlib.metadata import version
from pathlib import Path

import vl_convert

from household.core import files
from household.report import plots

HERE = Path(__file__).parent / "page"
TEMPLATE = Path(".dvc/report.html")


def page() -> str:
    """Return the HTML, with DVC's placeholders for the plots."""
    parts = {name: _read(name) for name in ("page.css", "page.js", "licences.txt")}
    parts["versions"] = (
        f"vega {vl_convert.get_vega_version()}, vega-lite {plots.VEGA_LITE}, "
        f"vega-embed {vl_convert.get_vega_embed_version()}, "
        f"from vl-convert-python {version('vl-convert-python')}"
    )
    parts["packages"] = packages()
    html = _read("page.html")
    for name, text in parts.items():
        html = html.replace(f"[{name}]", text.strip(), 1)
    return html


def packages() -> str:
    """Return the three packages; vega-embed under a name that DVC does not use."""
    return vl_convert.javascript_bundle("window.drawPlot = vegaEmbed;", plots.VEGA_LITE)


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    files.write_text(TEMPLATE, page())
    print(f"page: {TEMPLATE}, {TEMPLATE.stat().st_size:,} bytes")
