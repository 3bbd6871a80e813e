"""A ledger file read once from end to end: nothing of it is used before all of it was verified."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from etdb.errors import FormatError, VerificationError
from etdb.flo import (
    Extend,
    HeaderChain,
    Network,
    Refused,
    Transaction,
    display_hex,
    internal_bytes,
    network,
    parse_header,
    parse_transaction,
    sha256d,
)
from etdb.ledger.archive_format import (
    DIGEST_BYTES,
    END_BYTES,
    FRAME_BYTES,
    MAX_PREAMBLE_BYTES,
    CarriedBlock,
    Preamble,
    Section,
    block_size,
    expand_header,
    is_full,
    parse_end,
    parse_frame,
    parse_preamble,
    parse_section,
)
from etdb.ledger.archive_proofs import split_proof

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["MAX_MESSAGES", "CheckedFile", "SectionPlace", "expand_section", "scan_file", "verify_carried"]

MAX_MESSAGES: Final = 20_000_000
"""Their ids are held in memory."""
_INNER_NODE_BYTES: Final = 64

Progress = Callable[[str, int, int], None]


class SectionPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a section's own bytes lie, which blocks it has, and the hash before the first (wire order)."""

    offset: int
    length: int
    height: int
    blocks: int
    previous: bytes

    @property
    def frame_offset(self) -> int:
        """Where the section begins, with its frame."""
        return self.offset - FRAME_BYTES


class CheckedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan found. ``sha256`` is of the whole file; ``checkpoints`` counts those that its chain goes through.

    ``work_height`` is the height up to which the work of headers was checked, or a known block makes that needless.
    """

    preamble: Preamble
    sections: tuple[SectionPlace, ...]
    height: int
    tip_hash: str
    sha256: bytes
    size_bytes: int
    messages: int
    checkpoints: int
    work_checked: int
    work_height: int
    judged_from: int


def scan_file(
    descriptor: int,
    path: Path,
    *,
    check_work: bool = False,
    progress: Progress | None = None,
    on_message: Callable[[bytes, int, int, int], None] | None = None,
) -> CheckedFile:
    """Read and verify all of a ledger file.

    Verified are its form and digests, the links and rules of all headers, that they go through a block that is known
    (the network's first, or a checkpoint), and each transaction's place in its block.

    Args:
        descriptor: the file, opened for reading.
        path: its name, for messages.
        check_work: also check the proof of work of each header above the last checkpoint that the file reaches, at
            about a millisecond each; what is below is committed to by the checkpoint.
        progress: told ("check", bytes read, bytes in all).
        on_message: told of each message: id in wire order, section, number of the block there, number in the block.

    Raises:
        FormatError: not a ledger file, cut off, damaged or beyond the limits.
        VerificationError: a header or transaction is not what it should be.
    """
    size = os.fstat(descriptor).st_size
    start = os.pread(descriptor, MAX_PREAMBLE_BYTES, 0)
    preamble, offset = parse_preamble(start)
    running = sha256(start[:offset])
    flo = network(preamble.network)
    headers = _Headers(flo, preamble, work_from=_unknown_from(descriptor, size, flo) if check_work else None)
    sections: list[SectionPlace] = []
    messages = 0
    filled: tuple[int, int] | None = None
    while True:
        frame = os.pread(descriptor, FRAME_BYTES, offset)
        is_end, length = parse_frame(frame, offset)
        payload = os.pread(descriptor, length, offset + FRAME_BYTES)
        running.update(frame)
        running.update(payload)
        offset += FRAME_BYTES + length
        _verify_digest(descriptor, offset, running, path)
        offset += DIGEST_BYTES
        if is_end:
            headers.verify_end(payload)
            break
        place = SectionPlace(
            offset=offset - DIGEST_BYTES - length,
            length=length,
            height=headers.next_height,
            blocks=0,
            previous=headers.previous,
        )
        section = parse_section(payload)
        place = msgspec.structs.replace(place, blocks=len(section.stubs))
        raws = headers.take(section)
        filled = _verify_filled(section, filled, offset)
        for number, block in enumerate(section.carried):
            for order, (transaction, _) in enumerate(verify_carried(block, raws[block.offset])):
                if on_message is not None:
                    on_message(internal_bytes(transaction.txid), len(sections), number, order)
            messages += len(block.transactions)
        if messages > MAX_MESSAGES:
            raise FormatError(f"the ledger file has more than {MAX_MESSAGES} messages")
        sections.append(place)
        if progress is not None:
            progress("check", offset, size)
    if offset != size:
        raise FormatError(f"{size - offset} bytes follow the end of the ledger file", offset=offset)
    chain, checkpoints = headers.finish()
    return CheckedFile(
        preamble=preamble,
        sections=tuple(sections),
        height=chain.height,
        tip_hash=chain.tip_hash,
        sha256=running.digest(),
        size_bytes=size,
        messages=messages,
        checkpoints=checkpoints,
        work_checked=headers.work_checked,
        work_height=chain.height if check_work else flo.known_height(chain.height),
        judged_from=chain.judged_from,
    )


def _unknown_from(descriptor: int, size: int, flo: Network) -> int:
    """The height above which no checkpoint commits to the headers, by what the file's end says of its height."""
    height, _ = parse_end(os.pread(descriptor, END_BYTES, max(0, size - DIGEST_BYTES - END_BYTES)))
    return flo.known_height(height)


def _verify_digest(descriptor: int, offset: int, running: _Hash, path: Path) -> None:
    digest = os.pread(descriptor, DIGEST_BYTES, offset)
    if len(digest) < DIGEST_BYTES:
        raise FormatError(f"{path} is cut off at byte {offset + len(digest)}", hint="get it again", offset=offset)
    if digest != running.digest():
        raise FormatError(f"{path} is damaged before byte {offset}", hint="get it again", offset=offset)
    running.update(digest)


def _verify_filled(section: Section, before: tuple[int, int] | None, offset: int) -> tuple[int, int]:
    """See that the section before ended because it was full: so the same chain has the same bytes."""
    by_offset = {one.offset: one for one in section.carried}
    sizes = [block_size(by_offset.get(number)) for number in range(len(section.stubs))]
    if before is not None and not is_full(*before, sizes[0]):
        raise FormatError("a section of the ledger file ends before it is full", offset=offset)
    return len(sizes), sum(sizes)


class _Headers:
    """The chain of a file's headers, judged as they come."""

    def __init__(self, flo: Network, preamble: Preamble, *, work_from: int | None) -> None:
        self._network = flo
        self._start = preamble.start
        self._work_from = work_from
        self._chain: HeaderChain | None = None
        self._work_before = 0
        self.previous = internal_bytes(preamble.after)
        self.next_height = preamble.start

    def take(self, section: Section) -> list[bytes]:
        """The section's headers, whole again."""
        raws = expand_section(section, self.previous)
        rest = raws
        if self._chain is None:
            self._chain, rest = self._begin(raws[0]), raws[1:]
        if self._work_from is not None:
            known = max(0, self._work_from - self._chain.height)
            self._feed(self._chain, rest[:known])
            rest = rest[known:]
            if rest:
                # The same chain, from here on with the work of each header.
                self._chain = HeaderChain.from_state(self._network, self._chain.state(), check_pow=True)
                self._work_from, self._work_before = None, self._chain.pow_checked
        self._feed(self._chain, rest)
        self.previous = sha256d(raws[-1])
        self.next_height += len(raws)
        return raws

    @staticmethod
    def _feed(chain: HeaderChain, raws: Sequence[bytes]) -> None:
        for event in chain.feed_many(b"".join(raws)):
            if isinstance(event, Refused):
                raise VerificationError(
                    f"block {event.block_hash}, above {chain.height}, cannot be there: {event.reason.value}",
                    block_hash=event.block_hash,
                )
            if not isinstance(event, Extend):
                raise VerificationError("the headers of the ledger file are not one chain")

    def _begin(self, raw: bytes) -> HeaderChain:
        first = parse_header(raw)
        if self._start:
            return HeaderChain(self._network, [first], self._start)
        if first.block_hash != self._network.genesis_hash:
            raise VerificationError(
                f"the first block is {first.block_hash}; {self._network.name} begins with another",
                block_hash=first.block_hash,
            )
        return HeaderChain(self._network)

    def verify_end(self, payload: bytes) -> None:
        """See that the newest block is the one that the file's end names."""
        height, tip = parse_end(payload)
        if (height, tip) != (self.next_height - 1, self.previous):
            raise VerificationError(
                f"the headers lead to block {display_hex(self.previous)} at height {self.next_height - 1}, the end of "
                f"the ledger file says {display_hex(tip)} at {height}"
            )

    @property
    def work_checked(self) -> int:
        """Of how many headers the work was checked."""
        return 0 if self._chain is None else self._chain.pow_checked - self._work_before

    def finish(self) -> tuple[HeaderChain, int]:
        """The chain, and through how many checkpoints it goes."""
        if self._chain is None:
            raise FormatError("the ledger file has no blocks")
        passed = sum(self._start <= height <= self._chain.height for height, _ in self._network.checkpoints)
        if self._start and not passed:
            raise VerificationError(
                f"blocks {self._start} to {self._chain.height} go through no block that is known of "
                f"{self._network.name}, so anybody could have made them",
                hint="export from a lower height, or up to a higher one",
            )
        return self._chain, passed


def expand_section(section: Section, previous: bytes) -> list[bytes]:
    """The headers of a section, 80 bytes each."""
    raws = []
    for stub in section.stubs:
        raws.append(expand_header(stub, previous))
        previous = sha256d(raws[-1])
    return raws


def verify_carried(block: CarriedBlock, header: bytes) -> Iterator[tuple[Transaction, tuple[bytes, ...]]]:
    """The transactions of a block with their branches, in its order.

    Raises:
        FormatError: not transactions with messages, or the proof has not its form.
        VerificationError: the header commits to others.
    """
    transactions = [_parse(one.raw) for one in block.transactions]
    leaves: Mapping[int, bytes] = {
        one.position: internal_bytes(transaction.txid)
        for one, transaction in zip(block.transactions, transactions, strict=True)
    }
    root, branches = split_proof(leaves, block.proof)
    shown = parse_header(header)
    if display_hex(root) != shown.merkle_root:
        raise VerificationError(
            f"block {shown.block_hash} does not have the transactions that the ledger file says",
            block_hash=shown.block_hash,
        )
    ordered: Sequence[int] = [one.position for one in block.transactions]
    return ((transaction, branches[place]) for transaction, place in zip(transactions, ordered, strict=True))


def _parse(raw: bytes) -> Transaction:
    if len(raw) == _INNER_NODE_BYTES:
        raise FormatError("64 bytes can be an inner node of a block's tree, and prove no transaction")
    transaction = parse_transaction(raw)
    if not transaction.flo_data:
        raise FormatError(f"transaction {transaction.txid} of the ledger file has no message", txid=transaction.txid)
    return transaction
