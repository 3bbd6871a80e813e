"""A CAR file as a block store: its index is made by reading the section heads once, its blocks stay in the file.

The index takes about 20 bytes a block: eight bytes of the hash, and where the section begins and how long it is.
"""

from __future__ import annotations

import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from etdb.blocks.hashing import open_source_file
from etdb.blocks.port import block_too_large, identity_block, not_in_store
from etdb.durable import write_durably
from etdb.errors import FormatError, StorageError, VerificationError
from etdb.ipfs import MAX_BLOCK_BYTES, Cid, DagClosure, DagCoverage, encode_car, read_cid, verify_block
from etdb.ipfs.car import MAX_CAR_HEADER_BYTES, MAX_CID_BYTES, parse_car_header
from etdb.ipfs.varint import MAX_VARINT_BYTES, parse_varint

__all__ = ["CarStore", "write_car"]

MAX_CAR_BLOCKS = 1 << 24
"""The most blocks of a CAR that is opened."""
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
        place = self._place(cid)
        if place is None:
            raise not_in_store(cid, self.name)
        offset, length = place
        if length > max_bytes:
            raise block_too_large(cid, length, max_bytes)
        block = self._read(offset, length)
        self._verify(cid, block, offset)
        return block

    def has(self, cid: Cid) -> bool:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        return cid.is_identity or self._place(cid) is not None

    def verify(self, roots: Sequence[Cid] | None = None) -> DagCoverage:
        """Read and check every block, and say whether the DAGs are all here. Memory is one block and the nodes.

        Args:
            roots: the DAGs to ask for instead of those that the header names.

        Raises:
            VerificationError: a block is not what its CID says; field ``offset``.
            FormatError: a node of the DAG is wrong.
        """
        closure = DagClosure(self.roots if roots is None else roots)
        for cid, offset, length in self._sections():
            block = self._read(offset, length)
            self._verify(cid, block, offset)
            closure.take(cid, block)
        return closure.result()

    def close(self) -> None:
        """See :class:`~etdb.blocks.port.BlockStore`."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _read_index(self) -> tuple[Cid, ...]:
        length, at = self._section(0, MAX_CAR_HEADER_BYTES)
        roots = parse_car_header(self._read(at, length)).roots
        self._first_section = at + length
        prefixes, offsets, lengths = array("Q"), array("Q"), array("I")
        for cid, offset, size in self._sections():
            if len(prefixes) == MAX_CAR_BLOCKS:
                raise FormatError(f"{self.path} has more than {MAX_CAR_BLOCKS} blocks")
            if not cid.is_identity:
                prefixes.append(_prefix(cid))
                offsets.append(offset)
                lengths.append(size)
        order = sorted(range(len(prefixes)), key=prefixes.__getitem__)
        self._prefixes = array("Q", (prefixes[number] for number in order))
        self._offsets = array("Q", (offsets[number] for number in order))
        self._lengths = array("I", (lengths[number] for number in order))
        return roots

    def _sections(self) -> Iterator[tuple[Cid, int, int]]:
        """The CID of each section, and where its block is: offset and length."""
        at = self._first_section
        while at < self._size:
            length, start = self._section(at, MAX_BLOCK_BYTES + MAX_CID_BYTES)
            head = self._read(start, min(length, MAX_CID_BYTES))
            cid, used = read_cid(head, 0)
            yield cid, start + used, length - used
            at = start + length

    def _place(self, cid: Cid) -> tuple[int, int] | None:
        """Offset and length of a block. Others may share eight bytes of its hash: the whole stands before the block."""
        prefix = _prefix(cid)
        at = bisect_left(self._prefixes, prefix)
        while at < len(self._prefixes) and self._prefixes[at] == prefix:
            offset = self._offsets[at]
            # Every form of a CID with a SHA-256 ends in the hash.
            if self._read(offset - len(cid.digest), len(cid.digest)) == cid.digest:
                return offset, self._lengths[at]
            at += 1
        return None

    def _verify(self, cid: Cid, block: bytes, offset: int) -> None:
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


def _prefix(cid: Cid) -> int:
    return int.from_bytes(cid.digest[:8], "big")
