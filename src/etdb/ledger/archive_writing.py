"""Writing a ledger file from any ledger that gives its headers. The same chain gives the same bytes.

A file that is there is gone on with: what its chain shares with the ledger is copied, the rest written anew, so that
the result has the bytes that a new file would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import msgspec

from etdb.durable import write_durably
from etdb.errors import FormatError, InputError, LedgerError
from etdb.flo import display_hex, sha256d
from etdb.ledger.archive import LedgerFile
from etdb.ledger.archive_format import (
    SECTION_BLOCKS,
    CarriedBlock,
    CarriedTransaction,
    Preamble,
    Section,
    block_size,
    encode_end,
    encode_frame,
    encode_preamble,
    encode_section,
    header_stub,
    is_full,
)
from etdb.ledger.archive_proofs import join_branches
from etdb.ledger.archive_scan import Progress
from etdb.ledger.port import InclusionEvidence, Ledger, LedgerBlock
from etdb.oip import parse_message

__all__ = ["ExportReport", "LedgerWithHeaders", "export_ledger", "plan_sections"]


@runtime_checkable
class LedgerWithHeaders(Ledger, Protocol):
    """A ledger that also gives the headers of blocks without messages."""

    def headers(self, start_height: int, count: int) -> list[bytes]:
        """Headers from a height on, 80 bytes each; fewer where the chain ends."""


def is_protocol_text(data: bytes) -> bool:
    """Whether a message begins as one of the protocol's family, well-formed or not."""
    try:
        return parse_message(data) is not None
    except FormatError:
        return True


def _any_text(_: bytes) -> bool:
    return True


_SELECT: Final[Mapping[str, Callable[[bytes], bool]]] = {"all": _any_text, "oip": is_protocol_text}


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: the blocks of the file from ``start`` to ``height``, and how many of them are new in it."""

    network: str
    start: int
    height: int
    tip_hash: str
    messages: int
    new_blocks: int
    size_bytes: int
    sha256: str


def export_ledger(
    ledger: LedgerWithHeaders,
    path: Path,
    *,
    network_name: str,
    messages: str = "oip",
    start: int | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write a ledger to a file, or bring the file up to the ledger's tip.

    Args:
        ledger: what to write.
        path: the file; one that is there is verified first, and replaced as a whole at the end.
        network_name: FLO's name of the ledger's network.
        messages: which ones: "all", or "oip" for those that the Open Index Protocol's family may read.
        start: the height of the first block; None for the ledger's own first, or what the file has.
        progress: told ("export", height reached, height of the tip).

    Raises:
        InputError: the file that is there is of something else or reaches higher, the ledger has no blocks, or there is
            no such selection.
        LedgerError: the ledger changes while it is read.
        FormatError, VerificationError: the file that is there is not right.
    """
    if messages not in _SELECT:
        raise InputError(f"{messages!r} is no selection of messages", hint=f"one of {', '.join(_SELECT)}")
    tip = ledger.tip()
    first = next(ledger.blocks(start or 0), None)
    if tip is None or first is None:
        raise InputError("the ledger has no blocks to write", hint="let it follow its chain first")
    wanted = Preamble(network=network_name, start=first.ref.height, after=first.previous_hash, messages=messages)
    kept = LedgerFile(path) if path.exists() else None
    try:
        if kept is not None and start is None:
            had = kept.checked.preamble
            wanted = msgspec.structs.replace(wanted, start=had.start, after=had.after)
        if kept is not None and kept.checked.preamble != wanted:
            raise InputError(
                f"{path} is a ledger file of something else",
                hint="choose another name, or the network, start and messages that it has",
                path=str(path),
            )
        if kept is not None and tip.height < kept.checked.height:
            raise InputError(
                f"the ledger ends at block {tip.height}, {path} reaches block {kept.checked.height}",
                hint="wait until the ledger has caught up, or write to another name",
                path=str(path),
            )
        writer = _Writer(ledger, wanted, kept, tip.height)
        write_durably(path, writer.pieces(progress))
    finally:
        if kept is not None:
            kept.close()
    return writer.report()


def _shared_sections(kept: LedgerFile, ledger: Ledger) -> int:
    """How many sections stay: whole ones whose last block the ledger has too.

    The last one may have ended with the chain, not because it was full, so it is always made anew.
    """
    sections = kept.checked.sections
    for number in range(len(sections) - 1, 0, -1):
        last = ledger.block_ref(sections[number].height - 1)
        if last is not None and bytes.fromhex(last.block_hash)[::-1] == sections[number].previous:
            return number
    return 0


class _Writer:
    """The bytes of a file, and what is counted while they are made."""

    def __init__(
        self,
        ledger: LedgerWithHeaders,
        preamble: Preamble,
        kept: LedgerFile | None,
        last_height: int,
    ) -> None:
        self._ledger = ledger
        self._preamble = preamble
        self._kept = kept
        self._last_height = last_height
        self._is_wanted = _SELECT[preamble.messages]
        self._digest = sha256()
        self._size = self._messages = self._new_blocks = 0
        self._height = preamble.start - 1
        self._tip = bytes.fromhex(preamble.after)[::-1]

    def pieces(self, progress: Progress | None) -> Iterator[bytes]:
        """All bytes of the file."""
        kept, shared = self._kept, 0
        if kept is not None and (shared := _shared_sections(kept, self._ledger)):
            place = kept.checked.sections[shared]
            for piece in kept.copy(place.frame_offset):
                yield self._count(piece)
            self._height, self._tip = place.height - 1, place.previous
            self._messages = kept.count_messages(shared)
        else:
            yield self._count(encode_preamble(self._preamble))
        known = 0 if kept is None else kept.checked.height - self._height
        for section in plan_sections(self._rows()):
            payload = encode_section(section)
            yield self._count(encode_frame(payload))
            yield self._count(payload)
            yield self._count(self._digest.digest())
            self._messages += sum(len(block.transactions) for block in section.carried)
            self._new_blocks += len(section.stubs)
            if progress is not None:
                tip = self._ledger.tip()
                progress("export", self._height, max(tip.height if tip else 0, self._height))
        self._new_blocks = max(0, self._new_blocks - known)
        end = encode_end(self._height, self._tip)
        yield self._count(encode_frame(end, is_end=True))
        yield self._count(end)
        yield self._count(self._digest.digest())

    def report(self) -> ExportReport:
        """What was written."""
        return ExportReport(
            network=self._preamble.network,
            start=self._preamble.start,
            height=self._height,
            tip_hash=display_hex(self._tip),
            messages=self._messages,
            new_blocks=self._new_blocks,
            size_bytes=self._size,
            sha256=self._digest.hexdigest(),
        )

    def _count(self, piece: bytes) -> bytes:
        self._digest.update(piece)
        self._size += len(piece)
        return piece

    def _rows(self) -> Iterator[tuple[bytes, CarriedBlock | None]]:
        """Each block's header and messages, held against each other while they are read."""
        headers: list[bytes] = []
        for block in self._ledger.blocks(self._height + 1):
            if not headers:
                headers = self._ledger.headers(block.ref.height, SECTION_BLOCKS)[::-1]
            header = headers.pop() if headers else b""
            block_hash = sha256d(header)
            follows = header[4:36] == self._tip and block.ref.height == self._height + 1
            if not follows or display_hex(block_hash) != block.ref.block_hash:
                raise LedgerError("the ledger changed while it was read", hint="run the same command again")
            self._height, self._tip = block.ref.height, block_hash
            yield header_stub(header), _carried(self._ledger, block, self._is_wanted)
        if self._height < self._last_height:  # a ledger ends early when its chain changes
            raise LedgerError("the ledger changed while it was read", hint="run the same command again")


def _carried(ledger: Ledger, block: LedgerBlock, is_wanted: Callable[[bytes], bool]) -> CarriedBlock | None:
    chosen = [one for one in block.messages if is_wanted(one.data)]
    if not chosen:
        return None
    proofs: dict[int, InclusionEvidence] = {}
    for message in chosen:
        proof = ledger.evidence(message.txid)
        if proof.height != block.ref.height or proof.position in proofs:
            raise LedgerError("the ledger changed while it was read", hint="run the same command again")
        proofs[proof.position] = proof
    ordered = sorted(proofs)
    return CarriedBlock(
        offset=0,
        transactions=tuple(CarriedTransaction(place, proofs[place].raw_transaction) for place in ordered),
        proof=join_branches({place: proofs[place].branch for place in ordered}),
    )


def plan_sections(rows: Iterator[tuple[bytes, CarriedBlock | None]]) -> Iterator[Section]:
    """Cut blocks into sections: a new one begins when the last is full, by count or by bytes."""
    stubs: list[bytes] = []
    carried: list[CarriedBlock] = []
    size = 0
    for stub, block in rows:
        more = block_size(block)
        if stubs and is_full(len(stubs), size, more):
            yield Section(tuple(stubs), tuple(carried))
            stubs, carried, size = [], [], 0
        if block is not None:
            carried.append(msgspec.structs.replace(block, offset=len(stubs)))
        stubs.append(stub)
        size += more
    if stubs:
        yield Section(tuple(stubs), tuple(carried))
