"""Publish: the journal, the steps, the sender. Killed anywhere, the same command goes on; nothing is doubled."""

from etdb.publish.journal import Journal
from etdb.publish.journal_reading import DatasetEntry, TransactionEntry
from etdb.publish.pace import Pace
from etdb.publish.planning import (
    decode_draft,
    plan_publish,
    plan_resume,
    verify_fee_rate,
    verify_means,
    verify_submission,
)
from etdb.publish.publisher import Publisher
from etdb.publish.states import DATASET_TRANSITIONS, SENT_STATES, TRANSACTION_TRANSITIONS, Transition
from etdb.publish.submission import (
    PlannedDataset,
    Progress,
    PublishedDataset,
    PublishPlan,
    PublishReport,
    Submission,
)
from etdb.publish.troubles import RivalPublisherError, StillPendingError

__all__ = [
    "DATASET_TRANSITIONS",
    "SENT_STATES",
    "TRANSACTION_TRANSITIONS",
    "DatasetEntry",
    "Journal",
    "Pace",
    "PlannedDataset",
    "Progress",
    "PublishPlan",
    "PublishReport",
    "PublishedDataset",
    "Publisher",
    "RivalPublisherError",
    "StillPendingError",
    "Submission",
    "TransactionEntry",
    "Transition",
    "decode_draft",
    "plan_publish",
    "plan_resume",
    "verify_fee_rate",
    "verify_means",
    "verify_submission",
]
