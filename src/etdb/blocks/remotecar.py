"""A CAR file on a plain web server as a block store: nothing runs there that knows of IPFS.

The heads of its sections are read as far as they are needed, by small ranges; they say where each block is. Blocks that
follow each other come in one range. Every block is checked, so a wrong CAR, or one that is not the one that was meant,
costs time and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.blocks.remotefile import RemoteFile
from etdb.errors import FormatError, SourceError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid, LeafFound, read_cid, verify_block, verify_leaf
from etdb.ipfs.car import MAX_CAR_HEADER_BYTES, MAX_CID_BYTES, parse_car_header
from etdb.ipfs.varint import MAX_VARINT_BYTES, parse_varint

__all__ = ["RemoteCar"]

MAX_SECTIONS = 1 << 18
"""The most blocks of a CAR that is read this way: its index takes up to 60 MiB then."""
_HEAD_BYTES = MAX_VARINT_BYTES + MAX_CID_BYTES
_WINDOW_BYTES = 128 << 10
_SMALL_BYTES = 32 << 10
_GAP_BYTES = 64 << 10
"""Between neighbouring leaves stand the heads of sections, and sometimes a node."""


class RemoteCar:
    """The blocks of a CAR at a URL. Can be used from several threads.

    Args:
        url: of the file.
        timeout_s: seconds of silence before the server is given up.
        public_only: see :class:`~etdb.blocks.http.HttpSource`.
        scratch: where the file is kept for a while when the server has no ranges.

    Raises:
        InputError: not such a URL.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 30.0, public_only: bool = False, scratch: Path | None = None
    ) -> None:
        self._file = RemoteFile(url, timeout_s=timeout_s, public_only=public_only, scratch=scratch)
        self._places: dict[bytes, tuple[int, int]] = {}
        self._next = 0
        self._is_indexed = False
        self._sections = 0
        self._typical_bytes = 0
        self._window = (0, b"")
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return self._file.url

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`.

        Raises:
            FormatError: the file is no CAR of version 1, or cut off.
        """
        block = identity_block(cid, max_bytes)
        if block is not None:
            return block
        offset, length = self._place(cid)
        if length > max_bytes:
            raise block_too_large(cid, length, max_bytes)
        block = self._read(offset, length)
        verify_block(cid, block, source=self.name)
        return block

    def has(self, cid: Cid) -> bool:
        """Whether the file says that it has the block."""
        if cid.is_identity:
            return True
        return self._find(cid) is not None

    def read_leaves(
        self, file_cid: Cid, leaves: Sequence[LeafFound], buffer: bytearray | memoryview
    ) -> Iterator[tuple[LeafFound, memoryview]]:
        """Neighbouring leaves of a file, those that lie together in one request; see ``GatewayStore.read_leaves``."""
        view = memoryview(buffer)
        places = [(leaf, *self._place(leaf.cid)) for leaf in leaves]
        for leaf, _, length in places:
            if leaf.length != length:
                raise FormatError(f"the CAR {self.name} has {length} bytes of {leaf.cid}", cid=str(file_cid))
        for run in _together(places):
            start, stop = run[0][1], run[-1][1] + run[-1][2]
            with self._file.stream(start, stop) as response:
                at = start
                for leaf, offset, length in run:
                    piece = view[:length]
                    if response is None:
                        piece[:] = self._whole(self._file.read(offset, length), offset, length)
                    else:
                        while at < offset and (skipped := self._file.fill(response, view[: offset - at])):
                            at += skipped
                        if self._file.fill(response, piece) != length:
                            raise SourceError(f"{self.name} broke off at offset {offset}", source=self.name)
                    at = offset + length
                    verify_leaf(leaf, piece, source=self.name)
                    yield leaf, piece

    def close(self) -> None:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        self._file.close()

    def _place(self, cid: Cid) -> tuple[int, int]:
        found = self._find(cid)
        if found is None:
            raise not_in_store(cid, self.name)
        return found

    def _find(self, cid: Cid) -> tuple[int, int] | None:
        """Where a block is; the index is made as far as that takes."""
        while cid.digest not in self._places and not self._is_indexed:
            with self._lock:
                if cid.digest not in self._places and not self._is_indexed:
                    self._read_on()
        return self._places.get(cid.digest)

    def _read_on(self) -> None:
        """Read the next heads: many at once where blocks are small."""
        if not self._next:
            head = self._file.read(0, MAX_VARINT_BYTES + MAX_CAR_HEADER_BYTES)
            length, start = parse_varint(head, 0, what=f"{self.name}: length of the CAR's header")
            if not 0 < length <= MAX_CAR_HEADER_BYTES:
                raise FormatError(f"{self.name} is no CAR: a header of {length} bytes", source=self.name)
            parse_car_header(head[start : start + length])
            self._next = start + length
        window = self._file.read(self._next, _HEAD_BYTES if self._typical_bytes > _SMALL_BYTES else _WINDOW_BYTES)
        if not window:
            if self._next != self._file.size_bytes():
                raise FormatError(f"{self.name}: the CAR is cut off", offset=self._next, source=self.name)
            self._is_indexed = True
            return
        base, at = self._next, 0
        self._window = (base, window)
        while at < len(window):
            if at and len(window) - at < _HEAD_BYTES:
                break
            length, start = parse_varint(window, at, what=f"{self.name}: CAR section at offset {base + at}: length")
            if not 0 < length <= MAX_BLOCK_BYTES + MAX_CID_BYTES:
                raise FormatError(f"{self.name}: a CAR section of {length} bytes at offset {base + at}")
            cid, block = read_cid(window, start)
            end = start + length
            self._sections += 1
            if end < block or self._sections > MAX_SECTIONS:
                raise FormatError(f"{self.name}: a CAR section of {length} bytes at offset {base + at}, or too many")
            if not cid.is_identity:
                self._places.setdefault(cid.digest, (base + block, end - block))
            self._typical_bytes = (self._typical_bytes + length) // 2
            at = end
        self._next = base + at

    def _read(self, offset: int, length: int) -> bytes:
        base, window = self._window
        if base <= offset and offset + length <= base + len(window):
            return window[offset - base : offset - base + length]
        if length > _SMALL_BYTES:
            return self._whole(self._file.read(offset, length), offset, length)
        window = self._file.read(offset, _WINDOW_BYTES)
        self._window = (offset, window)
        return self._whole(window[:length], offset, length)

    def _whole(self, data: bytes, offset: int, length: int) -> bytes:
        if len(data) < length:
            raise FormatError(f"{self.name}: the CAR is cut off in the block at offset {offset}", offset=offset)
        return data


_Placed = tuple[LeafFound, int, int]


def _together(places: Sequence[_Placed]) -> Iterator[list[_Placed]]:
    """Leaves that lie behind each other with little between them."""
    run: list[_Placed] = []
    for place in places:
        if run and not 0 <= place[1] - (run[-1][1] + run[-1][2]) <= _GAP_BYTES:
            yield run
            run = []
        run.append(place)
    if run:
        yield run
