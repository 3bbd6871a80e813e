"""What every ledger must do, as tests to inherit.

A new adapter proves itself in a few lines::

    class TestMyLedger(LedgerContract):
        @contextmanager
        def ledger_of(self, tmp_path, key):
            yield MyLedger(...)  # where the key's address holds some confirmed coins

        def confirm(self, ledger):
            ...  # make blocks of what is pending; for a chain of one's own ``settle`` does
"""

from __future__ import annotations

import msgspec
import pytest

from etdb.errors import FormatError, NotFoundError, RefusedError
from etdb.flo import (
    PrivateKey,
    parse_pushes,
    parse_transaction,
    push,
)
from etdb.ledger import Ledger, Outpoint, SignedTransaction, Wallet, is_same_payment
from etdb.testing.ledger_reading import NOBODY, LedgerReadingContract

__all__ = ["LedgerContract", "malleated"]


def malleated(raw: bytes) -> bytes:
    """The same payment as a stranger can pass it on: bit 0x40 of each signature's hash type turned, another id."""
    transaction = parse_transaction(raw)
    inputs = []
    for one in transaction.inputs:
        signature, key = parse_pushes(one.script_sig) or (b"", b"")
        turned = signature[:-1] + bytes([signature[-1] ^ 0x40])
        inputs.append(msgspec.structs.replace(one, script_sig=push(turned) + push(key)))
    return msgspec.structs.replace(transaction, inputs=tuple(inputs)).encode()


class LedgerContract(LedgerReadingContract):
    """Inherit, and give :meth:`ledger_of`."""

    def sent(self, ledger: Ledger, key: PrivateKey, data: bytes = b"text:sent") -> SignedTransaction:
        signed = self.wallet(ledger, key).sign(data)
        assert ledger.submit(signed.raw) == signed.txid
        return signed

    def test_unknown_coins_are_not_an_error(self, ledger: Ledger) -> None:
        assert ledger.spender(Outpoint(NOBODY, 0)) is None
        assert ledger.coins(PrivateKey(bytes([7]) * 32).address(self.network)) == []

    def test_a_message_goes_from_pending_to_confirmed(self, ledger: Ledger, key: PrivateKey) -> None:
        signed = self.sent(ledger, key)
        assert ledger.status(signed.txid).state == "pending"
        assert ledger.raw(signed.txid) == signed.raw
        with pytest.raises(NotFoundError):
            ledger.evidence(signed.txid)
        self.confirm(ledger)
        status = ledger.status(signed.txid)
        assert (status.state, status.confirmations) == ("confirmed", 1)
        assert status.height is not None
        assert ledger.raw(signed.txid) == signed.raw
        (block,) = ledger.blocks(status.height)
        (message,) = [one for one in block.messages if one.txid == signed.txid]
        assert message.data == b"text:sent"
        assert message.sender == (key.address(self.network),)

    def test_sending_again_changes_nothing(self, ledger: Ledger, key: PrivateKey) -> None:
        signed = self.sent(ledger, key)
        assert ledger.submit(signed.raw) == signed.txid
        self.confirm(ledger)
        tip = ledger.tip()
        assert ledger.submit(signed.raw) == signed.txid
        assert ledger.status(signed.txid).state == "confirmed"
        assert ledger.tip() == tip

    def test_several_at_once(self, ledger: Ledger, key: PrivateKey) -> None:
        wallet = self.wallet(ledger, key)
        good = [wallet.sign(b"text:%d" % number) for number in range(4)]
        changed = good[1].raw.replace(b"text:1", b"text:!")
        hanging = [one for one in good[2:] if good[1].creates[0] in one.spends]
        raws = [good[0].raw, changed, *(one.raw for one in good[2:])]
        answers = ledger.submit_many(raws)
        assert [one is None for one in answers] == [True, False, *(one not in hanging for one in good[2:])]
        assert answers[1] is not None
        assert answers[1].fields["reason"] == "mandatory-script-verify-flag-failed"
        # Again, all of them right: what was taken is taken, and what hung on the refused one goes with it.
        assert ledger.submit_many([one.raw for one in good]) == [None] * 4
        assert ledger.submit_many([]) == []
        self.confirm(ledger)
        assert {ledger.status(one.txid).state for one in good} == {"confirmed"}

    def test_coins_follow_what_is_pending(self, ledger: Ledger, key: PrivateKey) -> None:
        address = key.address(self.network)
        signed = self.sent(ledger, key)
        coins = {coin.outpoint: coin for coin in ledger.coins(address)}
        assert signed.spends[0].outpoint not in coins
        change = coins[signed.creates[0].outpoint]
        assert (change.amount_sat, change.confirmations, change.chain_depth) == (signed.creates[0].amount_sat, 0, 1)
        assert change.chain_bytes == len(signed.raw)
        self.confirm(ledger)
        coins = {coin.outpoint: coin for coin in ledger.coins(address)}
        assert coins[signed.creates[0].outpoint].chain_depth == 0
        assert coins[signed.creates[0].outpoint].confirmations == 1

    def test_who_spends_a_coin(self, ledger: Ledger, key: PrivateKey) -> None:
        signed = self.wallet(ledger, key).sign(b"text:mine")
        outpoint = signed.spends[0].outpoint
        assert ledger.spender(outpoint) is None
        ledger.submit(signed.raw)
        assert ledger.spender(outpoint) == signed.txid
        self.confirm(ledger)
        assert ledger.spender(outpoint) == signed.txid

    def test_a_foreign_id_on_our_coin_is_seen(self, ledger: Ledger, key: PrivateKey) -> None:
        signed = self.wallet(ledger, key).sign(b"text:mine")
        foreign = malleated(signed.raw)
        other = ledger.submit(foreign)
        assert other != signed.txid
        assert is_same_payment(signed.raw, foreign)
        assert ledger.spender(signed.spends[0].outpoint) == other
        with pytest.raises(RefusedError) as refused:
            ledger.submit(signed.raw)
        assert refused.value.fields["reason"] == "txn-mempool-conflict"
        self.confirm(ledger)
        assert ledger.spender(signed.spends[0].outpoint) == other
        assert ledger.status(signed.txid).state == "unknown"
        assert ledger.raw(other) == foreign

    def test_a_message_that_is_too_long_is_refused(self, ledger: Ledger, key: PrivateKey) -> None:
        coins = ledger.coins(key.address(self.network))
        wallet = Wallet(key, self.network, msgspec.structs.replace(self.limits, data_limit_bytes=2000), coins)
        signed = wallet.sign(bytes(1041))
        with pytest.raises(RefusedError) as refused:
            ledger.submit(signed.raw)
        assert refused.value.fields["reason"] == "flo-data-too-large"
        assert ledger.status(signed.txid).state == "unknown"

    def test_bytes_that_are_no_transaction(self, ledger: Ledger, key: PrivateKey) -> None:
        raw = self.wallet(ledger, key).sign(b"text:cut").raw
        for wrong in (b"", b"\x00", raw[:-1], raw + b"\x00", raw[:40], b"\xff" * 300):
            with pytest.raises((FormatError, RefusedError)):
                ledger.submit(wrong)

    def test_a_changed_message_is_refused(self, ledger: Ledger, key: PrivateKey) -> None:
        signed = self.wallet(ledger, key).sign(b"text:as it was signed")
        with pytest.raises(RefusedError) as refused:
            ledger.submit(signed.raw.replace(b"as it was", b"as it wss"))
        assert refused.value.fields["reason"] == "mandatory-script-verify-flag-failed"

    def test_a_coin_that_is_not_there(self, ledger: Ledger, key: PrivateKey) -> None:
        wallet = self.wallet(ledger, key)
        wallet.sign(b"text:never sent")
        with pytest.raises(RefusedError) as refused:
            for _ in range(len(wallet.coins) + 1):  # sooner or later it spends the change of the one above
                ledger.submit(wallet.sign(b"text:hangs on it").raw)
        assert refused.value.fields["reason"] == "missing-inputs"
