"""Debian's Chromium without a window, driven over its DevTools pipe: pages are loaded, keys pressed, what is shown is read."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_SECONDS = 90.0
_OPTIONS = (
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
)
#: Chromium reads commands from descriptor 3 and answers on 4.
_LAUNCHER = """
import os, sys
from fcntl import F_DUPFD, fcntl
asked, answered = (fcntl(int(number), F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(asked, 3)
os.dup2(answered, 4)
os.execvp("chromium", ["chromium", *sys.argv[3:]])
"""


class Chromium:
    """One browser with one page. `requested` are the addresses that the page asked for, `complaints` what its console said."""

    def __init__(self, profile: Path) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._numbers = 0
        self._buffer = b""
        self._session = ""
        asked, self._asking = os.pipe()
        self._answers, answered = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(asked), str(answered), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(asked, answered),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(asked)
        os.close(answered)

    def __enter__(self) -> Chromium:
        """Open a page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._asking)
        os.close(self._answers)

    def open(self, address: str) -> None:
        """Load a page and wait until it is there."""
        self.ask("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a DevTools command and give its result; events that come meanwhile are noted."""
        self._numbers += 1
        message = {"id": self._numbers, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._asking, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _SECONDS
        while True:
            answer = self._read(until)
            if answer.get("id") == self._numbers:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._note(answer)

    def value(self, expression: str) -> Any:
        """Evaluate an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        until = time.monotonic() + _SECONDS
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < until, expression
            self.value("new Promise((resolve) => requestAnimationFrame(resolve))")

    def press(self, key: str) -> None:
        """Press a key, as a person does."""
        codes = {"Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}
        text = {"text": "\r"} if key == "Enter" else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=codes[key], **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=codes[key])

    def screenshot(self, file: Path) -> None:
        """Write what is shown as PNG."""
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

    def _read(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            read = os.read(self._answers, 1 << 16) if ready else b""
            assert read, "Chromium does not answer"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        said = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requested.append(said["request"]["url"])
        elif event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(said))
