"""Serving an application: in the foreground until a signal, or in a thread until told to stop."""

from __future__ import annotations

import asyncio
import functools
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from etdb.errors import InputError
from etdb.web.answers import GatewayAnswers
from etdb.web.bytelane import ByteLane
from etdb.web.patience import PatientConnection
from etdb.web.watching import RequestWatch

__all__ = ["serve", "serving"]

_BACKLOG = 256
MAX_CONNECTIONS = 256
"""Of the general server at a time, each with up to 4 MiB that its client has not taken; then 503."""
MAX_REQUEST_HEAD_BYTES = 16 * 1024
_DESCRIPTORS = 8192
THREADS = 48
"""That answer what the lane for bytes does not; some of them wait for what is fetched from elsewhere."""


def serve(app: Any, host: str = "127.0.0.1", port: int = 0, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Only this machine can connect unless another host is given.

    Args:
        app: an ASGI application. Plain requests for what its ``state.gateway`` answers, where it has one, are sent by
            :class:`~etdb.web.bytelane.ByteLane`.
        host: address to listen at.
        port: 0 for any free one.
        on_ready: told the URL as soon as requests are answered.

    Raises:
        InputError: the address cannot be listened at.
    """
    _allow_many_files()
    with _listening(host, port) as listener:
        _Server(app, listener, on_ready).run()


@contextmanager
def serving(app: Any, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread while the ``with`` block runs; gives the URL.

    Raises:
        InputError: the address cannot be listened at.
    """
    ready = threading.Event()
    with _listening(host, port) as listener:
        url = _url(listener)
        server = _Server(app, listener, lambda _url: ready.set())
        thread = threading.Thread(target=server.run, name="etdb-serving", daemon=True)
        thread.start()
        try:
            while thread.is_alive() and not ready.wait(0.05):
                pass
            yield url
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    def __init__(self, app: Any, listener: socket.socket, on_ready: Callable[[str], None] | None) -> None:
        # http.client and browsers need neither websockets nor a log of each request.
        config = uvicorn.Config(
            app,
            http=PatientConnection,
            ws="none",
            log_config=None,
            server_header=False,
            h11_max_incomplete_event_size=MAX_REQUEST_HEAD_BYTES,
            access_log=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._listener, self._on_ready = listener, on_ready
        answers = getattr(getattr(app, "state", None), "gateway", None)
        self._answers = answers if isinstance(answers, GatewayAnswers) else None
        watch = getattr(getattr(app, "state", None), "watch", None)
        self._watch = watch if isinstance(watch, RequestWatch) else None
        self._lane: ByteLane | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="etdb-answers"))
        await super().startup(sockets=[] if self._answers else [self._listener])
        if self.started and self._answers is not None:
            loop = asyncio.get_running_loop()
            note = self._watch.note_content if self._watch else None
            self._lane = ByteLane(self._listener, self._answers, functools.partial(self._adopt, loop), note=note)
        if self.started and self._on_ready is not None:
            self._on_ready(_url(self._listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._lane is not None:
            await asyncio.to_thread(self._lane.close)
        await super().shutdown(sockets=sockets)

    def _adopt(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        """Serve a connection that was accepted elsewhere; called from other threads."""
        try:
            asyncio.run_coroutine_threadsafe(self._serve_accepted(loop, connection), loop)
        except RuntimeError:  # the loop has ended
            connection.close()

    async def _serve_accepted(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        def create_protocol() -> asyncio.Protocol:
            protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return protocol

        try:
            await loop.connect_accepted_socket(create_protocol, connection)
        except OSError:
            connection.close()


def _allow_many_files() -> None:
    """Connections and files are descriptors; many systems give a process 1,024 unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
        # What is accepted inherits it; asyncio sets it only where a socket names its protocol. Without it the body of
        # an answer waits for the client's word on its head: 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
