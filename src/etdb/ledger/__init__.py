"""Ledgers: the local chain; coins and fees. Nodes, ledger files and exported texts have modules of their own."""

from etdb.ledger.coins import ChainFullError, Limits, SendPlan, plan_send, select_coins, transaction_size, wanted_lanes
from etdb.ledger.local import LocalChain
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
from etdb.ledger.wallet import Wallet, is_same_payment

__all__ = [
    "BlockRef",
    "ChainFullError",
    "Coin",
    "InclusionEvidence",
    "Ledger",
    "LedgerBlock",
    "LedgerMessage",
    "Limits",
    "LocalChain",
    "Outpoint",
    "SendPlan",
    "SignedTransaction",
    "TxStatus",
    "Wallet",
    "is_same_payment",
    "plan_send",
    "select_coins",
    "transaction_size",
    "wanted_lanes",
]
