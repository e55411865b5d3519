"""The page: its structure, what it may load, and how it looks and moves in a browser."""

import base64
import hashlib
import re
from collections import Counter

import pytest

from recprune.report import report, write
from recprune.report.html import page
from recprune.report.page import SCRIPT, STYLE

LARGEST = 300_000


@pytest.fixture(scope="module")
def pages(lists_run, clicks_run, hostile_run, found_in, tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    runs = {"lists": lists_run, "clicks": clicks_run, "hostile": hostile_run}
    return {name: write(found_in(run), place / f"{name}.html")["html"] for name, run in runs.items()}


@pytest.mark.parametrize("name", ["lists", "clicks", "hostile"])
def test_a_page_is_whole_small_and_well_formed(pages, parsed, name):
    text = pages[name].read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST
    found = parsed(text)
    assert found.open == []
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("h1")) == len(found.all("main")) == 1
    ids = Counter(attributes["id"] for _, attributes in found.elements if "id" in attributes)
    assert set(ids.values()) == {1}
    assert {link["href"] for link in found.all("a")} <= {f"#{name}" for name in ids}


@pytest.mark.parametrize("name", ["lists", "clicks", "hostile"])
def test_nothing_is_loaded_and_nothing_stands_in_attributes(pages, parsed, name):
    found = parsed(pages[name].read_text(encoding="utf-8"))
    for tag, attributes in found.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "form", "base", "image", "use"), tag
        assert not [one for one in attributes if one == "style" or one.startswith("on") or one in ("src", "srcset")]
    assert len(found.all("script")) == len(found.all("style")) == 1
    assert not re.findall(r"https?:|@import|url\(", STYLE + SCRIPT)
    assert "innerHTML" not in SCRIPT


def test_the_policy_names_the_style_and_the_script_and_forbids_all_else(pages, parsed):
    text = pages["lists"].read_text(encoding="utf-8")
    (said,) = [m["content"] for m in parsed(text).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    policy = dict(part.strip().split(" ", 1) for part in said.split(";"))
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("form-action") == "'none'"
    for kind, (begin, end) in {"style-src": ("<style>", "</style>"), "script-src": ("<script>", "</script>")}.items():
        inner = text[text.index(begin) + len(begin) : text.index(end)]
        assert policy.pop(kind) == f"'sha256-{base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"
    assert not policy
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_ids_that_are_markup_are_shown_as_text(pages, parsed):
    text = pages["hostile"].read_text(encoding="utf-8")
    assert text.count("<script>") == 1
    assert "<script>alert(1)</script>'\"&`|" in parsed(text).words
    assert "\u202e" not in text


def test_every_number_of_the_comparison_that_a_person_asks_for_is_there(lists_run, found_in, parsed):
    found = found_in(lists_run)
    words = parsed(page(report(found))).words
    for side in (found.comparison.before, found.comparison.after):
        for number in (f"{side.features:,}", f"{side.network:,}", *(f"{side.metrics[m]:.4f}" for m in METRICS)):
            assert number in words
    for name in found.comparison.rivals:
        assert name in words
    assert "Met: 50.0" in words


METRICS = ("precision@20", "recall@20", "f1@20", "ndcg@20")


def lightness(colour):
    """Relative luminance of a colour of the style, WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(first, second):
    low, high = sorted((lightness(first), lightness(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_words_stand_out_from_what_is_behind_them(scheme):
    light, dark, paper = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", light))
    long = re.sub(r"#(\w)(\w)(\w)\b", r"#\1\1\2\2\3\3", ("", dark, paper)[scheme])
    colours |= dict(re.findall(r"--(\w+): (#\w{6})", long))
    for back in ("ground", "card"):
        for front in ("ink", "soft", "after", "rival", "good", "bad"):
            assert contrast(colours[front], colours[back]) >= 4.5, (front, back)
        assert contrast(colours["before"], colours[back]) >= 3, "bars are no text"
    assert contrast(colours["soft"], colours["faint"]) >= 4.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("name", ["lists", "clicks", "hostile"])
def test_a_browser_shows_it_without_a_complaint_or_a_word_beyond_the_edge(browser, pages, tmp_path, name, width, dark):
    browser.open(pages[name], width, dark)
    assert browser.picture(tmp_path / f"{name}-{width}.png").stat().st_size > 50_000
    said, asked = browser.complaints()
    assert not said
    assert asked == [pages[name].as_uri()]
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value("document.body.innerText.length") > 3000


def test_a_point_is_reached_by_keyboard_and_shows_its_plan(browser, pages):
    browser.open(pages["lists"], 1280)
    assert browser.value("getComputedStyle(document.querySelector('#stop-4')).display") == "none"
    assert browser.value("document.querySelector('.panel.on').id") == "model-after"
    browser.value("document.querySelector('a.dot[href=\"#stop-4\"]').focus()")
    assert "quality" in browser.value("document.querySelector('.tip').innerText")
    browser.press("Enter", 13)
    assert browser.value("document.querySelector('.panel.on').id") == "stop-4"
    assert browser.value("getComputedStyle(document.querySelector('#model-after')).display") == "none"
    shown = browser.value("document.querySelector('#stop-4').innerText")
    assert "The plan: factor" in shown
    browser.press("Escape", 27)
    assert browser.value("document.querySelector('.tip').hidden")


def test_on_paper_everything_is_unfolded_and_nothing_stands_beyond_the_edge(browser, pages):
    browser.open(pages["lists"], 794)
    browser.value("window.dispatchEvent(new Event('beforeprint'))")
    browser.ask("Emulation.setEmulatedMedia", media="print", features=[])
    try:
        assert browser.value("document.documentElement.scrollWidth") == 794
        assert browser.value("[...document.querySelectorAll('details')].every(one => one.open)")
        assert browser.value("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert len(browser.ask("Page.printToPDF")["data"]) > 50_000
    finally:
        browser.ask("Emulation.setEmulatedMedia", media="", features=[])


def test_without_a_script_a_point_still_leads_to_its_plan(browser, pages):
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages["lists"], 420)
        place = "document.querySelector('a.dot[href=\"#stop-4\"]')"
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
        assert not browser.value("document.documentElement.classList.contains('js')")
        browser.value(f"location.hash = {place}.getAttribute('href')")
        assert browser.value("getComputedStyle(document.querySelector('#stop-4')).display") == "flex"
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_a_command_that_gets_what_is_missing_stands_out(pages):
    text = pages["lists"].read_text(encoding="utf-8")
    assert re.search(r'class="missing">.*?<code>recprune bench [^<]+</code>', text)
