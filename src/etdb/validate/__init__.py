"""Datasets checked on the depositor's machine, before anything is published. Nothing is changed."""

# The order of the checks, and so of findings: what cannot be published at all first. Each module enters its own.
from etdb.validate import names, header, planes, mdoc, gain, angles, dose, ctf, spacing, record  # noqa: F401, I001
from etdb.validate import volumes, annotations, labels  # noqa: F401
from etdb.validate.duplicates import KnownDigest, find_duplicates, places_of
from etdb.validate.finding import CHECKS, SEVERITIES, Check, Finding, Severity, is_at_least, verify_ids, worst
from etdb.validate.running import Duplicates, Terms, Validated, validate_dataset, validate_source
from etdb.validate.sarif import encode_sarif
from etdb.validate.subject import Subject

__all__ = [
    "CHECKS",
    "SEVERITIES",
    "Check",
    "Duplicates",
    "Finding",
    "KnownDigest",
    "Severity",
    "Subject",
    "Terms",
    "Validated",
    "encode_sarif",
    "find_duplicates",
    "is_at_least",
    "places_of",
    "validate_dataset",
    "validate_source",
    "verify_ids",
    "worst",
]
