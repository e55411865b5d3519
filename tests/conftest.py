"""A browser that is asked over a pipe (DevTools protocol), and one thread for all sums."""

import base64
import contextlib
import json
import os
import shutil
import subprocess

import hypothesis
import pytest

from recprune import dispatch

hypothesis.settings.register_profile("repeated", derandomize=True)
hypothesis.settings.load_profile("repeated")  # the same examples every time; new ones by --hypothesis-profile=default

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the same sums everywhere; read when torch is first imported

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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

    def open(self, page, width, dark=False):
        """Show a file, or what lies at an address, at a width, and forget what was said before."""
        self.events.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
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


@pytest.fixture(params=["numpy", *dispatch.LEVELS])
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every way to run kernels that this machine has, and numpy."""
    if request.param not in dispatch._there():
        pytest.skip(f"{request.param} does not run here")
    monkeypatch.setenv("RECPRUNE_KERNELS", request.param)
    return request.param
