"""Serving an application: in the foreground until a signal, or in a thread until told to stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from etdb.errors import InputError

__all__ = ["serve", "serving"]

_BACKLOG = 256


def serve(app: Any, host: str = "127.0.0.1", port: int = 0, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Only this machine can connect unless another host is given.

    Args:
        app: an ASGI application.
        host: address to listen at.
        port: 0 for any free one.
        on_ready: told the URL as soon as requests are answered.

    Raises:
        InputError: the address cannot be listened at.
    """
    with _listening(host, port) as listener:
        _Server(app, _url(listener), on_ready).run(sockets=[listener])


@contextmanager
def serving(app: Any, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread while the ``with`` block runs; gives the URL.

    Raises:
        InputError: the address cannot be listened at.
    """
    ready = threading.Event()
    with _listening(host, port) as listener:
        url = _url(listener)
        server = _Server(app, url, lambda _url: ready.set())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="etdb-serving", daemon=True)
        thread.start()
        try:
            while thread.is_alive() and not ready.wait(0.05):
                pass
            yield url
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    def __init__(self, app: Any, url: str, on_ready: Callable[[str], None] | None) -> None:
        # http.client and browsers need neither websockets nor a log of each request.
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=5))
        self._url, self._on_ready = url, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(self._url)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen at {host} port {port}: {error}", hint="use another --host or --port, or 0 for a free port"
        ) from error
    with listener:
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
