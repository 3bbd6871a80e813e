"""Which blocks lie below which root: learnt from every node that passes, forgotten when too many are known.

It is no permission: what is noted here is where somebody began to walk. Whether that is a dataset of this portal is
asked when a block must be fetched.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from etdb.errors import EtdbError
from etdb.ipfs import RAW, Cid, parse_node

__all__ = ["MAX_KNOWN", "KnownBlocks"]

MAX_KNOWN: Final = 1 << 17
"""Leaves that are known, and as many nodes."""


class KnownBlocks:
    """A bounded memory of what belongs to what. Can be used from several threads."""

    def __init__(self) -> None:
        self._leaves: OrderedDict[bytes, Cid] = OrderedDict()
        self._nodes: OrderedDict[bytes, Cid] = OrderedDict()
        self._lock = threading.Lock()

    def top(self, cid: Cid) -> Cid:
        """The root that a block was reached from; itself when nobody came by it."""
        with self._lock:
            for known in (self._nodes, self._leaves):
                found = known.get(cid.digest)
                if found is not None:
                    known.move_to_end(cid.digest)
                    return found
        return cid

    def learn(self, top: Cid, block: bytes) -> None:
        """Note what a node links to."""
        try:
            links = parse_node(block).links
        except EtdbError:
            return
        with self._lock:
            for link in links:
                if link.cid.digest == top.digest:
                    continue
                known = self._leaves if link.cid.codec == RAW else self._nodes
                known[link.cid.digest] = top
                known.move_to_end(link.cid.digest)
                if len(known) > MAX_KNOWN:
                    known.popitem(last=False)
