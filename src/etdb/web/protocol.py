"""HTTP/1.1 of the general server, with an end to every request: whoever sends one drop by drop is left.

uvicorn's own protocol waits for the rest of a head or a body for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["MAX_CONNECTIONS", "MAX_REQUEST_HEAD_BYTES", "REQUEST_S", "BoundedProtocol"]

REQUEST_S: Final = 15
"""In this time a request must be here, head and body."""
MAX_REQUEST_HEAD_BYTES: Final = 16 * 1024
MAX_CONNECTIONS: Final = 1_000
"""Of the general server; who comes then is told to come again (503)."""


class BoundedProtocol(H11Protocol):
    """A connection whose requests come in time."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._rest()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next request may be here already; between requests uvicorn's own limit counts."""
        super().on_response_complete()
        self._rest()
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self._watch()

    def _watch(self) -> None:
        """Keep the time of a request that is not whole; one that is has none to keep."""
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._rest()
        elif self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _rest(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
