"""A road to a real node on which answers get lost, late, cut off or exchanged for something else.

with BadRoad(node, "cut", share=0.1) as road:
    RpcClient(road.url, ...)        # a tenth of its requests fare badly; the others pass as they are
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self

from fcoin_node import FcoinNode

__all__ = ["WEATHER", "BadRoad"]

WEATHER: Final = ("429", "500", "html", "cut", "slow", "lost before", "lost behind")
"""What happens to a request: three strange answers, without the node being asked; its true answer cut in the middle,
or a byte at a time; the connection closed before the node is asked, or after, so that nobody hears what it did."""
SLOW_BYTE_S: Final = 0.25


class BadRoad:
    """Listens on loopback, and asks a node in the place of who asks it.

    Args:
        node: where the road leads.
        weather: one of ``WEATHER``.
        share: of the requests, how many fare badly; the same ones every time.
    """

    def __init__(self, node: FcoinNode, weather: str, *, share: float) -> None:
        assert weather in WEATHER
        self._node, self._weather, self._share = node, weather, share
        self._lock = threading.Lock()
        self._dice = random.Random(weather)
        self.asked = self.struck = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """What is given as the node's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def password_file(self) -> Path:
        """That of the node."""
        return self._node.password_file()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next_weather(self) -> str:
        with self._lock:
            self.asked += 1
            if self._dice.random() >= self._share:
                return ""
            self.struck += 1
            return self._weather

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._node.http_port, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _handler(road) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (the handler has its own self)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                weather = road._next_weather()
                if weather in {"429", "500"}:
                    self._answer(int(weather), b"not now")
                elif weather == "html":
                    self._answer(200, b"<!doctype html><title>Log in to the hotel's network</title>")
                elif weather == "lost before":
                    self.close_connection = True
                else:
                    wanted = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                    status, data = road._ask(self.command, self.path, wanted, body)
                    self._answer(status, data, weather)

            do_GET = do_POST  # noqa: N815 (the name that http.server looks for)

            def _answer(self, status: int, data: bytes, weather: str = "") -> None:
                if weather == "lost behind":
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.close_connection = weather in {"cut", "slow"}
                with suppress(OSError):  # who asked has lost patience, and is gone
                    self.end_headers()
                    if weather == "slow":
                        for at in range(len(data)):
                            self.wfile.write(data[at : at + 1])
                            time.sleep(SLOW_BYTE_S)
                    self.wfile.write(data[: len(data) // 2] if weather == "cut" else data)

            def log_message(self, *_: object) -> None:
                """Nothing: tests say what they saw."""

        return Handler
