"""What is wrong with a workspace, and how to mend what can be mended."""

from etdb.doctor.examine import CHECKS, Examination, examine, repair
from etdb.doctor.finding import Finding, Mended, NotChecked, Services

__all__ = ["CHECKS", "Examination", "Finding", "Mended", "NotChecked", "Services", "examine", "repair"]
