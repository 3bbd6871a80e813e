"""Publish: the journal, the steps, the sender. Killed anywhere, the same command goes on; nothing is doubled."""

from etdb.publish.contents import published_contents
from etdb.publish.journal import Journal
from etdb.publish.journal_reading import DatasetEntry, TransactionEntry
from etdb.publish.known import Known, decode_draft, find_known, verify_may_act
from etdb.publish.pace import Pace
from etdb.publish.planning import (
    plan_message,
    plan_publish,
    plan_resume,
    plan_waiting,
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
    Recorded,
    Submission,
)
from etdb.publish.troubles import RivalPublisherError, StillPendingError

__all__ = [
    "DATASET_TRANSITIONS",
    "SENT_STATES",
    "TRANSACTION_TRANSITIONS",
    "DatasetEntry",
    "Journal",
    "Known",
    "Pace",
    "PlannedDataset",
    "Progress",
    "PublishPlan",
    "PublishReport",
    "PublishedDataset",
    "Publisher",
    "Recorded",
    "RivalPublisherError",
    "StillPendingError",
    "Submission",
    "TransactionEntry",
    "Transition",
    "decode_draft",
    "find_known",
    "plan_message",
    "plan_publish",
    "plan_resume",
    "plan_waiting",
    "published_contents",
    "verify_fee_rate",
    "verify_may_act",
    "verify_means",
    "verify_submission",
]
