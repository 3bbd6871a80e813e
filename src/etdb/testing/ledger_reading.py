"""What every ledger must do for its readers, as tests to inherit: also one that nothing can be sent to.

    class TestMyArchive(LedgerReadingContract):
        @contextmanager
        def ledger_of(self, tmp_path, key):
            with some_ledger(...) as full:  # any ledger that can be written to
                self.filled = self.fill(full, key)
                yield MyArchive(full)

A ledger that can be written to inherits :class:`etdb.testing.ledger.LedgerContract`, which has these tests too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from etdb.errors import NotFoundError
from etdb.flo import REGTEST, MerkleProof, Network, PrivateKey, parse_header, verify_proof
from etdb.ledger import Ledger, Limits, SignedTransaction, Wallet

__all__ = ["MESSAGES", "NOBODY", "LedgerReadingContract"]

NOBODY: Final = "ff" * 32
MESSAGES: Final = (b"\x00", *(b"text:%d" % number for number in range(5)), bytes(n % 256 for n in range(1040)), b"")
"""What is written to be read again; the last is no message."""


class LedgerReadingContract:
    """Inherit, give :meth:`ledger_of`, and let it set :attr:`filled`."""

    network: Network = REGTEST
    limits = Limits()
    filled: Sequence[SignedTransaction] = ()
    """What carries ``MESSAGES``, in their order."""

    def ledger_of(self, tmp_path: Path, key: PrivateKey) -> AbstractContextManager[Ledger]:
        raise NotImplementedError

    def confirm(self, ledger: Ledger) -> None:
        """Let what is pending come into blocks."""
        ledger.settle()

    def wallet(self, ledger: Ledger, key: PrivateKey) -> Wallet:
        return Wallet(key, self.network, self.limits, ledger.coins(key.address(self.network)))

    def fill(self, ledger: Ledger, key: PrivateKey) -> Sequence[SignedTransaction]:
        """Send ``MESSAGES`` and let them come into blocks."""
        wallet = self.wallet(ledger, key)
        signed = [wallet.sign(data) for data in MESSAGES]
        for one in signed:
            ledger.submit(one.raw)
        self.confirm(ledger)
        return signed

    @pytest.fixture
    def key(self) -> PrivateKey:
        return PrivateKey(bytes(range(1, 33)))

    @pytest.fixture
    def ledger(self, tmp_path: Path, key: PrivateKey) -> Iterator[Ledger]:
        with self.ledger_of(tmp_path, key) as ledger:
            yield ledger

    @pytest.fixture
    def written(self, ledger: Ledger, key: PrivateKey) -> Sequence[SignedTransaction]:
        """The transactions of ``MESSAGES``."""
        return self.filled or self.fill(ledger, key)

    def test_blocks_form_a_chain(self, ledger: Ledger) -> None:
        tip = ledger.tip()
        assert tip is not None
        blocks = list(ledger.blocks(0))
        assert [block.ref for block in blocks] == [ledger.block_ref(height) for height in range(tip.height + 1)]
        assert blocks[-1].ref == tip
        for before, after in itertools.pairwise(blocks):
            assert after.previous_hash == before.ref.block_hash
        assert [block.ref for block in ledger.blocks(tip.height)] == [tip]

    def test_nothing_above_the_tip(self, ledger: Ledger) -> None:
        tip = ledger.tip()
        assert tip is not None
        assert ledger.block_ref(tip.height + 1) is None
        assert list(ledger.blocks(tip.height + 1)) == []

    def test_an_unknown_transaction_is_not_an_error(self, ledger: Ledger) -> None:
        assert ledger.status(NOBODY).state == "unknown"

    def test_what_must_be_there_is_not_found(self, ledger: Ledger) -> None:
        with pytest.raises(NotFoundError):
            ledger.raw(NOBODY)
        with pytest.raises(NotFoundError):
            ledger.evidence(NOBODY)

    def test_messages_come_back_in_their_order(
        self, ledger: Ledger, written: Sequence[SignedTransaction], key: PrivateKey
    ) -> None:
        ours = {one.txid: data for one, data in zip(written, MESSAGES, strict=True)}
        found = []
        for block in ledger.blocks(0):
            positions = [message.position for message in block.messages]
            assert positions == sorted(set(positions))
            found += [message for message in block.messages if message.txid in ours]
        # An empty message is none.
        assert {message.txid: message.data for message in found} == {txid: data for txid, data in ours.items() if data}
        assert {message.sender for message in found} == {(key.address(self.network),)}

    def test_what_is_confirmed_says_where(self, ledger: Ledger, written: Sequence[SignedTransaction]) -> None:
        tip = ledger.tip()
        assert tip is not None
        for one, data in zip(written, MESSAGES, strict=True):
            if not data:
                continue
            status = ledger.status(one.txid)
            assert status.state == "confirmed"
            assert status.height is not None
            assert status.confirmations == tip.height - status.height + 1
            assert ledger.raw(one.txid) == one.raw
            block = next(ledger.blocks(status.height))
            assert [message.data for message in block.messages if message.txid == one.txid] == [data]

    def test_evidence_proves_the_place(self, ledger: Ledger, written: Sequence[SignedTransaction]) -> None:
        for one, data in zip(written, MESSAGES, strict=True):
            if not data:
                continue
            evidence = ledger.evidence(one.txid)
            assert evidence.raw_transaction == one.raw
            header = parse_header(evidence.header)
            ref = ledger.block_ref(evidence.height)
            assert ref is not None
            assert header.block_hash == ref.block_hash
            proof = MerkleProof(txid=one.txid, index=evidence.position, branch=evidence.branch)
            verify_proof(proof, header.merkle_root)
