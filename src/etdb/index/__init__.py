"""Indexing: follow the ledger, fold messages into records, roll back when the chain changes."""

from etdb.index.following import IndexReport, follow, watch

__all__ = ["IndexReport", "follow", "watch"]
