"""A ledger that lives in one file: the reading half of the port, without a node. See docs/reference/ledger-file.md."""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from etdb.durable import storage_error
from etdb.errors import FormatError, NotFoundError, StorageError, VerificationError
from etdb.flo import REGTEST, Transaction, network, parse_header, sha256d
from etdb.ledger.archive_format import CarriedBlock, Section, parse_section
from etdb.ledger.archive_memory import load_checked, store_checked
from etdb.ledger.archive_scan import CheckedFile, Progress, expand_section, scan_file, verify_carried
from etdb.ledger.port import (
    BlockRef,
    InclusionEvidence,
    LedgerBlock,
    LedgerMessage,
    TxStatus,
)
from etdb.ledger.read_only import ReadOnlyLedger
from etdb.ledger.senders import shown_senders

__all__ = ["LEDGER_SUFFIX", "LedgerFile"]

LEDGER_SUFFIX: Final = ".etdb-ledger"
_KEPT_SECTIONS: Final = 2
_COPY_BYTES: Final = 1 << 20
_NUMBER_BITS: Final = 24
_NUMBER_MASK: Final = (1 << _NUMBER_BITS) - 1


class _Opened(msgspec.Struct, frozen=True):
    """A section that was read: its headers whole, their hashes in wire order, its messages."""

    headers: list[bytes]
    hashes: list[bytes]
    section: Section


class LedgerFile(ReadOnlyLedger):
    """A ledger file, verified whole when it is opened. Implements the port ``Ledger`` for readers.

    What it cannot say: which coins there are, what waits for a block, and whether the file leaves messages out. A
    file of the messages of OIP alone (``checked.preamble.messages``) does so on purpose.

    Args:
        path: the file.
        memory: where it is kept that this file was verified, so that the next one who opens it need not wait.
        check_work: also check the proof of work of the headers above the last checkpoint; whatever is kept.
        progress: told ("check", bytes read, bytes in all).

    Raises:
        FormatError: not a ledger file, cut off, damaged or beyond the limits.
        VerificationError: a header or transaction is not what it should be.
        StorageError: it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        memory: Path | None = None,
        check_work: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.path = path
        self._places: dict[bytes, int] = {}
        self._recent: OrderedDict[int, _Opened] = OrderedDict()
        self._proved: tuple[tuple[int, int], list[tuple[Transaction, tuple[bytes, ...]]]] | None = None
        try:
            # Without O_NONBLOCK a pipe of this name would be waited for.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                self._refuse_irregular()
                self.checked = self._verified(memory, progress, check_work=check_work)
            except BaseException:
                os.close(self._descriptor)
                raise
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise storage_error(error, path) from error
        self._network = network(self.checked.preamble.network)
        self._starts = [one.height for one in self.checked.sections]

    def _refuse_irregular(self) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise StorageError(f"{self.path} is not a regular file", hint="name a ledger file", path=str(self.path))

    def _verified(self, memory: Path | None, progress: Progress | None, *, check_work: bool) -> CheckedFile:
        known = load_checked(memory, self._descriptor) if memory is not None and not check_work else None
        if known is not None:
            checked, self._places = known
            return checked
        checked = scan_file(
            self._descriptor, self.path, check_work=check_work, progress=progress, on_message=self._note
        )
        if memory is not None:
            store_checked(memory, self._descriptor, checked, self._places)
        return checked

    def _note(self, txid: bytes, section: int, block: int, number: int) -> None:
        self._places.setdefault(txid, (section << 2 * _NUMBER_BITS) | (block << _NUMBER_BITS) | number)

    @property
    def network_name(self) -> str:
        """FLO's name of the network."""
        return self.checked.preamble.network

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def copy(self, end: int) -> Iterator[bytes]:
        """The file's bytes up to an offset, as they were verified.

        Raises:
            StorageError: they are no longer there.
        """
        offset = 0
        while offset < end:
            piece = self._read(min(_COPY_BYTES, end - offset), offset)
            if not piece:
                raise self._changed(offset)
            yield piece
            offset += len(piece)

    def remember(self, copy: Path, memory: Path) -> None:
        """Keep that a copy of this file was verified, with what was found of its work.

        Raises:
            StorageError: the copy cannot be read.
        """
        try:
            descriptor = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
            try:
                store_checked(memory, descriptor, self.checked, self._places)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise storage_error(error, copy) from error

    def count_messages(self, sections: int) -> int:
        """How many messages the first sections have."""
        return sum(
            len(block.transactions) for number in range(sections) for block in self._open(number).section.carried
        )

    # -- blocks

    def tip(self) -> BlockRef | None:
        """The newest block of the file."""
        return BlockRef(self.checked.height, self.checked.tip_hash)

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height; None above the tip, and below where the file begins."""
        found = self._section_of(height)
        if found is None:
            return None
        block_hash = self._open(found).hashes[height - self.checked.sections[found].height]
        return BlockRef(height, block_hash[::-1].hex())

    def headers(self, start_height: int, count: int) -> list[bytes]:
        """Headers from a height on, 80 bytes each; fewer where the file ends, none below where it begins."""
        headers: list[bytes] = []
        while len(headers) < count and (found := self._section_of(start_height + len(headers))) is not None:
            offset = start_height + len(headers) - self.checked.sections[found].height
            headers += self._open(found).headers[offset : offset + count - len(headers)]
        return headers

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """Blocks from a height up to the tip, with the messages that the file has."""
        for number, place in enumerate(self.checked.sections):
            if place.height + place.blocks <= start_height:
                continue
            opened = self._open(number)
            carried = {one.offset: one for one in opened.section.carried}
            for offset, (raw, block_hash) in enumerate(zip(opened.headers, opened.hashes, strict=True)):
                if place.height + offset < start_height:
                    continue
                block = carried.get(offset)
                messages = [] if block is None else self._messages(block, raw, place.offset)
                header = parse_header(raw)
                yield LedgerBlock(
                    ref=BlockRef(place.height + offset, block_hash[::-1].hex()),
                    previous_hash=header.prev_hash,
                    time_s=header.time_s,
                    messages=tuple(messages),
                )

    def _messages(self, block: CarriedBlock, header: bytes, offset: int) -> list[LedgerMessage]:
        try:
            transactions = [transaction for transaction, _ in verify_carried(block, header)]
        except VerificationError as error:
            raise self._changed(offset) from error
        return [
            LedgerMessage(
                txid=transaction.txid,
                position=one.position,
                data=transaction.flo_data,
                sender=shown_senders(transaction, self._network),
            )
            for one, transaction in zip(block.transactions, transactions, strict=True)
        ]

    # -- transactions

    def status(self, txid: str) -> TxStatus:
        """What the file has of a transaction."""
        place = self._place(txid)
        if place is None:
            return TxStatus(txid=txid, state="unknown")
        section, block, _ = place
        height = self.checked.sections[section].height + self._open(section).section.carried[block].offset
        return TxStatus(txid=txid, state="confirmed", height=height, confirmations=self.checked.height - height + 1)

    def raw(self, txid: str) -> bytes:
        """A transaction's bytes."""
        return self.evidence(txid).raw_transaction

    def evidence(self, txid: str) -> InclusionEvidence:
        """The proof of a transaction's place."""
        place = self._place(txid)
        if place is None:
            raise NotFoundError(f"the ledger file has no transaction {txid[:64]}", txid=txid[:64])
        section, number, order = place
        opened = self._open(section)
        block = opened.section.carried[number]
        header = opened.headers[block.offset]
        if self._proved is None or self._proved[0] != (section, number):
            try:
                self._proved = (section, number), list(verify_carried(block, header))
            except VerificationError as error:
                raise self._changed(self.checked.sections[section].offset) from error
        transaction, branch = self._proved[1][order]
        if transaction.txid != txid:
            raise self._changed(self.checked.sections[section].offset)
        height = self.checked.sections[section].height + block.offset
        has_work = self._network is not REGTEST
        return InclusionEvidence(
            raw_transaction=block.transactions[order].raw,
            header=header,
            position=block.transactions[order].position,
            branch=branch,
            height=height,
            network=self._network.name,
            has_work=has_work,
            checked_work_blocks=max(0, self.checked.work_height - height + 1) if has_work else 0,
        )

    # -- inside

    def _place(self, txid: str) -> tuple[int, int, int] | None:
        try:
            packed = self._places.get(bytes.fromhex(txid)[::-1])
        except ValueError:
            return None
        if packed is None:
            return None
        return packed >> 2 * _NUMBER_BITS, (packed >> _NUMBER_BITS) & _NUMBER_MASK, packed & _NUMBER_MASK

    def _section_of(self, height: int) -> int | None:
        if not self.checked.preamble.start <= height <= self.checked.height:
            return None
        return bisect_right(self._starts, height) - 1

    def _open(self, number: int) -> _Opened:
        """A section, read again: its headers still lead where they did when the file was verified."""
        if number in self._recent:
            self._recent.move_to_end(number)
            return self._recent[number]
        place = self.checked.sections[number]
        try:
            section = parse_section(self._read(place.length, place.offset))
        except FormatError as error:
            raise self._changed(place.offset) from error
        headers = expand_section(section, place.previous)
        hashes = [sha256d(raw) for raw in headers]
        after = (
            self.checked.sections[number + 1].previous
            if number + 1 < len(self.checked.sections)
            else bytes.fromhex(self.checked.tip_hash)[::-1]
        )
        if hashes[-1] != after:
            raise self._changed(place.offset)
        opened = _Opened(headers, hashes, section)
        self._recent[number] = opened
        while len(self._recent) > _KEPT_SECTIONS:
            self._recent.popitem(last=False)
        return opened

    def _read(self, length: int, offset: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _changed(self, offset: int) -> StorageError:
        return StorageError(
            f"{self.path} changed while it was used, at byte {offset} or behind it",
            hint="run the same command again",
            path=str(self.path),
            offset=offset,
        )
