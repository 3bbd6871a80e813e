"""What can be proved of a dataset, from a downloaded folder or from a ledger and a block store."""

from etdb.verify.dataset import verify_dataset
from etdb.verify.folder import verify_folder
from etdb.verify.record import OF_THE_LEDGER, LedgerEvidence, verify_record

__all__ = ["OF_THE_LEDGER", "LedgerEvidence", "verify_dataset", "verify_folder", "verify_record"]
