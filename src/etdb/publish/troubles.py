"""What can keep a run from its end, though nothing is lost."""

from __future__ import annotations

from etdb.errors import LedgerError

__all__ = ["RivalPublisherError", "StillPendingError"]


class RivalPublisherError(LedgerError):
    """Another program signs with the same key at the same time."""

    code = "rival-publisher"
    http_status = 409


class StillPendingError(LedgerError):
    """The time to wait is over, and records are still on their way."""

    code = "still-pending"
    http_status = 504
