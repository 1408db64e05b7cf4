"""The page of `dvc plots show`: made of what is locked, and of nothing from elsewhere."""

import re

import vl_convert

from household.report import page, plots
from tests.project import ROOT

PAGE = (ROOT / page.TEMPLATE).read_text(encoding="utf-8")


def test_the_page_in_the_repository_is_what_the_command_makes() -> None:
    assert page.page() == PAGE, "run `make report-template`"


def test_the_page_names_its_packages_their_versions_and_their_licences() -> None:
    assert f"vega {vl_convert.get_vega_version()}, vega-lite {plots.VEGA_LITE}" in PAGE
    assert vl_convert.get_vegalite_versions()[-1] == plots.VEGA_LITE
    for name in ("vega-lite", "vega-embed", "d3-scale", "fast-json-patch"):
        assert re.search(rf"\b{name}\b.*\((BSD-3-Clause|ISC|MIT)\)", PAGE.replace("\n", " "))


def test_the_page_has_the_places_of_dvc_and_no_script_from_elsewhere() -> None:
    html = PAGE.replace(page.packages(), "")
    assert html.count("{plot_divs}") == 1
    assert html.count("{refresh_tag}") == 1
    assert "{scripts}" not in html
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", html)
