"""CARs of a part of a DAG, made while they are sent, within limits.

Source: https://specs.ipfs.tech/http-gateways/trustless-gateway/ with IPIP-402 (scope and bytes) and IPIP-412 (order
and duplicates). Order is always depth first.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from etdb.blocks import DagReader
from etdb.blocks.files import OpenPlace
from etdb.blocks.reader import Scope as DagScope
from etdb.errors import FormatError, InputError
from etdb.ipfs import Cid, encode_car_header, encode_car_section
from etdb.web.wanted import CAR_TYPE, BusyError, Wanted, car_parameter

__all__ = ["MAX_CARS", "MAX_DIFFERENT_BLOCKS", "MAX_REPEATED_BLOCKS", "CarPart", "CarWriter"]

MAX_CARS: Final = 16
"""CARs that are made at the same time; who comes then is told to come again."""
MAX_DIFFERENT_BLOCKS: Final = 1 << 20
"""The most blocks of a CAR without duplicates: each one's hash is kept while it is made."""
MAX_REPEATED_BLOCKS: Final = 1 << 20
"""How often such a CAR passes over a block that it has already: nothing leaves meanwhile, so nobody would stop it."""
_PIECE_BYTES: Final = 64 * 1024
"""Small blocks leave together."""


class CarPart(Struct, frozen=True, kw_only=True):
    """What a CAR should hold.

    Attributes:
        scope: see :class:`~etdb.blocks.reader.DagReader`.
        start: first byte of a file.
        stop: behind the last byte; None for the end.
        has_duplicates: a block comes as often as the DAG repeats it.
    """

    scope: DagScope
    start: int
    stop: int | None
    has_duplicates: bool

    @property
    def tag(self) -> str:
        """What tells CARs of one root apart."""
        return f"{self.scope}.{self.start}.{self.stop}.{'y' if self.has_duplicates else 'n'}"

    @property
    def content_type(self) -> str:
        """With its parameters."""
        return f"{CAR_TYPE}; version=1; order=dfs; dups={'y' if self.has_duplicates else 'n'}"


class CarWriter:
    """Makes CARs from a store. Can be used from several threads.

    Args:
        reader: of the store.
        open_leaf: where the bytes of a leaf are, for leaves that are sent as they are; None hashes each once more.
    """

    def __init__(self, reader: DagReader, open_leaf: Callable[[Cid], OpenPlace | None] | None = None) -> None:
        self._reader, self._open_leaf = reader, open_leaf
        self._free = threading.BoundedSemaphore(MAX_CARS)

    def part(self, wanted: Wanted, cid: Cid) -> CarPart:
        """What a request wants of the DAG below ``cid``.

        Raises:
            InputError: a parameter that is not understood.
        """
        version = car_parameter(wanted, "version")
        if version not in {None, "1"}:
            raise InputError(f"CAR version {str(version)[:20]!r} is not made; version 1 is")
        duplicates = car_parameter(wanted, "dups") or "y"
        if duplicates not in {"y", "n"}:
            raise InputError(f"car-dups={duplicates[:20]!r} is not y or n")
        name = wanted.query.get("dag-scope", "all")
        scopes: dict[str, DagScope] = {"block": "block", "entity": "entity", "all": "all"}
        if name not in scopes:
            raise InputError(f"dag-scope={name[:40]!r} is not block, entity or all")
        span = wanted.query.get("entity-bytes")
        scope, start, stop = scopes[name], 0, None
        if span is not None:
            scope, start, stop = "entity", *self._bytes(span, cid)
        return CarPart(scope=scope, start=start, stop=stop, has_duplicates=duplicates == "y")

    def _bytes(self, span: str, cid: Cid) -> tuple[int, int | None]:
        found = re.fullmatch(r"(-?\d{1,40}):(\*|-?\d{1,40})", span)
        if found is None:
            raise InputError(f"entity-bytes={span[:40]!r} is not from:to")
        if self._reader.is_directory(cid):
            return 0, None
        size = self._reader.file_size(cid)
        first = int(found[1])
        last = size - 1 if found[2] == "*" else int(found[2])
        start = max(0, size + first) if first < 0 else min(first, size)
        stop = min(size, (size + last if last < 0 else last) + 1)
        return start, max(start, stop)

    def pieces(self, root: Cid, path: str, target: Cid, part: CarPart) -> Iterator[bytes | OpenPlace]:
        """The bytes of the CAR: its header first, then blocks; small ones together, large ones without a copy.

        Places come open and unread; whoever takes one closes it.

        Raises:
            BusyError: too many are made now.
            FormatError: more different blocks than are kept in mind, or a DAG that repeats itself without end.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError(f"{MAX_CARS} CARs are being made", hint="try again in some seconds")
        try:
            yield encode_car_header([target])
            joined: list[bytes] = []
            size = 0
            for cid, block in self._blocks(root, path, target, part):
                length = block.length if isinstance(block, OpenPlace) else len(block)
                joined.append(encode_car_section(cid, length))
                size += length
                if isinstance(block, bytes) and size < _PIECE_BYTES:
                    joined.append(block)
                    continue
                yield from _before(joined, block)
                joined, size = [], 0
            if joined:
                yield b"".join(joined)
        finally:
            self._free.release()

    def _blocks(self, root: Cid, path: str, target: Cid, part: CarPart) -> Iterator[tuple[Cid, bytes | OpenPlace]]:
        """Those that show the way to the target, then those of the target."""
        seen: set[bytes] = set()
        repeated = 0
        for cid, length in self._names(root, path, target, part):
            if not part.has_duplicates:
                if cid.digest in seen:
                    repeated += 1
                    if repeated > MAX_REPEATED_BLOCKS:
                        raise FormatError(f"the DAG {target} repeats its blocks more than {MAX_REPEATED_BLOCKS} times")
                    continue
                if len(seen) == MAX_DIFFERENT_BLOCKS:
                    raise FormatError(f"a CAR without duplicates has at most {MAX_DIFFERENT_BLOCKS} blocks")
                seen.add(cid.digest)
            yield cid, self._open(cid, length) or self._reader.block(cid, length)

    def _names(self, root: Cid, path: str, target: Cid, part: CarPart) -> Iterator[tuple[Cid, int | None]]:
        for cid in self._reader.blocks_on_way(root, path):
            if not cid.is_identity:
                yield cid, None
        yield from self._reader.walk(target, part.scope, part.start, part.stop)

    def _open(self, cid: Cid, length: int | None) -> OpenPlace | None:
        if self._open_leaf is None or length is None or length < _PIECE_BYTES:
            return None
        place = self._open_leaf(cid)
        if place is not None and place.length != length:
            place.close()
            return None
        return place


def _before(joined: list[bytes], block: bytes | OpenPlace) -> Iterator[bytes | OpenPlace]:
    """What was joined, then the block behind it; a place that is not taken is closed."""
    try:
        yield b"".join(joined)
    except BaseException:
        if isinstance(block, OpenPlace):
            block.close()
        raise
    yield block
