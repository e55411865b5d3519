"""The page: what it may load, how it looks, and a budget on its way from a slider to a folder."""

import re
import time

import pytest

from recprune.recipe.shelf import take
from recprune.recipe.verify import verify
from recprune.studio.page import FILES

FEW = 0.05
"""Seconds between two looks at the page."""


def test_nothing_comes_from_elsewhere_and_nothing_stands_inline():
    texts = {path: content.decode() for path, (_, content) in FILES.items()}
    scripts = ("studio", "amounts", "ask", "parts", "plan", "results")
    assert set(texts) == {"/", "/studio.css", *(f"/{name}.js" for name in scripts)}
    addresses = re.findall(r"https?:\S+", "\n".join(texts.values()))
    assert addresses == ['http://www.w3.org/2000/svg";'], "a namespace is no address"
    assert re.findall(r'(?:src|href)="([^"]+)"', texts["/"]) == ["studio.css", "studio.js"]
    assert not re.search(r"<style|<script>|\son\w+=|style=|javascript:", texts["/"])
    scripts = "\n".join(text for path, text in texts.items() if path.endswith(".js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", scripts)
    assert {f"/{name}" for name in re.findall(r'from "\./(\w+\.js)"', scripts)} < set(texts)


def test_every_field_has_a_label_and_every_part_a_title():
    page = FILES["/"][1].decode()
    assert page.count("<h1") == page.count("<main") == 1
    for tag in re.findall(r"<(?:input|select|progress)\b[^>]*>", page):
        name = re.search(r'id="([\w-]+)"', tag)
        place = page.index(tag)
        inside = page.rfind("<label", 0, place) > page.rfind("</label>", 0, place)
        assert inside or (name and f'for="{name[1]}"' in page) or "aria-labelledby" in tag, tag
    for found in re.findall(r'aria-(?:labelledby|describedby)="([\w-]+)"', page):
        assert f'id="{found}"' in page


def lightness(colour):
    """Relative luminance of a colour of the style, WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(first, second):
    low, high = sorted((lightness(first), lightness(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(scheme):
    style = re.sub(r"#(\w)(\w)(\w)\b", r"#\1\1\2\2\3\3", FILES["/studio.css"][1].decode())
    colours = dict(re.findall(r"--(\w+): (#\w{6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]))
    for back in ("ground", "card"):
        for front in ("ink", "soft", "after", "good", "bad"):
            assert contrast(colours[front], colours[back]) >= 4.5, (front, back)
        assert contrast(colours["line"], colours[back]) >= 3, "edges of what is typed into"
    assert contrast(colours["on"], colours["after"]) >= 4.5
    assert contrast(colours["soft"], colours["faint"]) >= 4.5
    assert contrast(colours["ink"], colours["same"]) >= 4.5


class Seen:
    """A page that is looked at and touched as a person does."""

    def __init__(self, browser):
        self.browser = browser

    def __call__(self, script):
        return self.browser.value(script)

    def text(self, name):
        return self(f"document.getElementById({name!r}).innerText")

    def until(self, script, seconds=120):
        """Look until it is so."""
        end = time.monotonic() + seconds
        while not self(f"!!({script})"):
            assert time.monotonic() < end, f"{script} in {seconds} s: {self('document.body.innerText')}"
            time.sleep(FEW)

    def says(self, name, words):
        self.until(f"document.getElementById({name!r})?.innerText.includes({words!r})")

    def put(self, name, value):
        """Type a value, or move a slider to it."""
        self(
            f"(e => {{ e.value = {value!r}; e.dispatchEvent(new Event('input', {{bubbles: true}})) }})"
            f"(document.getElementById({name!r}))"
        )

    def click(self, selector):
        script = f"(e => {{ const was = e.disabled; e.click(); return !was }})(document.querySelector({selector!r}))"
        assert self(script), selector

    def calm(self):
        """Until nothing is at work and there is a plan."""
        self.until("document.getElementById('job').hidden && !document.getElementById('measure-now').disabled")


@pytest.fixture
def seen(browser):
    return Seen(browser)


@pytest.fixture(scope="module")
def open_at(workshop, studio, browser, tmp_path_factory):
    """Shows the page of a studio of that name at a width; each is started once, with a folder of its own."""
    there = {}

    def show(name, width=1280, dark=False):
        if name not in there:
            out = tmp_path_factory.mktemp(name)
            there[name] = studio(workshop / name / "prepared", "--model", workshop / name / "big", "--out", out), out
        browser.open(there[name][0].address, width, dark)
        Seen(browser).calm()
        return there[name]

    return show


@pytest.mark.parametrize("name", ["lists", "clicks", "solved"])
def test_a_budget_goes_from_the_slider_to_a_folder(workshop, open_at, browser, seen, name):
    (at, out), big = open_at(name), workshop / name / "big"
    first = seen.text("summary")
    assert first.startswith("factor 0.5: ")
    assert "%" in seen.text("tiles")

    browser.value("document.getElementById('slide').focus()")
    for _ in range(20):
        browser.press("ArrowLeft", 37)
    seen.says("summary", "factor 0.3: ")
    assert seen.text("exact-label") == "Percent"
    assert seen("document.getElementById('slide').getAttribute('aria-valuetext')") == "30 percent"
    assert seen.text("summary") != first

    seen.put("epochs", "1")
    seen.calm()
    seen.click("#measure-now")
    seen.says("verdict", "Measured: factor 0.3, ")
    assert ", 1 epoch of fine-tuning. " in seen.text("verdict")
    table = seen.text("measured")
    for words in ("features P", "network Q", "ms a request", "auc" if name == "clicks" else "ndcg@20", "On validation"):
        assert words in table
    verdicts = seen("[...document.querySelectorAll('#measured tbody td:last-child')].map((cell) => cell.textContent)")
    assert set(verdicts) <= {"", "as fast", "better", "equal", "not told apart", "worse", "not tested"}
    assert len(set(verdicts)) > 2
    seen.calm()
    seen.put("epochs", "0")
    seen.says("verdict", "This was measured for another plan: factor 0.3, ")
    seen.click("#measure-now")
    seen.says("verdict", ", no fine-tuning. ")
    assert seen.text("so-far").count("factor 0.3, ") == 2
    seen.calm()
    seen.click("#lists-now")
    seen.until("document.querySelector('#both li, #both td')")

    seen.put("name", "first")
    seen.click("#apply-now")
    seen.says("written", str(out / "first"))
    assert "Proof: asked" in seen.text("written")
    assert f"recprune report {out / 'first'} --against {big}" in seen.text("applied")
    seen.calm()
    seen.click("#apply-now")
    seen.says("apply-wrong", "Something of that name is there already")

    said, asked = browser.complaints()
    refused = [e for e in said if "409" in e["params"].get("entry", {}).get("text", "")]
    assert said == refused, "no word in the console but of what the studio said no to"
    assert all(url.startswith(at.address) for url in asked)
    small = take(out / "first")
    assert small.plan.account().share_removed >= 0.3
    assert verify(out / "first", big).holds
    assert small.data.resolve() == workshop / name / "prepared"


def test_bytes_a_rule_and_kinds_are_said_as_well(open_at, seen):
    open_at("clicks")
    seen.click("input[value=bytes]")
    seen.says("plan-title", "Plan")
    seen.until("document.getElementById('summary').innerText.includes(' bytes: ')")
    seen.put("exact", "50")
    seen.says("plan-wrong", "cannot be met: at least")
    assert seen("document.getElementById('measure-now').disabled")
    for kind in ("id", "field", "neuron"):
        seen.click(f"#kinds input[value={kind}]")
    seen.put("exact", "30000")
    seen.until("/int\\d|bf16/.test(document.getElementById('tensors').textContent)")
    seen.says("summary", "30,000 bytes: ")
    assert seen("![...document.querySelectorAll('#sites td')].some(td => td.innerText === 'neuron')")
    seen.click("#bits")
    seen.says("plan-wrong", "cannot be met: at least")
    seen.click("#kinds input[value=dim]")
    seen.says("plan-wrong", "choose a kind")
    seen.click("#kinds input[value=neuron]")
    seen(
        "(e => { e.value = 'magnitude'; e.dispatchEvent(new Event('change', {bubbles: true})) })"
        "(document.getElementById('rule'))"
    )
    seen.calm()
    assert "Keep what is large" in seen.text("rule-words")
    assert seen("document.querySelector('input[name=amount]:checked').value") == "bytes"


def test_milliseconds_are_sought_between_what_was_timed(open_at, browser, seen):
    """Nothing here hangs on how fast this machine is: one budget is above all times, one below."""
    open_at("lists")
    seen.click("input[value=milliseconds]")
    seen.until("!document.getElementById('find').hidden")
    assert " now, " in seen.text("exact-label")
    assert "ms" in seen.text("exact-label")
    assert seen("document.getElementById('slide').getAttribute('aria-valuetext')").endswith(" milliseconds")
    assert seen("document.getElementById('measure-now').disabled"), "no plan yet"

    seen.put("exact", "0.0001")
    seen.until("!document.getElementById('find').hidden && !document.getElementById('find-now').disabled")
    seen.click("#find-now")
    seen.says("plan-wrong", "0.0001 ms for 1 row(s) cannot be met here: the smallest plan takes")
    seen.put("exact", "5000")
    seen.until("!document.getElementById('find').hidden && !document.getElementById('find-now').disabled")
    seen.click("#find-now")
    seen.says("summary", "For 5000 ms for 1 row(s) nothing has to leave.")
    assert "measured before fine-tuning" in seen.text("tiles")
    seen.put("epochs", "0")
    seen.calm()
    seen.click("#measure-now")
    seen.says("measured", "ms a request, on one thread, as asked")
    seen.calm()
    seen.put("rows", "7")
    seen("document.getElementById('rows').dispatchEvent(new Event('change', {bubbles: true}))")
    seen.until("!document.getElementById('find').hidden && document.getElementById('job').hidden")
    assert browser.complaints()[0] == []


@pytest.mark.parametrize("width", [400, 1280])
def test_what_may_be_lost_is_found_by_the_keyboard_alone(open_at, browser, seen, width):
    _, out = open_at("lists", width)
    seen("document.querySelector('input[value=factor]').focus()")
    for _ in range(3):
        browser.press("ArrowDown", 40)
    assert seen("document.activeElement.value") == "max_drop"
    seen.until("!document.getElementById('find').hidden")
    assert seen.text("limit").startswith("1 percent: ndcg@20 no lower than ")
    seen("document.getElementById('slide').focus()")
    browser.press("End", 35)
    seen.says("limit", "20 percent: ")
    browser.press("ArrowLeft", 37)
    seen.says("limit", "19.8 percent: ")
    seen.put("exact", "60")
    seen.put("epochs", "8")
    seen.until("!document.getElementById('find').hidden && !document.getElementById('find-now').disabled")
    seen("document.getElementById('find-now').focus()")
    browser.press("Enter", 13)
    seen.says("summary", "ndcg@20 at most 0.6 of it lower: ")
    assert "measured after fine-tuning" in seen.text("tiles")
    assert seen("document.documentElement.scrollWidth") == width
    seen.calm()
    seen.put("name", f"held-{width}")
    seen.click("#apply-now")
    seen.says("written", str(out / f"held-{width}"))
    assert take(out / f"held-{width}").plan.budget.max_drop.share == 0.6
    seen.calm()
    seen.put("epochs", "9")
    seen.until("!document.getElementById('find').hidden")
    assert browser.complaints()[0] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_shows_at_any_width_without_a_word_beyond_the_edge(open_at, browser, seen, tmp_path, width, dark):
    open_at("clicks", width, dark)
    seen.put("name", f"at-{width}-{dark}")
    seen.put("epochs", "1")
    seen.click("#measure-now")
    seen.says("measured", "On validation")
    seen.calm()
    seen.click("#apply-now")
    seen.says("applied", "recprune report")
    seen.click("#lists-now")
    seen.until("document.querySelector('#both td')")
    seen("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert seen("document.documentElement.scrollWidth") == width
    assert browser.picture(tmp_path / "studio.png").stat().st_size > 50_000
    assert browser.complaints()[0] == []


CANCEL = """
(() => {
  const at = (name) => document.getElementById(name);
  const look = setInterval(() => {
    if (at('job').hidden || at('cancel').disabled || !at('job-said').innerText.includes('Measuring')) return;
    clearInterval(look);
    window.held = at('apply-now').disabled;
    at('cancel').click();
  }, 1);
})()
"""


def test_a_job_is_cancelled_from_the_page(open_at, seen):
    """The page itself looks for the moment: a job of so little data may be done before it is looked at from here."""
    _, out = open_at("clicks")
    before = set(out.iterdir())
    seen(CANCEL)
    seen.put("epochs", "1000")
    seen.click("#measure-now")
    seen.says("measure-wrong", "It was cancelled.")
    assert seen("window.held")
    seen.calm()
    assert set(out.iterdir()) == before


def test_a_page_that_lost_its_studio_says_so(open_at, seen):
    at, _ = open_at("lists")
    assert at.end()[0] == 0
    seen.click("#measure-now")
    seen.says("measure-wrong", "The studio does not answer.")
