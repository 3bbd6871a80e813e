"""The nightly job: what is new, changed or withdrawn in a lab's sources is published, edited or deactivated, once."""

from etdb.sync.job import Prepared, Sync, SyncPlan
from etdb.sync.opening import open_source
from etdb.sync.report import SourceOutcome, SyncReport, report_text, store_report
from etdb.sync.state import SyncState

__all__ = [
    "Prepared",
    "SourceOutcome",
    "Sync",
    "SyncPlan",
    "SyncReport",
    "SyncState",
    "open_source",
    "report_text",
    "store_report",
]
