"""The page of `dvc plots show` and `dvc plots diff` in a real browser without a network."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from household.core import paths
from household.report import plots
from tests.browser import Scheme, browser, executable, opened
from tests.clones import change, commit, dvc, make_once
from tests.shell import run

pytestmark = pytest.mark.skipif(
    executable() is None, reason="NO BROWSER: the page of plots is not tested"
)
REVISIONS = ["workspace", "first", "a-branch-with-a-rather-long-name"]  # as DVC sorts them
COLORS = dict(zip(REVISIONS, ("#0A7CC0", "#D55E00", "#008A64"), strict=True))
# Without rows where the horizon is a minute, and the test part within a month, of one meter.
OPTIONAL = ("error_by_step", "gain_by_month", "gain_by_meter")
# Any two of the three together.
LOOKS = [
    pytest.param("one", 1400, "light"),
    pytest.param("one", 400, "dark", marks=pytest.mark.slow),
    pytest.param("several", 1400, "dark", marks=pytest.mark.slow),
    pytest.param("several", 400, "light", marks=pytest.mark.slow),
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start a browser for all pages, since that takes a second."""
    with browser() as given:
        yield given


@pytest.fixture(scope="session")
def page_of_one(
    reproduced_clone: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Make the page of one run."""

    def make(folder: Path) -> str:
        shutil.copytree(reproduced_clone[0], folder, symlinks=True)
        dvc(folder, "plots", "show", "--out", "one")
        return ""

    return make_once(tmp_path_factory, "page_of_one", make)[0] / "one/index.html"


@pytest.fixture(scope="session")
def page_of_several(
    reproduced_clone: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Make the page of three runs that differ."""

    def make(folder: Path) -> str:
        shutil.copytree(reproduced_clone[0], folder, symlinks=True)
        # The first of the three is of a time without that plot, looks a minute ahead, and is of one
        # meter that is tested within a month.
        pipeline = (folder / "dvc.yaml").read_text()
        without = re.sub(r"  - gaps:\n(      .*\n)+", "", pipeline)
        (folder / "dvc.yaml").write_text(without)
        commit(folder)
        run(folder, "git", "tag", "first")
        (folder / "dvc.yaml").write_text(pipeline)
        sample = {"start": "2006-12-31", "days": 1.05, "meters": 2}
        sampled = {f"fetch__sample__{key}": value for key, value in sample.items()}
        change(folder, train__epochs=2, window__horizon=3, **sampled)
        dvc(folder, "repro")
        commit(folder)
        run(folder, "git", "tag", REVISIONS[2])
        change(folder, plot__steps=50)
        dvc(folder, "repro")
        dvc(folder, "plots", "diff", *REVISIONS, "--out", "several")
        return ""

    folder, _ = make_once(tmp_path_factory, "page_of_several", make)
    return folder / "several/index.html"


@pytest.fixture
def page_file(name: str, request: pytest.FixtureRequest) -> Path:
    """Return the page of one run or of several, by the parameter `name`."""
    file: Path = request.getfixturevalue(f"page_of_{name}")
    return file


def drawn(page: Page) -> dict[str, Any]:
    """Of each plot: its marks, the texts in it, and the colors of the marks."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("figure")].map((figure) => {
            const marks = figure.querySelectorAll(["symbol", "line", "rect", "area"]
                .map((kind) => `.role-mark.mark-${kind} path`).join());
            const color = (mark) => [mark.getAttribute("fill"), mark.getAttribute("stroke")];
            return [figure.id.replace("figure-", ""), {
                marks: marks.length,
                texts: [...figure.querySelectorAll("text")].map((text) => text.textContent),
                colors: [...new Set([...marks].flatMap(color))],
                over: figure.querySelector("svg").getBoundingClientRect().right
                    - figure.getBoundingClientRect().right,
            }];
        }))"""
    )


@pytest.mark.parametrize(("name", "width", "scheme"), LOOKS)
def test_every_plot_is_drawn_without_a_request_and_the_page_is_accessible(
    chromium: Browser, page_file: Path, name: str, width: int, scheme: Scheme
) -> None:
    with opened(chromium, page_file, width, scheme) as (page, faults):
        found = drawn(page)
        assert faults == []
        assert page.get_by_role("heading", name="More plots").count() == 0
        charts = [plot.name for plot in plots.CHARTS]
        if name == "one":
            # The distribution leads the page.
            others = [each for each in charts if each not in ("fan", *OPTIONAL)]
            charts = ["fan", *others]
        assert list(found) == charts
        for plot, of in found.items():
            assert of["marks"] > 0, plot
            assert of["over"] <= 0, plot
            assert not any("NaN" in text or "undefined" in text for text in of["texts"]), plot
            if name == "several":
                for revision in REVISIONS:
                    if plot in ("gaps", *OPTIONAL) and revision == "first":
                        continue
                    assert any(revision in text for text in of["texts"]), (plot, revision)
                    assert COLORS[revision] in of["colors"], (plot, revision)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

        if (name, scheme) == ("one", "dark"):  # The tables are long, and all of a kind.
            page.evaluate("document.querySelectorAll('details').forEach((e) => e.open = true)")
        # To whoever does not see it a plot is an image with a text: its marks are no parts of it.
        violations = Axe().run(page, {"exclude": [["svg.marks > *"]]}).response["violations"]
        assert [
            (violation["id"], violation["impact"], [node["html"] for node in violation["nodes"]])
            for violation in violations
        ] == []


def test_the_page_says_in_words_what_was_found(chromium: Browser, page_of_one: Path) -> None:
    with opened(chromium, page_of_one, 1400, "light") as (page, _):
        text = page.inner_text("main")
        assert "Simulated data" in text
        with (page_of_one.parents[1] / plots.FACTS.path).open(encoding="utf-8") as file:
            facts = list(csv.DictReader(file))
        verdict = {row["name"]: row["text"] for row in facts if row["section"] == "verdict"}
        assert page.inner_text("h1") == verdict.pop("headline")
        where = [f"{verdict.pop(key)}." for key in ("where it wins",) if key in verdict]
        assert (
            page.locator("header > p:not(.source, .hint)").all_inner_texts()[: len(where)] == where
        )
        figures = [row for row in facts if row["section"] == "figures"]
        assert page.locator(".tiles dt").all_inner_texts() == [row["name"] for row in figures]
        shown = page.locator(".tiles dd").all_inner_texts()
        assert shown == [text for row in figures for text in (row["text"], row["detail"])]
        page.get_by_text("About this run").click()
        lines = page.locator("details.facts").first.locator("p").all_inner_texts()
        assert lines == [f"{line}." for line in verdict.values()]
        assert "page written" in page.inner_text("main")
        for heading, count in (("Caveats", 1), ("Shortcuts", 0), ("Settings", 1)):
            assert page.get_by_role("heading", name=heading).count() == count
        assert "no CI" in text
        rows = page.locator("section").first.locator("tbody tr")
        assert rows.locator("th").all_inner_texts()[:2] == ["LSTM", "persistence"]


@pytest.mark.slow
def test_the_page_of_several_says_what_differs(chromium: Browser, page_of_several: Path) -> None:
    with opened(chromium, page_of_several, 1400, "light") as (page, _):
        headline = page.inner_text("h1")
        assert re.fullmatch(
            r"Against persistence: workspace [\d.]+% (better|worse), first [\d.]+% (better|worse), "
            rf"{REVISIONS[2]} [\d.]+% (better|worse)",
            headline,
        )
        assert "The test windows differ, so compare the gains" in page.inner_text("header")
        figures = page.get_by_role("region", name="figures").locator("tbody tr")
        assert figures.first.inner_text().startswith("RMSE\t0.")
        assert page.locator("header .names span").all_inner_texts() == REVISIONS
        (note,) = page.get_by_role("note").all_inner_texts()
        assert note.startswith("first lacks “Gaps in the readings”: that commit did not write")
        table = page.get_by_role("region", name="settings that differ")
        cells = [row.inner_text().split("\t") for row in table.locator("tbody tr").all()]
        assert cells == [
            ["fetch.sample.days", "1.05", "1", "1.05"],
            ["fetch.sample.start", "2006-12-31", "2006-12-16", "2006-12-31"],
            ["fetch.sample.meters", "2", "1", "2"],
            ["window.horizon", "3", "1", "3"],
            ["train.epochs", "2", "1", "2"],
            ["plot.steps", "50", "100", "100"],
        ]
        scores = page.locator("section").first.locator("tbody tr").all_inner_texts()
        lstm = [row.split("\t") for row in scores if row.startswith("LSTM")]
        assert [row[1] for row in lstm] == REVISIONS
        assert lstm[0][2] != lstm[1][2]


@pytest.mark.slow
def test_a_revision_without_its_plots_in_the_cache_says_so(
    chromium: Browser, clone: Path, tmp_path: Path
) -> None:
    run(clone, "git", "tag", "before")
    change(clone, plot__steps=50)
    shutil.rmtree(clone / ".dvc/cache")
    dvc(clone, "repro")
    said = dvc(clone, "plots", "diff", "before", "workspace", "--out", str(tmp_path / "diff"))
    assert "DVC failed to load some plots for following revisions: 'before'." in said
    with opened(chromium, tmp_path / "diff/index.html", 1400, "light") as (page, faults):
        assert faults == []
        note = page.get_by_role("note").inner_text()
        assert note.startswith("before lacks 8 of 10 plots: that commit did not write them, or")
        table = page.get_by_role("region", name="settings that differ")
        assert table.locator("tbody tr").all_inner_texts() == ["plot.steps\t50\t100"]
        scores = page.locator("section").first.locator("tbody tr").all_inner_texts()
        assert {row.split("\t")[1] for row in scores} == {"before", "workspace"}


# The texts of the first plot, joined.
TEXTS = """[...document.querySelectorAll("#figure-forecast text")]
    .map((text) => text.textContent).join("|")"""


def test_a_plot_zooms_and_shows_its_values(chromium: Browser, page_of_one: Path) -> None:
    with opened(chromium, page_of_one, 1400, "light") as (page, faults):
        chart = page.locator("#figure-forecast .chart")
        chart.scroll_into_view_if_needed()
        before = drawn(page)["forecast"]["texts"]
        chart.hover()
        top = page.evaluate("scrollY")
        page.mouse.wheel(0, -240)
        page.wait_for_function(f"scrollY < {top}")
        assert drawn(page)["forecast"]["texts"] == before, "a wheel alone moves the page"
        chart.hover()
        page.keyboard.down("Control")
        page.mouse.wheel(0, -400)
        page.keyboard.up("Control")
        page.wait_for_function(f"{TEXTS} !== {json.dumps('|'.join(before))}")
        chart.dblclick()
        page.wait_for_function(f"{TEXTS} === {json.dumps('|'.join(before))}")

        page.locator("#figure-scores .mark-symbol path[fill='#0A7CC0']").first.hover()
        tooltip = page.locator("#vg-tooltip-element.visible")
        tooltip.wait_for()
        assert "LSTM" in tooltip.inner_text()
        assert faults == []


def test_the_numbers_of_a_plot_have_a_row_a_minute_and_can_be_saved(
    chromium: Browser, page_of_one: Path, tmp_path: Path
) -> None:
    with opened(chromium, page_of_one, 1400, "light") as (page, faults):
        page.get_by_text("The numbers: Forecast and actual").click()
        table = page.get_by_role("region", name="numbers: Forecast and actual")
        head = table.locator("thead th").all_inner_texts()
        assert head[:3] == ["time", "actual (kW)", "LSTM (kW)"]
        assert "LSTM 95 % from (kW)" in head
        assert "persistence 95 % from (kW)" not in head
        times = table.locator("tbody th").all_inner_texts()
        assert len(times) == len(set(times)) == 100
        with page.expect_download() as download:
            table.locator("xpath=following-sibling::p/a").click()
        download.value.save_as(tmp_path / "saved.csv")
        with (tmp_path / "saved.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 100
        shown = table.locator("tbody tr").first.locator("td").first.inner_text()
        assert f"{float(rows[0]['actual power_kw']):.3f}" == shown
        assert faults == []


@pytest.mark.slow(seconds=20)
def test_a_comparison_of_the_same_test_windows_names_the_smaller_error(
    chromium: Browser, clone: Path, tmp_path: Path
) -> None:
    run(clone, "git", "tag", "before")
    before = json.loads((clone / paths.METRICS).read_text())["LSTM"]["rmse_kw"]
    change(clone, train__epochs=2)
    dvc(clone, "repro")
    after = json.loads((clone / paths.METRICS).read_text())["LSTM"]["rmse_kw"]
    dvc(clone, "plots", "diff", "before", "workspace", "--out", str(tmp_path / "diff"))
    with opened(chromium, tmp_path / "diff/index.html", 400, "light") as (page, _):
        first, second = page.locator("header .names span").all_inner_texts()
        errors = {"before": before, "workspace": after}
        change_of = errors[second] / errors[first] - 1
        word = "smaller" if change_of < 0 else "larger"
        assert page.inner_text("h1") == f"{second}: RMSE {abs(change_of):.1%} {word} than {first}"


# Whether a text is wider or higher than its box; a cell without an end to it is as wide as asked.
CUT = """() => [...document.querySelectorAll("#vg-tooltip-element.visible td")]
    .filter((cell) => cell.scrollWidth > cell.clientWidth || cell.scrollHeight > cell.clientHeight)
    .map((cell) => cell.textContent)"""


@pytest.mark.parametrize("name", ["one", pytest.param("several", marks=pytest.mark.slow)])
def test_the_tooltip_of_each_plot_shows_its_values_in_words(
    chromium: Browser, page_file: Path, name: str
) -> None:
    with opened(chromium, page_file, 1400, "light") as (page, _):
        tooltip = page.locator("#vg-tooltip-element.visible")
        shown = drawn(page)
        assert len(shown) == len(plots.CHARTS) - (len(OPTIONAL) if name == "one" else 0)
        for plot in shown:
            kinds = ("symbol", "rect")
            marks = page.locator(
                ", ".join(f"#figure-{plot} .role-mark.mark-{kind} path" for kind in kinds)
            )
            page.mouse.move(0, 0)
            page.locator(f"#figure-{plot}").scroll_into_view_if_needed()
            box = marks.nth(marks.count() // 2).bounding_box()
            assert box, plot
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            tooltip.wait_for(timeout=5_000)
            expected = {field["title"] for field in told(plots.TEMPLATES / f"{plot}.json")}
            labels = set(tooltip.locator("td.key").all_inner_texts())
            assert labels <= expected, plot
            assert len(labels) >= 3, plot
            assert page.evaluate(CUT) == [], plot


def told(template: Path) -> list[dict[str, str]]:
    """Return the fields of all tooltips of a template."""

    def within(part: Any) -> Iterator[dict[str, str]]:
        if isinstance(part, dict):
            yield from part.get("tooltip") or []
        for each in part.values() if isinstance(part, dict) else part:
            if isinstance(each, dict | list):
                yield from within(each)

    return list(within(json.loads(template.read_text())))


def test_the_keyboard_reaches_the_report_and_its_tables(
    chromium: Browser, page_of_one: Path
) -> None:
    with opened(chromium, page_of_one, 400, "light") as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "report"
        images = page.locator("[role=img]")
        assert images.count() == len(plots.CHARTS) - len(OPTIONAL)
        assert all(len(image.get_attribute("aria-label") or "") > 40 for image in images.all())


def test_a_printed_page_is_dark_on_white_without_controls(
    chromium: Browser, page_of_one: Path
) -> None:
    with opened(chromium, page_of_one, 1400, "dark") as (page, _):
        page.emulate_media(media="print")
        colors = page.evaluate(
            "() => { const of = getComputedStyle(document.querySelector('.chart'));"
            " return [of.color, getComputedStyle(document.body).backgroundColor]; }"
        )
        assert colors == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
        assert not page.locator("nav").is_visible()
        # A sheet is narrower than the screen for which the plots were drawn.
        page.evaluate("document.getElementById('report').style.width = '600px'")
        widths = page.locator("svg.marks").evaluate_all(
            "(plots) => plots.map((plot) => plot.getBoundingClientRect().width)"
        )
        assert len(widths) == len(plots.CHARTS) - len(OPTIONAL)
        assert max(widths) <= 600
        assert len(page.pdf()) > 50_000
