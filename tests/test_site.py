"""The site is built whole: without a warning, from these pages, and it loads nothing from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recprune import discover
from recprune.importance import rules

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("material", "mkdocstrings_handlers", "latex2mathml", "jieba")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} is not installed: pip install 'recprune[docs]'")


class Assets(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "embed", "object", "link", "video", "audio"):
            self.found += [value for key in ("src", "href", "data", "srcset") if (value := told.get(key))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def hook():
    """scripts/docs_site.py, as mkdocs imports it."""
    return load("docs_site")


def load(name: str):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return module


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_every_page_is_there_and_the_navigation_leads_to_it(site: Path):
    navigation = read(site / "index.html")
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert (site / path).exists()
        assert f'href="{path}"' in navigation, path


def test_no_page_loads_anything_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        assets = Assets()
        assets.feed(read(page))
        away = [one for one in assets.found if re.match(r"(https?:)?//", one)]
        assert not away, f"{page.relative_to(site)} loads {away}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", read(style)), style


def found(browser, page: Path, words: str) -> list[str]:
    """What the search of a page that is read from a folder finds, as pages of the site."""
    browser.open(page, 1280)
    box = "document.querySelector('[data-md-component=search-query]')"
    browser.value(f"{box}.focus()")
    browser.value(f"(e => {{ e.value = {words!r}; e.dispatchEvent(new KeyboardEvent('keyup')) }})({box})")
    end = time.monotonic() + 60
    while "matching" not in (told := browser.value("document.querySelector('.md-search-result__meta').innerText")):
        assert time.monotonic() < end, told
        time.sleep(0.1)
    links = browser.value("[...document.querySelectorAll('.md-search-result__item a')].map(one => one.href)")
    said, asked = browser.complaints()
    assert said == []
    assert all(url.startswith("file:") for url in asked if not url.startswith(("data:", "blob:")))
    return links


@pytest.mark.parametrize(("words", "page"), [("协同过滤", "zh/walkthrough.html"), ("pruning factor", "methods.html")])
def test_search_finds_pages_without_a_server_in_both_languages(site: Path, browser, words: str, page: str):
    links = found(browser, site / "zh" / "walkthrough.html", words)
    assert any(page in link for link in links), links
    assert not found(browser, site / "quickstart.html", "qqwwxx")


def test_formulas_are_mathml_and_none_is_left_as_it_was_written(site: Path):
    text = read(site / "zh" / "walkthrough.html")
    assert text.count("<math") > 20
    for page in site.rglob("*.html"):
        assert not re.search(r"arithmatex|<mi>&(amp;)?</mi>|<m[ino]>\\\\", read(page)), page


def test_a_page_in_chinese_says_so(site: Path):
    assert '<html lang="zh-CN"' in read(site / "zh" / "walkthrough.html")
    assert '<html lang="en"' in read(site / "quickstart.html")


def test_every_command_has_a_page_with_all_of_its_options(site: Path):
    import typer

    from recprune.cli import app

    for name, command in typer.main.get_command(app()).commands.items():
        text = read(site / "commands" / f"{name}.html")
        assert command.help.split(".")[0].partition("`")[0].strip() in text
        for parameter in command.params:
            for option in parameter.opts:
                assert option.upper().replace("_", "-") in text.upper().replace("_", "-"), f"{name} {option}"


def test_the_pages_of_the_api_hold_every_public_name_and_what_its_docstring_says(site: Path):
    import recprune

    text = "".join(read(page) for page in (site / "api").glob("*.html"))
    for name in recprune._HOMES:
        assert re.search(rf'id="recprune\.[\w.]+\.{name}"', text), name
    assert "less than one unit" in text
    assert "::: recprune" not in text
    assert "blockquote" not in text
    assert "<strong>rule</strong>: its name" in text


def test_what_the_folders_offer_is_listed(site: Path):
    text = read(site / "catalogue.html")
    assert all(f"<code>{name}</code>" in text for name in discover.names(rules))


def test_pages_that_the_navigation_does_not_name_stand_under_more_and_absent_ones_nowhere(hook):
    found = hook.navigation({"index.md": "recprune", "new.md": "New", "models/b.md": "b", "models/a.md": "a"})
    assert found == [
        {"recprune": [{"recprune": "index.md"}]},
        {"Models": [{"b": "models/b.md"}, {"a": "models/a.md"}]},
        {"More": [{"New": "new.md"}]},
    ]


def test_a_readme_that_becomes_a_page_has_links_that_lead_on(hook):
    text = "[a](docs/data.md#x) [b](CONTRIBUTING.md) [c](LICENSE) [d](https://e.org) [e](#here)"
    assert hook.moved(text, "index.md") == "[a](data.md#x) [b](contributing.md) c [d](https://e.org) [e](#here)"
    assert hook.moved("[a](docs/zh/walkthrough.md)", "zh/index.md") == "[a](../zh/walkthrough.md)"


def test_a_formula_becomes_mathml_and_a_name_of_a_file_a_title(hook):
    html = hook.on_page_content(r'<p><span class="arithmatex">\(a &lt; b\)</span></p>')
    assert "<math" in html
    assert "arithmatex" not in html
    assert hook.on_page_markdown("```toml log.toml\nx = 1\n```") == '```toml title="log.toml"\nx = 1\n```'


def test_a_docstring_becomes_markdown():
    text = "Do it.\n\nfirst: one. second, third: two.\nother: no parameter.\nRaises ValueError.\n\n>>> f(1)\n2"
    assert load("docs_docstrings").as_markdown(text, {"first", "second", "third"}) == (
        "Do it.\n\n**first**: one. **second, third**: two.\nother: no parameter.\n\nRaises ValueError.\n\n"
        "```pycon\n>>> f(1)\n2\n```"
    )
