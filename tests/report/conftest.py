"""A small run with a report, and a browser that is asked over a pipe (DevTools protocol)."""

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.simulate import simulate
from recprune.report import find
from recprune.report.found import Places

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROLES = ["--user", "user", "--item", "item", "--time", "time"]
FIELDS = ["--categorical", "user_field1,item_field1", "--of-item", "item_field1", "--of-user", "user_field1"]
HOSTILE = "<script>alert(1)</script>"


def called(*words):
    done = CliRunner().invoke(app(), [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done


def log_of(path, rename=lambda key: key):
    """A simulated log as CSV, with other ids where asked."""
    frame = simulate(80, 50, 1600, 3, seed=2, noise=(3,), uniques=0).log.frame.collect()
    rows = [frame.columns, *frame.rows()]
    place = frame.columns.index("item")
    text = [
        [rename(str(cell)) if n and i == place else str(cell) for i, cell in enumerate(row)]
        for n, row in enumerate(rows)
    ]
    path.write_text("\n".join("\t".join(row) for row in text) + "\n", encoding="utf-8")
    return path


def run_of(folder, log, model, *more):
    words = ["--epochs", 2, "--tune", "epochs=1", *ROLES, *FIELDS, *more]
    called("run", log, "--out", folder, "--model", model, *words)
    return folder


@pytest.fixture(scope="session")
def lists_run(tmp_path_factory):
    """A model that ranks, pruned, with its rivals and a frontier."""
    place = tmp_path_factory.mktemp("lists")
    run = run_of(place / "out", log_of(place / "log.tsv"), "mf", "--model-set", "dim=16")
    frontier = ["-o", place / "frontier.json", "--steps", place / "stops", "--factor", 0.4, "--factor", 0.7]
    called("frontier", run / "big", *frontier, "--epochs", 2)
    return place


@pytest.fixture(scope="session")
def clicks_run(tmp_path_factory):
    """A click model, pruned, without rivals."""
    place = tmp_path_factory.mktemp("clicks")
    run_of(place / "out", log_of(place / "log.tsv"), "deepfm", "--no-rivals", "--model-set", "dim=4")
    return place


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory):
    """As `lists_run`, with items that are markup."""
    place = tmp_path_factory.mktemp("hostile")
    log = log_of(place / "log.tsv", lambda key: f"{HOSTILE}'\"&`|{key}\u202e")
    run_of(place / "out", log, "mf", "--no-rivals", "--model-set", "dim=4")
    return place


class Browser:
    """Chromium without a window: `ask` sends one command of the DevTools protocol and waits for its answer."""

    def __init__(self, folder):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run"]
        command += [f"--user-data-dir={folder}", "--hide-scrollbars", "--remote-debugging-pipe", "about:blank"]

        def wire():
            high = os.dup(to_read), os.dup(to_write)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._child = subprocess.Popen(command, preexec_fn=wire, close_fds=False, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._left, self._number, self._session, self.events = b"", 0, None, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self):
        while b"\0" not in self._left:
            more = os.read(self._read, 1 << 20)
            assert more, "the browser has gone"
            self._left += more
        line, self._left = self._left.split(b"\0", 1)
        message = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, file, width, dark=False):
        """Show a file at a width, and forget what was said before."""
        self.events.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=file.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._next()

    def value(self, expression):
        """What JavaScript says."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            more = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def picture(self, file):
        """A picture of the whole page."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file

    def complaints(self):
        """Errors and warnings that the page caused, and requests that it made for anything but itself."""
        said = [e for e in self.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
        said += [e for e in self.events if e["method"] == "Runtime.consoleAPICalled"]
        asked = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return said, [e["params"]["request"]["url"] for e in asked]

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self._session = None
            self.ask("Browser.close")
        self._child.wait(timeout=30)
        os.close(self._write)
        os.close(self._read)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


class Parsed(HTMLParser):
    """A page as a browser reads it: elements with their attributes, and the text of each."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and all(a.get(name) == value for name, value in wanted.items())]

    @property
    def words(self):
        return re.sub(r"[ \n\t]+", " ", "".join(self.text))


@pytest.fixture(scope="session")
def parsed():
    return Parsed


@pytest.fixture(scope="session")
def found_in():
    """Everything that the folders of a run hold."""

    def found(place, **more):
        extra = {name: place / name for name in ("frontier.json", "stops") if (place / name).exists()}
        places = Places(
            place / "out" / "small",
            place / "out" / "big",
            frontier=extra.get("frontier.json"),
            steps=extra.get("stops"),
        )
        return find(replace(places, **{name: more.pop(name) for name in list(more) if name in PLACES}), **more)

    return found


PLACES = ("small", "big", "data", "comparison", "frontier", "steps")
