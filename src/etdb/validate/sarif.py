"""Findings as SARIF 2.1.0, for the tools that show and track such reports.

OASIS Standard, 27 March 2020: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html (sections 3.13 on).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from etdb.validate.finding import CHECKS, Finding

__all__ = ["SARIF_SCHEMA", "encode_sarif"]

SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}
_BASE: Final = "DATASETS"


def encode_sarif(findings: Sequence[Finding], *, version: str) -> dict[str, Any]:
    """The report as a document: every check as a rule, every finding as a result.

    Args:
        findings: of all datasets.
        version: of this program.

    Files are named relative to the folder that all datasets have in common. A finding's fingerprint is made of its id,
    dataset and file, so that the same fault in two reports is known as one.
    """
    rules = list(CHECKS.values())
    number = {check.id: at for at, check in enumerate(rules)}
    base = _common(findings)
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "etdb validate",
                "version": version,
                "rules": [
                    {
                        "id": check.id,
                        "shortDescription": {"text": check.title},
                        "help": {"text": check.hint},
                        "defaultConfiguration": {"level": _LEVELS[check.severity]},
                        "properties": {"tags": [check.room]},
                    }
                    for check in rules
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, number[finding.id], base) for finding in findings],
    }
    if base is not None:
        run["originalUriBaseIds"] = {_BASE: {"uri": _folder_uri(base)}}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, number: int, base: Path | None) -> dict[str, Any]:
    path = Path(finding.root) / finding.file
    inside = os.path.relpath(path, base) if base is not None else finding.file
    location: dict[str, Any] = {"uri": quote(Path(inside).as_posix(), errors="surrogateescape")}
    if base is not None:
        location["uriBaseId"] = _BASE
    mark = hashlib.sha256(f"{finding.id}\0{finding.dataset}\0{finding.file}".encode("utf-8", "replace"))
    return {
        "ruleId": finding.id,
        "ruleIndex": number,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{CHECKS[finding.id].title}: {finding.message}"},
        "locations": [{"physicalLocation": {"artifactLocation": location}}],
        "partialFingerprints": {"etdb/v1": mark.hexdigest()},
        "properties": {"dataset": finding.dataset, "evidence": msgspec.to_builtins(finding.evidence)},
    }


def _common(findings: Sequence[Finding]) -> Path | None:
    roots = {finding.root for finding in findings if finding.root}
    if not roots:
        return None
    shared = Path(os.path.commonpath(roots))
    return shared.parent if len(roots) == 1 else shared


def _folder_uri(path: Path) -> str:
    return "file://" + quote(path.absolute().as_posix().rstrip("/") + "/", errors="surrogateescape")
