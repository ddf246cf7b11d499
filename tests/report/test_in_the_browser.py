"""The page in a browser: it draws, answers to mouse and keyboard, exports, prints, and asks nobody for anything.

Needs Playwright and a Chromium (`SHIFTLIF_CHROMIUM`, else one on the path); the check of accessibility also needs
axe-core (`SHIFTLIF_AXE`, else ``build/axe/axe.min.js``, which ``make axe`` fetches).
"""

import csv
import os
import re
import shutil
from pathlib import Path

import pytest

from shiftlif.report.page import page
from shiftlif.report.report import html
from tests.report.conftest import HOSTILE_CLASS
from tests.report.test_page import layered

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM = os.environ.get("SHIFTLIF_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(os.environ.get("SHIFTLIF_AXE") or ROOT / "build" / "axe" / "axe.min.js")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 380, "height": 800}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(digits_evidence, hostile_evidence, tmp_path_factory):
    """One page for images, one for waveforms with hostile names, one for both runs."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "one": [digits_evidence],
        "hostile": [hostile_evidence],
        "both": [digits_evidence, hostile_evidence],
    }
    for name, found in made.items():
        (folder / f"{name}.html").write_text(html(found), encoding="utf-8")
    (folder / "layers.html").write_text(page([layered("run")]), encoding="utf-8")
    return {path.stem: path for path in folder.iterdir()}


class Opened:
    """A page, with what it said and asked for."""

    def __init__(self, context, file):
        self.page = context.new_page()
        self.said, self.asked, self.dialogs = [], [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.goto(file.as_uri())
        self.ready()

    def ready(self):
        # A selector: the page's policy also forbids what wait_for_function evaluates.
        self.page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=60_000)


@pytest.fixture
def opened(browser, files):
    contexts = []

    def open_page(which="one", **options):
        context = browser.new_context(**{"viewport": WIDE, "color_scheme": "light", **options})
        contexts.append(context)
        return Opened(context, files[which])

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def unchanged(browser, files):
    """A page of one run for tests that leave it as it is."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    yield Opened(context, files["one"]).page
    context.close()


def hover(page, place):
    """What shows over a mark; scrolling to it ends a moment after the mouse is there and hides it, so try again."""
    mark = page.locator(place).first
    for _ in range(10):
        page.mouse.move(2, 2)
        mark.hover(force=True)  # a number may lie over the cell
        try:
            page.wait_for_selector("#tooltip:not([hidden])", timeout=3_000)
        except sync_api.TimeoutError:
            continue
        return page.locator("#tooltip").inner_text()
    raise AssertionError(f"no values shown over {place}")


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def chart_background(page):
    return page.evaluate("getComputedStyle(document.querySelector('.plot svg')).backgroundColor")


@pytest.mark.parametrize("which", ["one", "hostile", "both"])
def test_every_figure_is_drawn_without_a_word_on_the_console_or_the_network(opened, files, which):
    found = opened(which)
    figures = found.page.locator("figure.chart")
    assert figures.count() >= 5
    assert found.page.locator("figure.chart .plot svg").count() == figures.count()
    assert found.page.locator(".failed").count() == 0
    found.page.locator("#theme").click()
    found.page.wait_for_selector("html[data-paper=yes]", state="attached")
    assert found.said == []
    assert found.dialogs == []
    assert [url for url in found.asked if not url.startswith(("data:", "blob:"))] == [files[which].as_uri()]


def test_the_load_event_waits_for_every_chart(browser, files):
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    page.goto(files["one"].as_uri(), wait_until="load")
    drawn, ready = page.evaluate(
        "[document.querySelectorAll('figure.chart .plot svg').length, document.documentElement.dataset.ready]"
    )
    assert drawn == page.locator("figure.chart").count()
    assert ready == "yes"
    page.wait_for_selector("iframe", state="detached")
    context.close()


def test_hostile_names_are_read_as_they_are(opened):
    found = opened("hostile")
    assert found.page.locator("h1").inner_text() == "<img src=x onerror=alert(1)>"
    assert found.page.locator("img").count() == 0
    assert HOSTILE_CLASS in found.page.locator("#class-table").inner_text()
    assert HOSTILE_CLASS in hover(found.page, "#confusion .mark-rect path")
    assert found.dialogs == []


def test_hovering_shows_the_values_under_the_mouse(unchanged):
    page = unchanged
    assert page.locator("#tooltip").is_hidden()
    text = hover(page, "#confusion .mark-rect path")
    assert all(word in text for word in ("label", "answer", "samples", "share of the class"))
    page.mouse.move(2, 2)
    page.wait_for_selector("#tooltip", state="hidden")


def test_shares_are_written_the_same_in_charts_and_sentences(unchanged):
    drawn = " ".join(unchanged.locator("figure.chart .plot svg text").all_text_contents())
    assert re.search(r"\d\u00a0%", drawn)
    assert re.search(r"\d\u00a0%", unchanged.locator("main").inner_text())
    assert not re.search(r"\d%", drawn + unchanged.locator("main").inner_text())
    assert re.search(r"\d\u00a0%", hover(unchanged, "#confusion .mark-rect path"))


def test_csv_holds_the_rows_of_the_chart(unchanged, tmp_path, digits_evidence):
    page = unchanged
    with page.expect_download() as waiting:
        page.locator("#learning-loss").get_by_role("button", name="data as CSV").click()
    assert waiting.value.suggested_filename == "digits-learning-loss.csv"
    waiting.value.save_as(tmp_path / "rows.csv")
    rows = list(csv.DictReader((tmp_path / "rows.csv").open(newline="", encoding="utf-8")))
    lines = list(csv.DictReader((digits_evidence.run.folder / "metrics.csv").open()))
    assert [float(row["value"]) for row in rows if row["of"] == "validation"] == pytest.approx(
        [float(line["val/loss"]) for line in lines], rel=1e-5
    )


def test_csv_of_a_table_quotes_what_needs_quotes(opened, tmp_path):
    page = opened("hostile").page
    with page.expect_download() as waiting:
        page.locator("#class-table").get_by_role("button", name="data as CSV").click()
    assert waiting.value.suggested_filename == "img-src-x-onerror-alert-1-class-table.csv"
    waiting.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as stream:
        classes = [row["class"] for row in csv.DictReader(stream)]
    assert classes == [HOSTILE_CLASS, "quiet", 'loud, "very"']


def test_svg_is_a_picture_of_the_chart(unchanged, tmp_path):
    page = unchanged
    with page.expect_download() as waiting:
        page.locator("#confusion").get_by_role("button", name="picture as SVG").click()
    waiting.value.save_as(tmp_path / "chart.svg")
    text = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "answer" in text


def test_a_chart_can_be_read_as_a_table(unchanged):
    page = unchanged
    page.locator("#confusion summary").click()
    table = page.locator("#confusion table")
    sync_api.expect(table.locator("tbody tr")).to_have_count(100)
    assert table.locator("th").all_inner_texts() == ["label", "answer", "samples", "share"]


def test_tables_are_sorted_by_their_headers(unchanged):
    page = unchanged
    header = page.locator("#class-table th").nth(2)
    column = page.locator("#class-table tbody td:nth-child(3)")
    before = [float(text) for text in column.all_inner_texts()]
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in column.all_inner_texts()] == sorted(before)
    header.get_by_role("button").click()
    assert [float(text) for text in column.all_inner_texts()] == sorted(before, reverse=True)


def test_the_keyboard_reaches_and_works_everything(opened):
    page = opened().page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator(".skip").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "theme"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Space")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("#theme").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")  # the contents' summary
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.hash") == "#learning"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#learning"
    page.locator("#learning-loss summary").focus()
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#learning-loss tbody tr")).to_have_count(4)
    unreached = page.evaluate(
        """() => [...document.querySelectorAll("a, button, summary")].filter((e) => e.tabIndex < 0).length"""
    )
    assert unreached == 0


def test_the_theme_follows_the_system_until_the_reader_chooses(opened):
    found = opened(color_scheme="dark")
    page = found.page
    assert background(page) == "rgb(20, 23, 26)"
    assert chart_background(page) == "rgb(20, 23, 26)"
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("html[data-theme=light][data-ready=yes]", state="attached")
    assert background(page) == "rgb(255, 255, 255)"
    assert chart_background(page) == "rgb(255, 255, 255)"
    page.locator("#theme").click()
    page.wait_for_selector("html[data-theme=dark][data-ready=yes]", state="attached")
    page.emulate_media(color_scheme="dark")
    page.emulate_media(color_scheme="light")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_pressed_button_looks_pressed(opened):
    page = opened(color_scheme="light").page
    button = page.locator("#theme")
    assert button.get_attribute("aria-pressed") == "false"
    assert button.evaluate("b => getComputedStyle(b).backgroundColor") == "rgba(0, 0, 0, 0)"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert button.evaluate("b => getComputedStyle(b).backgroundColor") == "rgb(228, 231, 234)"
    assert button.evaluate("b => getComputedStyle(b).color") == "rgb(20, 23, 26)"


def test_layers_open_by_hand_by_link_at_once_and_on_paper(opened):
    found = opened("layers").page
    second = found.locator("#layer-1")
    assert found.locator(".layer[open]").count() == 1
    assert found.locator("#letters-1").is_hidden()
    found.get_by_role("link", name="two").click()
    found.wait_for_selector("#letters-1", state="visible")
    found.get_by_role("button", name="close all layers").click()
    sync_api.expect(found.locator(".layer[open]")).to_have_count(0)
    second.locator("summary").first.focus()
    found.keyboard.press("Enter")
    assert second.get_attribute("open") is not None
    found.emulate_media(media="print")
    found.wait_for_selector("#layer-0[open]")
    found.emulate_media(media="screen")
    found.wait_for_selector("#layer-0:not([open])")
    found.get_by_role("button", name="open all layers").click()
    sync_api.expect(found.locator(".layer[open]")).to_have_count(2)


def test_on_paper_there_are_no_buttons_and_charts_are_light(opened):
    page = opened(color_scheme="dark").page
    page.wait_for_selector("html[data-paper=yes]", state="attached")
    page.emulate_media(media="print")
    assert background(page) == "rgb(255, 255, 255)"
    assert (
        page.locator("button:visible").evaluate_all("all => all.filter((b) => !b.closest('th')).length") == 0
    )
    assert page.locator("nav").is_hidden()
    assert page.locator(".plot:visible").count() == 0
    assert page.locator(".paper:visible svg").count() == page.locator("figure.chart").count()
    fill = page.evaluate("document.querySelector('.paper svg rect').getAttribute('fill')")
    assert fill in ("#fff", "#ffffff")


@pytest.mark.parametrize("which", ["one", "both"])
def test_nothing_is_wider_than_a_narrow_screen(opened, which):
    page = opened(which, viewport=NARROW).page
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    hidden = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")]
            .filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth && e.tabIndex < 0).length"""
    )
    assert hidden == 0  # what scrolls sideways can be scrolled by keyboard


def scrolling(page, kind):
    """The charts or tables that are cut at the right."""
    return page.evaluate(
        f"""() => [...document.querySelectorAll("[{kind}]")].filter((e) => {{
            const scroll = e.querySelector(".scroll");
            return scroll.clientWidth && scroll.scrollWidth > scroll.clientWidth;
        }}).map((e) => e.id)"""
    )


@pytest.mark.parametrize("which", ["one", "hostile", "both"])
def test_no_table_is_cut_on_a_computer_and_no_chart_on_a_phone(opened, which):
    assert scrolling(opened(which, viewport={"width": 1400, "height": 900}).page, "data-table") == []
    assert scrolling(opened(which, viewport=NARROW).page, "data-chart") == []


@pytest.mark.parametrize("width", [1400, 700, 400])
def test_figures_stand_in_one_line_and_words_are_whole(opened, width):
    page = opened(viewport={"width": width, "height": 900}).page
    broken = page.evaluate(
        """() => {
            const lines = (e) => {
                const range = document.createRange();
                range.selectNodeContents(e);
                return new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size;
            };
            const figure = (e) => e.tagName === "DD" && /^[\\d,.]+(\\s\\S+)?$/.test(e.textContent);
            return [...document.querySelectorAll("#summary dd, #summary dt")]
                .filter((e) => figure(e) || (e.tagName === "DT" && !e.textContent.includes(" ")))
                .filter((e) => lines(e) > 1)
                .map((e) => e.textContent);
        }"""
    )
    assert broken == []


@pytest.mark.parametrize(("which", "scheme"), [("one", "light"), ("both", "dark")])
def test_axe_finds_no_barrier(browser, files, which, scheme):
    if not AXE.is_file():
        pytest.skip(f"axe-core is not at {AXE}: make axe, or set SHIFTLIF_AXE")
    # axe is put into the page, which its policy would forbid
    context = browser.new_context(viewport=WIDE, color_scheme=scheme, bypass_csp=True)
    page = Opened(context, files[which]).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.wait_for_selector("figure table")
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    context.close()
    assert [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in found["violations"]] == []


@pytest.mark.parametrize(
    ("name", "which", "options", "media"),
    [
        ("light", "one", {}, "screen"),
        ("dark", "one", {"color_scheme": "dark"}, "screen"),
        ("narrow", "one", {"viewport": NARROW}, "screen"),
        ("print", "one", {"color_scheme": "dark", "viewport": {"width": 794, "height": 1123}}, "print"),
        ("waveforms", "hostile", {}, "screen"),
        ("two-runs", "both", {"color_scheme": "dark"}, "screen"),
    ],
)
def test_screenshots_are_kept(opened, name, which, options, media):
    page = opened(which, **options).page
    if media == "print":
        page.wait_for_selector("html[data-paper=yes]", state="attached")
        page.emulate_media(media="print")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    target = SCREENSHOTS / f"report-{name}.png"
    page.screenshot(path=target, full_page=True)
    assert target.stat().st_size > 50_000
