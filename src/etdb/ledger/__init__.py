"""Ledgers: the local chain, later FLO nodes; coins and fees."""

from etdb.ledger.archive import LEDGER_SUFFIX, LedgerFile
from etdb.ledger.archive_writing import ExportReport, LedgerWithHeaders, export_ledger
from etdb.ledger.coins import ChainFullError, Limits, SendPlan, plan_send, select_coins, transaction_size, wanted_lanes
from etdb.ledger.legacy import BadLine, read_legacy_lines
from etdb.ledger.legacy_store import UNPROVED, LegacyImport, LegacyLedger
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
    "LEDGER_SUFFIX",
    "UNPROVED",
    "BadLine",
    "BlockRef",
    "ChainFullError",
    "Coin",
    "ExportReport",
    "InclusionEvidence",
    "Ledger",
    "LedgerBlock",
    "LedgerFile",
    "LedgerMessage",
    "LedgerWithHeaders",
    "LegacyImport",
    "LegacyLedger",
    "Limits",
    "LocalChain",
    "Outpoint",
    "SendPlan",
    "SignedTransaction",
    "TxStatus",
    "Wallet",
    "export_ledger",
    "is_same_payment",
    "plan_send",
    "read_legacy_lines",
    "select_coins",
    "transaction_size",
    "wanted_lanes",
]
