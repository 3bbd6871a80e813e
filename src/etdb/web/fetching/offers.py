"""Who offered the files of a dataset when they were asked for last: what pages say, without asking anybody."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from etdb.ipfs import Cid

__all__ = ["MAX_OFFERS", "Offer", "Offers"]

MAX_OFFERS: Final = 65_536
"""Datasets of which it is remembered."""
STALE_S: Final = 900.0
"""What is older says nothing about now."""


class Offer(Struct, frozen=True, kw_only=True):
    """What the last try said: somebody gave a block, or nobody did. ``time_s`` is Unix time."""

    state: Literal["offered", "nobody"]
    time_s: float


class Offers:
    """Remembers the last try of each dataset. Can be used from several threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._known: OrderedDict[bytes, Offer] = OrderedDict()
        self._lock, self._clock = threading.Lock(), clock

    def note(self, root: Cid, *, is_offered: bool) -> None:
        """Somebody gave a block of the dataset, or nobody did."""
        offer = Offer(state="offered" if is_offered else "nobody", time_s=self._clock())
        with self._lock:
            self._known[root.digest] = offer
            self._known.move_to_end(root.digest)
            if len(self._known) > MAX_OFFERS:
                self._known.popitem(last=False)

    def of(self, root: Cid) -> Offer | None:
        """What was last known of a dataset; None when nobody asked for it lately."""
        with self._lock:
            found = self._known.get(root.digest)
        return found if found is not None and self._clock() - found.time_s < STALE_S else None
