"""What the formats together prove about a record: claims, and the functions that check them."""

from etdb.trust.actions import MAX_REVISIONS, RecordState, Refusal, is_registration, judge_action
from etdb.trust.checks import (
    check_artifact,
    check_inclusion,
    check_manifest,
    check_parts,
    check_transaction_signatures,
    check_work,
    is_part_signed,
)
from etdb.trust.claims import Claim, ClaimResult, Outcome, Verification

__all__ = [
    "MAX_REVISIONS",
    "Claim",
    "ClaimResult",
    "Outcome",
    "RecordState",
    "Refusal",
    "Verification",
    "check_artifact",
    "check_inclusion",
    "check_manifest",
    "check_parts",
    "check_transaction_signatures",
    "check_work",
    "is_part_signed",
    "is_registration",
    "judge_action",
]
