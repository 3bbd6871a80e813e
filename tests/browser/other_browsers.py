"""Firefox over Marionette, and WebKit over WebDriver: what else Debian has of browsers, without a window.

Both are given a profile below a folder of the test, may ask nobody but this machine, and are ended by process id.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

__all__ = ["Driven", "Firefox", "WebKit", "missing_programs"]

Found = TypeVar("Found")

_START_S = 40.0
_ANSWER_S = 60.0
_FIREFOX_PREFERENCES = {"marionette.port": 0, "network.dns.disabled": True}
_MINIBROWSERS = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"


class Driven(Protocol):
    """A browser that goes where it is told."""

    def go(self, url: str) -> None:
        """Open a page."""

    def run(self, script: str) -> Any:
        """What a script returns in the page."""

    def end(self) -> None:
        """Close it."""


def missing_programs(name: str) -> str:
    """What has to be installed for this browser, "" when nothing has."""
    if name == "firefox":
        return "" if shutil.which("firefox-esr") else "firefox-esr"
    there = [shutil.which("WebKitWebDriver"), shutil.which("Xvfb"), _minibrowser()]
    return "" if all(there) else "webkit2gtk-driver, xvfb and gstreamer1.0-libav"


def _minibrowser() -> str:
    return next((str(path) for path in sorted(Path("/").glob(_MINIBROWSERS[1:]))), "")


def _once_there(look: Callable[[], Found], trouble: str) -> Found:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return look()
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                raise AssertionError(trouble) from None
            time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(_ANSWER_S)
    if process.stdout is not None:
        process.stdout.close()


class Firefox:
    """Messages of Marionette are JSON behind their length and a colon."""

    def __init__(self, folder: Path) -> None:
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _FIREFOX_PREFERENCES.items()]
        (folder / "user.js").write_text("\n".join(lines), encoding="utf-8")
        self._open = ExitStack()
        process = subprocess.Popen(
            ["firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", str(folder)],
            env={**os.environ, "HOME": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._open.callback(_stop, process)
        self._asked = 0
        try:
            port = _once_there(lambda: int((folder / "MarionetteActivePort").read_text()), "Firefox does not start")
            self._socket = self._open.enter_context(
                _once_there(
                    lambda: socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S), "Firefox does not listen"
                )
            )
            self._answers = self._open.enter_context(self._socket.makefile("rb"))
            self._read()  # it greets
            self._call("WebDriver:NewSession", {})
        except BaseException:
            self.end()
            raise

    def go(self, url: str) -> None:
        self._call("WebDriver:Navigate", {"url": url})

    def run(self, script: str) -> Any:
        return self._call("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]

    def end(self) -> None:
        self._open.close()

    def _call(self, name: str, parameters: dict[str, Any]) -> Any:
        self._asked += 1
        message = json.dumps([0, self._asked, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def _read(self) -> Any:
        length = b""
        while (letter := self._answers.read(1)) not in {b":", b""}:
            length += letter
        return json.loads(self._answers.read(int(length)))


class WebKit:
    """Debian's small browser around WebKitGTK, on a screen in memory."""

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self._session = ""
        environment = {
            **os.environ,
            "HOME": str(folder),
            # Only pages of these tests are opened, and in a container its sandbox has no place.
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
            # A screen in memory has no graphics card: drawn through one all the same, movies stand still now and then.
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
            "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
        }
        try:
            screen = self._start(["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1400x1000x24"])
            assert screen.stdout is not None
            environment["DISPLAY"] = f":{int(screen.stdout.readline())}"
            with socket.create_server(("127.0.0.1", 0)) as held:
                self._port = held.getsockname()[1]
            self._start(["WebKitWebDriver", f"--port={self._port}", "--host=127.0.0.1"], environment)
            options = {"binary": _minibrowser(), "args": ["--automation"]}
            wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
            self._session = _once_there(lambda: self._call("POST", "", wanted), "WebKit does not start")["sessionId"]
        except BaseException:
            self.end()
            raise

    def _start(self, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._open.callback(_stop, process)
        return process

    def go(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def run(self, script: str) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def end(self) -> None:
        try:
            if self._session:
                self._call("DELETE", "", None)
        finally:
            self._open.close()

    def _call(self, method: str, path: str, body: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_S)
        try:
            place = f"/session/{self._session}{path}" if self._session else "/session"
            connection.request(method, place, None if body is None else json.dumps(body))
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value
