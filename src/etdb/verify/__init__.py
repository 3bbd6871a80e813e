"""What can be proved of a dataset, from a downloaded folder or from a ledger and a block store."""

from etdb.verify.dataset import read_manifest, verify_dataset
from etdb.verify.folder import verify_folder
from etdb.verify.rebuilt import verify_rebuilt
from etdb.verify.record import FLO_NETWORK_OF, OF_THE_LEDGER, LedgerEvidence, verify_record
from etdb.verify.recordfile import MAX_RECORD_BYTES, parse_record_file, verify_record_file

__all__ = [
    "FLO_NETWORK_OF",
    "MAX_RECORD_BYTES",
    "OF_THE_LEDGER",
    "LedgerEvidence",
    "parse_record_file",
    "read_manifest",
    "verify_dataset",
    "verify_folder",
    "verify_rebuilt",
    "verify_record",
    "verify_record_file",
]
