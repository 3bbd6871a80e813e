"""What to do when the ledger refuses a transaction: a table of nodes' own words."""

from __future__ import annotations

from typing import Final, Literal

from etdb.errors import RefusedError
from etdb.ledger import Limits

__all__ = ["Verdict", "explain", "judge"]

Verdict = Literal["known", "room", "full", "coins", "fee", "wrong"]
"""What a refusal means: the ledger has it already; too much hangs on it, a block must come; nothing is taken now; its
coins are spent or not there; it pays too little; or it is wrong and stays so."""

_WORDS: Final[tuple[tuple[str, Verdict], ...]] = (
    ("already in block chain", "known"),
    ("already-known", "known"),
    ("already-in-mempool", "known"),
    ("too-long-mempool-chain", "room"),
    ("mempool full", "full"),
    ("mempool min fee", "full"),
    ("missing-inputs", "coins"),
    ("missing inputs", "coins"),
    ("missingorspent", "coins"),
    ("inputs-spent", "coins"),
    ("mempool-conflict", "coins"),
    ("orphan", "coins"),
    ("min relay fee", "fee"),
    ("insufficient fee", "fee"),
    ("insufficient priority", "fee"),
)
_HINTS: Final[tuple[tuple[str, str], ...]] = (
    ("dust", "send more coins to the publisher's address: what is left of the present ones is too little for change"),
    ("absurdly-high-fee", "lower fee_rate_sat_per_kb under [limits] in etdb.toml"),
    ("flo-data-too-large", "this node passes on less text than 1,040 bytes: publish through another node"),
    ("premature-spend", "wait until the mined coins are old enough, and run the same command again"),
    ("script-verify-flag", "the node and this program disagree on a signature: are both on the same network?"),
    ("no-witness-yet", "this network has no segregated witnesses: use coins of an ordinary address"),
    ("version", "this node does not pass on transactions of this form: publish through another node"),
    ("non-final", "the node's clock or chain is behind: wait, and run the same command again"),
)


def judge(error: RefusedError) -> Verdict:
    """What a refusal means for the transaction."""
    reason = str(error.fields.get("reason", "")).lower()
    return next((verdict for words, verdict in _WORDS if words in reason), "wrong")


def explain(error: RefusedError, limits: Limits, txid: str) -> RefusedError:
    """The refusal as an error that says what to do; what was signed stays stored, whatever it is."""
    reason = str(error.fields.get("reason", "")) or "no reason given"
    verdict = judge(error)
    hint = {
        "fee": f"raise fee_rate_sat_per_kb under [limits] in etdb.toml, which is {limits.fee_rate_sat_per_kb} now,"
        " and run the same command again: what no node took is signed anew with the new fee",
        "full": "the node has too much to do: run the same command again later, or raise fee_rate_sat_per_kb",
        "room": "wait for a block, and run the same command again",
        "coins": "its coins are not there as this node sees the chain: is it in step, and is the key used only here?",
    }.get(verdict) or next((text for words, text in _HINTS if words in reason.lower()), error.hint)
    return RefusedError(
        f"the ledger refuses transaction {txid}: {reason} ({error.message})",
        hint=hint or "run the same command again; if it stays so, publish through another node",
        **{**error.fields, "reason": reason, "txid": txid, "verdict": verdict},
    )
