"""Ledgers: the local chain, later FLO nodes; coins and fees."""

from etdb.ledger.port import (
    BlockRef,
    Coin,
    InclusionEvidence,
    Ledger,
    LedgerBlock,
    LedgerMessage,
    Outpoint,
    SignedTransaction,
    TxStatus,
)

__all__ = [
    "BlockRef",
    "Coin",
    "InclusionEvidence",
    "Ledger",
    "LedgerBlock",
    "LedgerMessage",
    "Outpoint",
    "SignedTransaction",
    "TxStatus",
]
