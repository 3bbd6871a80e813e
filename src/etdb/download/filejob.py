"""One file of a download: its leaves as pieces of work, and what each piece does."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from etdb.download.partfile import PartFile, storage_error
from etdb.download.pool import SourcePool
from etdb.download.runninghash import RunningHash
from etdb.errors import EtdbError, FormatError, VerificationError
from etdb.ipfs import (
    MAX_BLOCK_BYTES,
    RAW,
    Cid,
    DagWalk,
    DirectoryFound,
    FileFound,
    InlineFound,
    LeafFound,
    SymlinkFound,
    WalkLimits,
    group_leaves,
    verify_leaf,
)

__all__ = ["GROUP_BYTES", "MAX_UNKNOWN_FILE_BYTES", "FileJob", "Piece", "PieceResult"]

# One request. Memory does not depend on it: a worker's buffer holds one leaf.
GROUP_BYTES = 8 << 20
MAX_UNKNOWN_FILE_BYTES = 1 << 44


class Piece(Struct, frozen=True):
    """Neighbouring leaves of one file, or content that stood in a node; `first` is the number of the first leaf."""

    job: FileJob
    first: int
    leaves: tuple[LeafFound, ...]
    inline: InlineFound | None = None


class PieceResult(Struct, frozen=True, kw_only=True):
    """Bytes that were there already, and bytes that were fetched."""

    kept_bytes: int = 0
    fetched_bytes: int = 0


class FileJob:
    """The work on one file.

    Args:
        path: its path in the record.
        target: its safe path below `folder`.
        cid: its content.
        size_bytes: what the record says of its size, if it does.
        max_bytes: more than that is not written, where the record says nothing.
        sha256: what the manifest says of it, if it does.
        folder: the dataset's folder.
        hidden: the folder for what is incomplete.
    """

    def __init__(
        self,
        path: str,
        target: str,
        cid: Cid,
        *,
        size_bytes: int | None,
        max_bytes: int = MAX_UNKNOWN_FILE_BYTES,
        sha256: str | None,
        folder: Path,
        hidden: Path,
    ) -> None:
        self.path, self.target, self.cid = path, target, cid
        self.claimed_bytes, self._max_bytes = size_bytes, max_bytes
        self.size_bytes = 0
        self.kept_bytes = self.fetched_bytes = 0
        self.error: EtdbError | None = None
        self._sha256 = sha256
        self._folder, self._hidden = folder, hidden
        self._running: RunningHash | None = None
        self._part: PartFile | None = None
        self._open_pieces = 0
        self._all_given = self._is_claimed = False
        self._lock = threading.Lock()

    @property
    def final(self) -> Path:
        """Where the file lies when it is complete."""
        return self._folder / self.target

    @property
    def is_single_leaf(self) -> bool:
        """Whether the file's CID is that of its only leaf."""
        return self.cid.codec == RAW and not self.cid.is_identity

    def small_paths(self) -> tuple[str, str]:
        """For a single leaf: its final path, and where it lies until it is flushed."""
        digest = hashlib.sha256(self.cid.digest + self.target.encode()).hexdigest()
        return f"{self._folder}/{self.target}", f"{self._hidden}/{digest[:32]}.part"

    def pieces(self, pool: SourcePool) -> Iterator[Piece]:
        """The work, in order; nodes are fetched on the way, so that memory does not grow with the file.

        Raises:
            VerificationError: the content is not what the record says it is, or not a file.
            SourceError: nobody gives a node.
        """
        limit = self.claimed_bytes if self.claimed_bytes is not None else self._max_bytes
        walk = DagWalk(self.cid, WalkLimits(max_size_bytes=limit, max_entries=1))
        number = 0
        events = walk.start()
        while True:
            run: list[LeafFound] = []
            for event in events:
                if isinstance(event, LeafFound):
                    run.append(event)
                    continue
                for group in group_leaves(run, GROUP_BYTES):
                    yield self._piece(number, tuple(group))
                    number += len(group)
                run = []
                if isinstance(event, InlineFound):
                    yield self._piece(number, (), event)
                    number += 1
                else:
                    self._meet(event)
            for group in group_leaves(run, GROUP_BYTES):
                yield self._piece(number, tuple(group))
                number += len(group)
            cid = walk.next_wanted
            if cid is None:
                break
            events = walk.receive(cid, pool.get(cid))

    def _meet(self, event: FileFound | DirectoryFound | SymlinkFound) -> None:
        if isinstance(event, SymlinkFound):
            raise VerificationError(
                f"{self.path!r} is a symbolic link, not a file: links are never made or followed",
                hint="the record is wrong; the publisher can correct it",
                cid=str(self.cid),
                path=self.path,
            )
        if isinstance(event, DirectoryFound):
            raise VerificationError(f"{self.path!r} is a folder, not a file", cid=str(self.cid), path=self.path)
        if event.size_bytes is not None:
            self.verify_size(event.size_bytes)

    def verify_size(self, size: int) -> None:
        """Take over the size of the content.

        Raises:
            VerificationError: the record says another, or it is beyond the limit.
        """
        if self.claimed_bytes is not None and size != self.claimed_bytes:
            # The user agreed to the record's size; another one may be a mistake or a trap.
            raise VerificationError(
                f"{self.path!r} has {size} bytes, but its record says {self.claimed_bytes}",
                hint="the record is wrong; the publisher can correct it",
                cid=str(self.cid),
                path=self.path,
            )
        if size > self._max_bytes:
            raise FormatError(
                f"{self.path!r} has {size} bytes; {self._max_bytes} are the limit", cid=str(self.cid), path=self.path
            )
        self.size_bytes = size

    def _piece(self, first: int, leaves: tuple[LeafFound, ...], inline: InlineFound | None = None) -> Piece:
        with self._lock:
            self._open_pieces += 1
        return Piece(self, first, leaves, inline)

    def work(self, piece: Piece, pool: SourcePool, buffer: memoryview) -> PieceResult:
        """Bring one piece: look at what is there, fetch the rest, check, write.

        Raises:
            VerificationError, SourceError, NotFoundError: as the pool says.
            StorageError: it cannot be written.
        """
        part = self._place()
        if piece.inline is not None:
            result = self._write_inline(part, piece.first, piece.inline)
            start = piece.inline.offset
        elif piece.leaves[0].length is None:
            result, start = self._work_unsized(part, piece, pool), 0
        else:
            result, start = self._work_leaves(part, piece, pool, buffer), piece.leaves[0].offset
        if self._running is not None:
            self._running.ready(start, start + result.kept_bytes + result.fetched_bytes, buffer)
        return result

    def _work_leaves(self, part: PartFile, piece: Piece, pool: SourcePool, buffer: memoryview) -> PieceResult:
        kept = fetched = 0
        missing: list[tuple[int, LeafFound]] = []
        for number, leaf in enumerate(piece.leaves, piece.first):
            length = leaf.length or 0
            if part.may_have(number) and _is_right(part, leaf, buffer[:length]):
                kept += length
            else:
                missing.append((number, leaf))
        for first, leaves in _runs(missing):
            numbers = itertools.count(first)

            def write(leaf: LeafFound, view: memoryview, numbers: Iterator[int] = numbers) -> None:
                at = next(numbers)
                part.write(leaf.offset, view, range(at, at + 1))

            pool.bring(self.cid, leaves, buffer, write)
            fetched += sum(leaf.length or 0 for leaf in leaves)
        return PieceResult(kept_bytes=kept, fetched_bytes=fetched)

    def _work_unsized(self, part: PartFile, piece: Piece, pool: SourcePool) -> PieceResult:
        """A file that is one leaf, of which no node says the size."""
        leaf = piece.leaves[0]
        if part.may_have(piece.first):
            try:
                size = self.final.stat().st_size
            except OSError:
                size = -1
            if 0 <= size <= MAX_BLOCK_BYTES and _is_right(part, leaf, memoryview(bytearray(size))):
                self.verify_size(size)
                return PieceResult(kept_bytes=size)
        block = pool.get(leaf.cid)
        self.verify_size(len(block))
        part.write(0, memoryview(block), range(piece.first, piece.first + 1))
        return PieceResult(fetched_bytes=len(block))

    def _write_inline(self, part: PartFile, number: int, inline: InlineFound) -> PieceResult:
        size = len(inline.data)
        have = memoryview(bytearray(size))
        if part.may_have(number) and part.read(inline.offset, have) and have == inline.data:
            return PieceResult(kept_bytes=size)
        part.write(inline.offset, memoryview(inline.data), range(number, number + 1))
        return PieceResult(fetched_bytes=size)

    def done(self, result: PieceResult | None) -> None:
        """Count a piece that is done, or given up (None)."""
        with self._lock:
            self._open_pieces -= 1
            if result is not None:
                self.kept_bytes += result.kept_bytes
                self.fetched_bytes += result.fetched_bytes

    def all_given(self) -> None:
        """No more pieces will come."""
        with self._lock:
            self._all_given = True

    def claim_finish(self) -> bool:
        """Whether the caller is to finish the file: all pieces are done, and nobody else was told so."""
        with self._lock:
            if not self._all_given or self._open_pieces or self._is_claimed:
                return False
            self._is_claimed = True
            return True

    def finish(self) -> None:
        """Every leaf was checked: give the file its name, and compare it with the manifest's SHA-256.

        Raises:
            StorageError: it cannot be written.
            VerificationError: the manifest says another SHA-256.
        """
        part = self._place()
        found = self._running.digest(self.size_bytes) if self._running is not None else None
        part.finish(self.size_bytes)
        if self._sha256 is None:
            return
        if found is None:
            try:
                with self.final.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").digest()
            except OSError as error:
                raise storage_error(error, self.final) from error
        self.verify_sha256(found)

    def verify_sha256(self, found: bytes) -> None:
        """Compare the SHA-256 of the content with the manifest's.

        Raises:
            VerificationError: they differ.
        """
        if self._sha256 is not None and found.hex() != self._sha256.lower():
            raise VerificationError(
                f"{self.path!r}: the manifest says SHA-256 {self._sha256}, its content has {found.hex()}",
                hint="the content is what the record's location says; its manifest is wrong",
                cid=str(self.cid),
                path=self.path,
            )

    def close(self) -> None:
        """Let go of the files; what has arrived stays."""
        with self._lock:
            if self._part is not None:
                self._part.close()

    def _place(self) -> PartFile:
        with self._lock:
            if self._part is None:
                self._part = PartFile(self._folder, self._hidden, self.target, str(self.cid))
                if self._sha256 is not None:
                    self._running = RunningHash(self._part.read)
            return self._part


def _is_right(part: PartFile, leaf: LeafFound, room: memoryview) -> bool:
    if not part.read(leaf.offset, room):
        return False
    try:
        verify_leaf(leaf, room)
    except VerificationError:
        return False
    return True


def _runs(missing: Sequence[tuple[int, LeafFound]]) -> Iterator[tuple[int, list[LeafFound]]]:
    """Leaves that follow each other, together: one request each."""
    run: list[LeafFound] = []
    first = 0
    for number, leaf in missing:
        if run and number != first + len(run):
            yield first, run
            run = []
        if not run:
            first = number
        run.append(leaf)
    if run:
        yield first, run
