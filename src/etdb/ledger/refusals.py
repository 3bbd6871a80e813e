"""What nodes say when they refuse a transaction, in the words that all ledgers here use, with what to do next.

FLO Core answers ``sendrawtransaction`` with a code and a text such as ``64: dust`` or ``66: min relay fee not met, 10 <
226``; fcoin answers ``Verification failure: dust (code=nonstandard score=0 hash=...)``. Both mean the same reasons.
"""

from __future__ import annotations

import re
from typing import Final

from etdb.errors import RefusedError
from etdb.ledger.node_errors import shown

__all__ = ["is_known_already", "parse_reason", "refusal"]

_NUMBER: Final = re.compile(r"^\d+: ")
_FCOIN: Final = re.compile(r"^Verification failure: (.*?) \(code=")
_DETAIL: Final = re.compile(r"^([^,(\[]*[^,(\[ ])\s*[,(\[].*$", re.DOTALL)

_KNOWN: Final = frozenset(
    {"txn-already-in-mempool", "txn-already-known", "txn-already-confirmed", "transaction already in block chain"}
)
_SAME: Final = {
    "missing inputs": "missing-inputs",
    "bad-txns-inputs-missingorspent": "missing-inputs",
    "bad-txns-inputs-spent": "txn-mempool-conflict",
    "transaction outputs already in utxo set": "txn-already-known",
    "mandatory-script-verify-flag": "mandatory-script-verify-flag-failed",
    "non-mandatory-script-verify-flag": "mandatory-script-verify-flag-failed",
    "insufficient fee": "min relay fee not met",
    "insufficient priority": "min relay fee not met",
    "rate limited free transaction": "min relay fee not met",
    "mempool min fee not met": "mempool full",
    "too many unconfirmed parents": "too-long-mempool-chain",
    "too many unconfirmed ancestors": "too-long-mempool-chain",
    "flo data too large": "flo-data-too-large",
    "flo data too long": "flo-data-too-large",
    "bad-txns-fee-negative": "bad-txns-in-belowout",
    "non-final": "bad-txns-nonfinal",
    "tx decode failed": "not a transaction",
    "bad-txns-oversize": "tx-size",
}
_HINTS: Final = {
    "missing-inputs": "send the transaction that makes this coin first; if it was spent elsewhere, choose another coin",
    "txn-mempool-conflict": "another wallet may use the same key: wait for a block, then run the same command",
    "too-long-mempool-chain": "wait for a block, or lower max_unconfirmed_chain under [limits] to what the node allows",
    "min relay fee not met": "raise fee_rate_sat_per_kb under [limits] in etdb.toml",
    "mempool full": "wait for blocks, or raise fee_rate_sat_per_kb under [limits] in etdb.toml",
    "absurdly-high-fee": "lower fee_rate_sat_per_kb under [limits] in etdb.toml",
    "dust": "join small coins into larger ones",
    "flo-data-too-large": "send longer messages in parts",
    "bad-txns-premature-spend-of-coinbase": "wait until mined coins are 100 blocks old",
    "mandatory-script-verify-flag-failed": "the coin belongs to another key, or the bytes changed after signing",
    "bad-txns-nonfinal": "it asks to wait for a later block or time",
    "no-witness-yet": "pay from addresses without segwit",
    "not a transaction": "the bytes are damaged",
}


def parse_reason(words: str) -> str:
    """The reason in a node's words; one that is not known here stays as the node put it."""
    text = _NUMBER.sub("", shown(words).strip())
    if found := _FCOIN.match(text):
        text = found[1]
    for candidate in (text, _DETAIL.sub(r"\1", text)):
        plain = candidate.strip(" .").lower()
        if plain in _SAME or plain in _HINTS or plain in _KNOWN:
            return _SAME.get(plain, plain)
    return _DETAIL.sub(r"\1", text) or "no reason given"


def is_known_already(reason: str) -> bool:
    """Whether a node refuses only because it has the transaction: then nothing is wrong."""
    return reason.lower() in _KNOWN


def refusal(txid: str, words: str, url: str, *, rival: str | None = None) -> RefusedError:
    """The error for a node's refusal.

    Args:
        txid: what was sent.
        words: the node's own.
        url: which node.
        rival: the transaction that spends the same coin, when it is known.
    """
    reason = "txn-mempool-conflict" if rival is not None else parse_reason(words)
    hint = _HINTS.get(reason, "look the reason up in the node's documentation")
    fields = {"reason": reason, "txid": txid, "url": url, "words": shown(words)}
    if rival is None:
        return RefusedError(f"the node at {url} refuses transaction {txid}: {reason}", hint=hint, **fields)
    message = f"transaction {txid} spends a coin that {rival} spends"
    return RefusedError(message, hint=hint, rival=rival, **fields)
