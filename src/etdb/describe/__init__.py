"""From a dataset's files and what its people say to a draft of its record."""

from etdb.describe.draft import UNKNOWN_SPECIES, Draft, describe

__all__ = ["UNKNOWN_SPECIES", "Draft", "describe"]
