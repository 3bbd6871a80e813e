"""A CAR file as a block store: its index is made by reading the section heads once, its blocks stay in the file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from etdb.blocks.hashing import open_source_file
from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.durable import write_durably
from etdb.errors import FormatError, StorageError, VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid, encode_car, read_cid, verify_block
from etdb.ipfs.car import MAX_CAR_HEADER_BYTES, MAX_CID_BYTES, parse_car_header
from etdb.ipfs.varint import MAX_VARINT_BYTES, parse_varint

__all__ = ["CarStore", "write_car"]

_HEAD_BYTES = MAX_VARINT_BYTES + MAX_CID_BYTES


def write_car(path: Path, roots: Sequence[Cid], blocks: Iterable[tuple[Cid, bytes]]) -> None:
    """Write a CAR under a temporary name, flush it and rename it.

    Raises:
        DiskFullError: no room left; nothing is left behind.
        StorageError: it cannot be written.
    """
    write_durably(path, encode_car(roots, blocks))


class CarStore:
    """The blocks of one CAR file. Opening it reads the heads of all sections, not the blocks.

    Raises:
        SourceFileError: the file cannot be opened.
        FormatError: not a CAR of version 1, or cut off; field ``offset``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = open_source_file(path)
        try:
            self._size = os.fstat(self._descriptor).st_size
            self._places: dict[bytes, tuple[int, int]] = {}
            self.roots = self._read_index()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return str(self.path)

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK_BYTES) -> bytes:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        block = identity_block(cid, max_bytes)
        if block is not None:
            return block
        place = self._places.get(cid.digest)
        if place is None:
            raise not_in_store(cid, self.name)
        offset, length = place
        if length > max_bytes:
            raise block_too_large(cid, length, max_bytes)
        block = self._read(offset, length)
        try:
            verify_block(cid, block, source=self.name)
        except VerificationError as error:
            raise VerificationError(
                f"{error.message} at offset {offset}",
                hint=error.hint,
                cid=str(cid),
                offset=offset,
                source=self.name,
            ) from None
        return block

    def has(self, cid: Cid) -> bool:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return cid.is_identity or cid.digest in self._places

    def close(self) -> None:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _read_index(self) -> tuple[Cid, ...]:
        length, at = self._section(0, MAX_CAR_HEADER_BYTES)
        roots = parse_car_header(self._read(at, length)).roots
        at += length
        while at < self._size:
            length, start = self._section(at, MAX_BLOCK_BYTES + MAX_CID_BYTES)
            head = self._read(start, min(length, MAX_CID_BYTES))
            cid, used = read_cid(head, 0)
            if not cid.is_identity:
                self._places.setdefault(cid.digest, (start + used, length - used))
            at = start + length
        return roots

    def _section(self, at: int, limit: int) -> tuple[int, int]:
        head = self._read(at, min(_HEAD_BYTES, self._size - at))
        length, used = parse_varint(head, 0, what=f"CAR section at offset {at}: length")
        start = at + used
        if not 0 < length <= limit:
            raise FormatError(f"{self.path}: a CAR section of {length} bytes at offset {at}", offset=at)
        if length > self._size - start:
            raise FormatError(f"{self.path}: the CAR is cut off in the section at offset {at}", offset=at)
        return length, start

    def _read(self, offset: int, length: int) -> bytes:
        descriptor = self._descriptor
        if descriptor is None:
            raise StorageError(f"{self.path} was closed", path=str(self.path))
        try:
            return os.pread(descriptor, length, offset)
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be read at offset {offset}: {error.strerror}", path=str(self.path), offset=offset
            ) from error
