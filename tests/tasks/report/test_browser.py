"""The page in a real browser: it draws without a network, speaks to keyboards and screen readers, and fits a phone."""

import shutil
from itertools import pairwise

import pytest

from culpa.tasks.report import write_report
from tests.tasks.report.proven_store import proven
from tests.tasks.report.test_page import CHARTS, SECTIONS

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need chromium on the path")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 800}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    run = proven(tmp_path_factory.mktemp("report"))
    return write_report(run.store, run.run_id).as_uri()


@pytest.fixture(scope="module")
def open_page(browser, address):
    """Pages by size and scheme, each opened once; what they said and asked for is noted on them."""
    opened = {}

    def open_one(size=DESKTOP, scheme="light"):
        key = (size["width"], scheme)
        if key not in opened:
            page = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce").new_page()
            page.said, page.asked = [], []
            page.on("console", lambda message: page.said.append(message.text))
            page.on("pageerror", lambda error: page.said.append(str(error)))
            page.on("request", lambda request: page.asked.append(request.url))
            page.goto(address)
            page.wait_for_selector("html[data-drawn=yes]", timeout=20_000)
            opened[key] = page
        return opened[key]

    return open_one


def test_every_chart_is_drawn_and_the_console_stays_empty(open_page):
    page = open_page()
    assert page.said == []
    drawn = page.evaluate(
        """[...document.querySelectorAll('.chart svg')]
           .map(svg => [svg.closest('.chart').id, svg.querySelectorAll('path').length])"""
    )
    assert {name for name, _ in drawn} == {f"chart-{name}" for name in CHARTS}
    assert all(paths > 2 for _, paths in drawn)


def test_the_page_asks_the_network_for_nothing(open_page, address):
    asked = [url for url in open_page().asked if not url.startswith("data:")]
    assert asked == [address]


def test_a_hostile_label_stays_a_text(open_page):
    page = open_page()
    assert page.title() == "pets: run aaaaaaaaaaaa"
    assert page.locator("img[src=x]").count() == 0
    assert page.locator(".labels b", has_text="onerror").count() > 0
    page.evaluate("document.getElementById('chart-corners').scrollIntoView()")
    page.locator("#chart-corners .mark-symbol.role-mark path").last.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5_000)
    assert page.locator("#vg-tooltip-element img").count() == 0
    assert page.locator("#vg-tooltip-element td.key").count() >= 6
    assert page.said == []


def test_the_skip_link_comes_first_and_leads_to_the_result(open_page):
    page = open_page(PHONE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_contents_lead_to_every_section_by_keyboard(open_page):
    page = open_page()
    links = page.evaluate("[...document.querySelectorAll('nav a')].map(link => link.hash.slice(1))")
    assert set(links) == SECTIONS
    page.focus("nav a[href='#settings']")
    page.keyboard.press("Enter")
    assert page.url.endswith("#settings")
    page.focus("#settings summary")
    page.keyboard.press("Enter")
    assert page.locator("#settings details[open] table").count() == 1


def test_a_screen_reader_finds_landmarks_headings_names_and_captions(open_page):
    page = open_page()
    assert page.evaluate("document.documentElement.lang") == "en"
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert page.locator(landmark).count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    texts = page.evaluate("[...document.querySelectorAll('[role=img]')].map(one => one.getAttribute('aria-label'))")
    assert len(texts) == len(CHARTS)
    assert all(len(text) > 60 for text in texts)
    assert page.locator("img:not([alt]), main table:not(:has(caption)), main th:not([scope])").count() == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_page_never_scrolls_sideways(open_page, size):
    page = open_page(size)
    page.evaluate("document.querySelectorAll('details').forEach(one => (one.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    widths = page.evaluate("[...document.querySelectorAll('.chart svg')].map(one => one.getBoundingClientRect().right)")
    assert max(widths) <= size["width"]


def test_a_dark_screen_changes_the_page_and_the_text_in_charts(open_page):
    looks = {}
    for scheme in ("light", "dark"):
        page = open_page(scheme=scheme)
        looks[scheme] = page.evaluate(
            """[getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector('#chart-corners text')).fill,
                getComputedStyle(document.querySelector('#chart-calibration path[stroke="var(--accent)"]')).stroke]"""
        )
    assert all(light != dark for light, dark in zip(looks["light"], looks["dark"], strict=True))
    assert all(look.startswith("rgb") for scheme in looks.values() for look in scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(open_page, scheme):
    colours = open_page(scheme=scheme).evaluate(
        """Object.fromEntries(['paper', 'card', 'ink', 'muted', 'accent', 'good', 'bad', 'mark'].map(name => {
            const probe = document.body.appendChild(document.createElement('i'));
            probe.style.color = `var(--${name})`;
            const found = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
            probe.remove();
            return [name, found];
        }))"""
    )
    for text in ("ink", "muted", "accent", "good", "bad"):
        assert min(_contrast(colours[text], colours[ground]) for ground in ("paper", "card")) >= 4.5, text
    assert _contrast(colours["ink"], colours["mark"]) >= 4.5


def _contrast(one, other):
    """The contrast ratio of WCAG 2."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    parts = (value / 255 for value in colour)
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_paper_gets_dark_ink_even_from_a_dark_screen(open_page):
    page = open_page(scheme="dark")
    page.emulate_media(media="print")
    try:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    finally:
        page.emulate_media(media="screen")
