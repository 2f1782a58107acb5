"""A browser, driven through chromium-driver over WebDriver's HTTP: nothing but Python's own library is needed."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
WAIT_S = 10.0


class BrowserError(Exception):
    """What the driver refused, or what did not come in time."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Driver:
    """One chromium-driver process."""

    def __init__(self):
        program = shutil.which("chromedriver")
        if not program:
            raise BrowserError("chromedriver is missing; remedy: apt-get install chromium chromium-driver")
        self.port = free_port()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program, f"--port={self.port}"], stdout=self.log, stderr=self.log)
        until = time.monotonic() + 20
        while True:
            try:
                if self.request("GET", "/status")["ready"]:
                    return
            except (OSError, BrowserError):
                if time.monotonic() > until:
                    self.stop()
                    raise
                time.sleep(0.1)

    def request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refused:
            value = json.load(refused)["value"]
            raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}") from None

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Page:
    """One window with a size, a colour scheme and a language."""

    def __init__(self, driver, width, height, dark=False, locale="en"):
        self.driver = driver
        self.width = width
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--lang={locale}", "--hide-scrollbars"]
        answer = driver.request(
            "POST",
            "/session",
            {
                "capabilities": {
                    "alwaysMatch": {
                        "browserName": "chrome",
                        "goog:loggingPrefs": {"browser": "ALL"},
                        "goog:chromeOptions": {
                            "args": arguments,
                            "prefs": {"intl.accept_languages": "zh-CN,zh" if locale == "zh" else "en-US,en"},
                        },
                    }
                }
            },
        )
        self.session = f"/session/{answer['sessionId']}"
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme, {"name": "prefers-reduced-motion", "value": "reduce"}])
        self.troubles = []

    def call(self, method, path, body=None):
        return self.driver.request(method, self.session + path, body)

    def cdp(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, address):
        self.call("POST", "/url", {"url": address})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def address(self):
        return self.call("GET", "/url")

    def wait(self, what, probe, seconds=WAIT_S):
        """Waits until `probe()` gives something, and gives it."""
        until = time.monotonic() + seconds
        while True:
            try:
                found = probe()
            except BrowserError as error:
                if "stale element" not in str(error) and "no such element" not in str(error):
                    raise
                found = None
            if found:
                return found
            if time.monotonic() > until:
                raise BrowserError(f"after {seconds} s there is no {what}; the page says: {self.text()[:600]!r}")
            time.sleep(0.05)

    def find(self, selector, seconds=WAIT_S):
        """The first visible element of a selector."""

        def probe():
            for element in self.all(selector):
                if self.call("GET", f"/element/{element}/displayed"):
                    return element
            return None

        return self.wait(selector, probe, seconds)

    def all(self, selector):
        found = self.call("POST", "/elements", {"using": "css selector", "value": selector})
        return [one[ELEMENT] for one in found]

    def click(self, selector):
        """Clicks what is visible; waits while something lies over it or it is drawn anew."""

        def probe():
            element = self.find(selector)
            try:
                self.call("POST", f"/element/{element}/click", {})
                return True
            except BrowserError as error:
                if any(word in str(error) for word in ("intercepted", "stale", "not interactable")):
                    return False
                raise

        self.wait(f"{selector} to click", probe)

    def type(self, selector, text):
        element = self.find(selector)
        self.call("POST", f"/element/{element}/clear", {})
        self.call("POST", f"/element/{element}/value", {"text": text})

    def choose(self, selector, value):
        self.run(
            "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('input', {bubbles: true})); s.dispatchEvent(new Event('change', {bubbles: true}));",
            selector,
            value,
        )

    def keys(self, text):
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def text(self, selector="body"):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def see(self, selector, words, seconds=WAIT_S):
        """Waits until an element says something."""
        return self.wait(f"{words!r} in {selector}", lambda: words in self.text(selector), seconds)

    def screenshot(self, path, whole=False):
        data = self.cdp("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def read_log(self):
        """Takes what the console has told so far; errors and warnings of security are troubles."""
        for entry in self.call("POST", "/se/log", {"type": "browser"}):
            bad = entry["level"] == "SEVERE" or "Content Security Policy" in entry["message"]
            if bad:
                self.troubles.append(f"{entry['level']} {entry['message']}")
        return self.troubles

    def overflow(self):
        """How many pixels the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth") - self.width

    def close(self):
        self.call("DELETE", "")
