"""The report has the structure of SARIF 2.1.0: what a reader may count on, and nothing it would not know."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from msgspec import Struct, field

from etdb.validate import CHECKS, Finding, encode_sarif


# OASIS, SARIF Version 2.1.0, the objects that we write: section 3.13 (sarifLog), 3.14 (run), 3.18 (tool), 3.19
# (toolComponent), 3.49 (reportingDescriptor), 3.27 (result), 3.28 (location), 3.29 (physical_location), 3.4
# (artifact_location), 3.11 (message). Unknown properties are refused, as the schema refuses them.
class Strict(Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    pass


class Message(Strict):
    text: str


class Artifact(Strict):
    uri: str
    uri_base_id: str = ""


class Physical(Strict):
    artifact_location: Artifact


class Location(Strict):
    physical_location: Physical


class Result(Strict):
    rule_id: str
    rule_index: int
    level: Literal["none", "note", "warning", "error"]
    message: Message
    locations: list[Location]
    partial_fingerprints: dict[str, str]
    properties: dict[str, Any]


class Level(Strict):
    level: Literal["none", "note", "warning", "error"]


class Rule(Strict):
    id: str
    short_description: Message
    help: Message
    default_configuration: Level
    properties: dict[str, Any]


class Driver(Strict):
    name: str
    version: str
    rules: list[Rule]


class Tool(Strict):
    driver: Driver


class Base(Strict):
    uri: str


class Run(Strict):
    tool: Tool
    column_kind: Literal["utf16CodeUnits", "unicodeCodePoints"]
    results: list[Result]
    original_uri_base_ids: dict[str, Base] = {}


class Log(Strict):
    version: Literal["2.1.0"]
    runs: list[Run]
    schema_: str = field(name="$schema")


def finding(**words: Any) -> Finding:
    given = {
        "id": "mrc-truncated", "severity": "error", "dataset": "d 1", "file": "raw/ä b%.st", "message": "1 byte",
        "evidence": {"size_bytes": 1, "list": (1, 2)}, "hint": "copy", "root": "/lab/d 1", **words,
    }  # fmt: skip
    return Finding(**given)


def encoded(*findings: Finding) -> Run:
    document = msgspec.json.encode(encode_sarif(findings, version="0.1"))
    (run,) = msgspec.json.decode(document, type=Log).runs
    return run


def test_rules_are_all_checks_and_results_point_at_theirs():
    run = encoded(
        finding(), finding(id="dose-low", severity="warning", file=""), finding(id="mdoc-missing", severity="info")
    )
    assert [rule.id for rule in run.tool.driver.rules] == list(CHECKS)
    assert [run.tool.driver.rules[one.rule_index].id for one in run.results] == [one.rule_id for one in run.results]
    assert [one.level for one in run.results] == ["error", "warning", "note"]
    assert run.results[0].properties["evidence"] == {"size_bytes": 1, "list": [1, 2]}


@pytest.mark.parametrize(
    ("roots", "base"), [(("/lab/d 1",), "/lab/"), (("/lab/d 1", "/lab/d2"), "/lab/"), (("/a/d", "/b/d"), "/")]
)
def test_where_a_file_is(roots, base):
    run = encoded(*(finding(root=root) for root in roots))
    url = run.original_uri_base_ids["DATASETS"].uri
    assert (urlsplit(url).scheme, unquote(urlsplit(url).path)) == ("file", base)
    for one, root in zip(run.results, roots, strict=True):
        artifact = one.locations[0].physical_location.artifact_location
        assert " " not in artifact.uri
        assert unquote(urlsplit(url + artifact.uri).path) == f"{root}/raw/ä b%.st"


def test_the_mark_of_a_finding_is_the_same_whatever_its_numbers_are():
    one, again, other = encoded(finding(), finding(message="2 bytes"), finding(file="b")).results
    assert one.partial_fingerprints == again.partial_fingerprints != other.partial_fingerprints


def test_nothing_found_is_a_report_too():
    run = encoded()
    assert (run.results, run.original_uri_base_ids) == ([], {})


def test_a_name_that_is_no_text_is_written_all_the_same():
    assert encoded(finding(file="\\xff\udcff.st")).results
