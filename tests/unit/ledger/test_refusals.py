"""What nodes say, and what it means."""

import pytest

from etdb.ledger.refusals import is_known_already, parse_reason, refusal

TXID = "ab" * 32

WORDS = {
    "Missing inputs": "missing-inputs",
    "bad-txns-inputs-missingorspent": "missing-inputs",
    "18: txn-mempool-conflict": "txn-mempool-conflict",
    "258: txn-mempool-conflict": "txn-mempool-conflict",
    "64: too-long-mempool-chain, too many unconfirmed parents [limit: 25]": "too-long-mempool-chain",
    "64: too-long-mempool-chain, exceeds ancestor size limit [limit: 101000]": "too-long-mempool-chain",
    "too-long-mempool-chain, too many descendants for tx ff [limit: 25]": "too-long-mempool-chain",
    "66: min relay fee not met, 10 < 226": "min relay fee not met",
    "66: mempool min fee not met, 200 < 1000": "mempool full",
    "66: mempool full": "mempool full",
    "66: insufficient priority": "min relay fee not met",
    "64: dust": "dust",
    "64: flo-data-too-large": "flo-data-too-large",
    "Flo Data too large": "flo-data-too-large",
    "16: mandatory-script-verify-flag-failed (Script evaluated without error but finished with a false/empty top "
    "stack element)": "mandatory-script-verify-flag-failed",
    "64: non-mandatory-script-verify-flag (Non-canonical DER signature)": "mandatory-script-verify-flag-failed",
    "16: bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 5": (
        "bad-txns-premature-spend-of-coinbase"
    ),
    "16: bad-txns-in-belowout, value in (1.00) < value out (2.00)": "bad-txns-in-belowout",
    "64: non-final": "bad-txns-nonfinal",
    "64: non-BIP68-final": "non-BIP68-final",
    "64: scriptpubkey": "scriptpubkey",
    "64: version": "version",
    "256: absurdly-high-fee": "absurdly-high-fee",
    "TX decode failed": "not a transaction",
    "Verification failure: dust (code=nonstandard score=0 hash=" + TXID + ")": "dust",
    "Verification failure: mandatory-script-verify-flag (code=nonstandard score=100 hash=" + TXID + ")": (
        "mandatory-script-verify-flag-failed"
    ),
    "Verification failure: bad-txns-inputs-spent (code=duplicate score=0 hash=" + TXID + ")": "txn-mempool-conflict",
    "Verification failure: too-long-mempool-chain (code=nonstandard score=0 hash=" + TXID + ")": (
        "too-long-mempool-chain"
    ),
    "Verification failure: mempool full (code=insufficientfee score=0 hash=" + TXID + ")": "mempool full",
    "Verification failure: insufficient priority (code=insufficientfee score=0 hash=" + TXID + ")": (
        "min relay fee not met"
    ),
    "something new, with details": "something new",
    "": "no reason given",
}


@pytest.mark.parametrize("words", WORDS)
def test_the_reason_in_a_node_s_words(words):
    assert parse_reason(words) == WORDS[words]


@pytest.mark.parametrize(
    "words",
    [
        "18: txn-already-in-mempool",
        "18: txn-already-known",
        "transaction already in block chain",
        "Transaction outputs already in utxo set",
        "Verification failure: txn-already-known (code=alreadyknown score=0 hash=" + TXID + ")",
    ],
)
def test_what_is_no_refusal(words):
    assert is_known_already(parse_reason(words))


def test_every_refusal_says_what_to_do():
    for words in WORDS:
        error = refusal(TXID, words, "http://127.0.0.1:7313")
        assert error.hint
        assert TXID in error.message
        assert error.fields["words"] == words[:200] or len(words) > 200


def test_a_rival_is_named():
    error = refusal(TXID, "Missing inputs", "http://127.0.0.1:7313", rival="cd" * 32)
    assert (error.fields["reason"], error.fields["rival"]) == ("txn-mempool-conflict", "cd" * 32)


def test_hostile_words():
    error = refusal(TXID, "no\x1b[31m\n" + "(" * 100_000, "http://127.0.0.1:7313")
    assert error.message.isprintable()
    assert len(error.message) < 500
