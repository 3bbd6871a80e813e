"""From a dataset's files and what its people say to a draft of its record, with the evidence for each field."""

from etdb.describe.draft import UNKNOWN_SPECIES, Draft, describe
from etdb.describe.evidence import Evidence, Witness
from etdb.describe.looks import Shown, look_text, shown_files
from etdb.describe.rules import FALLBACKS
from etdb.describe.series import find_series
from etdb.describe.tilting import tilt_scheme
from etdb.describe.toml import encode_draft

__all__ = [
    "FALLBACKS",
    "UNKNOWN_SPECIES",
    "Draft",
    "Evidence",
    "Shown",
    "Witness",
    "describe",
    "encode_draft",
    "find_series",
    "look_text",
    "shown_files",
    "tilt_scheme",
]
