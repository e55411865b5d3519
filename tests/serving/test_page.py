"""The page: what it may load, and what it shows in a browser."""

import html
import re
import shutil
import subprocess

import pytest

from recprune.recipe.served import offer_of
from recprune.serving.app import App
from recprune.serving.page import FILES

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_nothing_comes_from_elsewhere_and_nothing_stands_inline():
    text = b"\n".join(content for _, content in FILES.values()).decode()
    assert not re.findall(r"https?:|//\w+\.\w+", text)
    page = FILES["/"][1].decode()
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["page.css", "page.js"]
    assert not re.search(r"<style|<script>|\son\w+=|style=|javascript:", page)
    assert "innerHTML" not in FILES["/page.js"][1].decode()


def test_the_policy_takes_files_of_the_server_alone(tools, shop):
    answer = tools.Asked(App(offer_of(shop / "mf", shop / "prepared")))("GET", "/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers[b"content-security-policy"].decode().split(";"))
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert answer.headers[b"x-frame-options"] == b"DENY"


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_shows_both_lists_side_by_side(child, tmp_path):
    shown = browse(child.port, "u4", tmp_path)
    sections = re.findall(r"<section.*?</section>", shown, re.DOTALL)
    assert [re.search("<h2[^>]*>(.*?)</h2>", part)[1] for part in sections] == ["Dense", "Pruned"]
    for part, path in zip(sections, ("/against", "/recommend"), strict=True):
        listed = [html.unescape(item) for item in re.findall(r"<li[^>]*>(.*?)<small", part)]
        assert listed == child.post(path, {"user": "u4", "k": 10}).json()["items"]
    assert re.search(rf"\d+ of {len(listed)} items stand in both lists", shown)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_shows_a_refusal_as_words_and_no_markup(child, tmp_path):
    shown = browse(child.port, "<img src=x onerror=alert(1)>", tmp_path)
    assert "No such user." in shown
    assert "<img" not in shown


def browse(port, user, tmp_path):
    """What the page holds once it has asked for a user."""
    address = f"http://127.0.0.1:{port}/#{user.replace('<', '%3C').replace('>', '%3E').replace(' ', '%20')}"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--disable-extensions"]
    done = subprocess.run(
        [BROWSER, *options, "--virtual-time-budget=20000", "--dump-dom", address], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
