"""A connection of the general server that does not wait for ever.

The server waits without an end for the rest of a head, and for a client to take what was sent to it. Whoever opens
connections and then does nothing would hold them all, with what they are sent in memory.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["SILENCE_S", "PatientConnection"]

SILENCE_S: Final = 30
"""A client is left that takes nothing for this long, or does not send a whole request in it. Nothing is uploaded here,
so no request is long."""
_LOOKS: Final = 6
"""How often it is looked at in that time."""


class PatientConnection(H11Protocol):
    """As uvicorn's, but it ends with the patience for its client."""

    silence_s: float = SILENCE_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._last_request_s = self._last_taken_s = self.loop.time()
        self._untaken_bytes = 0
        self._next_look = self.loop.call_later(self.silence_s / _LOOKS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        now, untaken = self.loop.time(), self.transport.get_write_buffer_size()
        if not untaken or untaken != self._untaken_bytes:
            self._untaken_bytes, self._last_taken_s = untaken, now
        cycle: Any = self.cycle  # None before the first request
        if untaken or (cycle is not None and not cycle.more_body and not cycle.response_complete):
            self._last_request_s = now  # its request is here, and its answer is under way
        if now - min(self._last_request_s, self._last_taken_s) >= self.silence_s:
            # Not closed: that would wait until the rest is taken.
            self.transport.abort()
        else:
            self._next_look = self.loop.call_later(self.silence_s / _LOOKS, self._look)
