"""The whole catalogue in one file, and a second portal that begins with it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import sys
from contextlib import closing

import pyarrow.parquet as pq
import pytest

from etdb.catalogue import Catalogue, Observation, Query, begin_with
from etdb.errors import FormatError, InputError, NotFoundError
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.index.fold import Fold
from etdb.oip import Tomogram
from etdb.testing.asking import asking, document
from etdb.testing.catalogue import fill_catalogue
from etdb.testing.portal import HOSTILE_TEXTS, sample_portal
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger
from etdb.web.api import export
from etdb.web.api.exportrows import COLUMNS
from etdb.web.api.routes import BASE
from etdb.web.application import portal_app
from etdb.web.portal import Portal
from etdb.workspace import PortalSettings

FIRST = "01" * 32
TABLES = (
    "CREATE TABLE blocks (height, block_hash, time_s);CREATE TABLE messages (id, height, position, txid, sender, data);"
)
BLOCK = "INSERT INTO blocks VALUES (7, 'a', 2);"


@pytest.fixture
def hostile(hostile_portal):
    return asking(portal_app(hostile_portal))


def test_json_lines_are_the_documents_of_the_api(hostile, hostile_portal):
    answer = hostile(f"{BASE}/export/datasets.jsonl")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert len(lines) == hostile_portal.statistics().datasets
    assert lines == [document(hostile(f"{BASE}/datasets/{one['id']}")) for one in lines]
    assert answer.headers["content-disposition"] == 'attachment; filename="datasets.jsonl"'
    some = hostile(f"{BASE}/export/datasets.jsonl?species=Bdellovibrio+bacteriovorus")
    assert [json.loads(line)["id"] for line in some.body.splitlines()] == [FIRST]


def test_a_table_opens_without_doing_anything(hostile):
    rows = list(csv.DictReader(io.StringIO(hostile(f"{BASE}/export/datasets.csv").body.decode(), newline="")))
    assert list(rows[0]) == [name for name, _ in COLUMNS]
    titles = {row["title"] for row in rows}
    for text in HOSTILE_TEXTS:
        assert (f"'{text}" if text.startswith("=") else text) in titles
    for row in rows:
        for name, value in row.items():
            is_number = dict(COLUMNS)[name] in {"integer", "number"}
            assert is_number or not value.startswith(("=", "+", "-", "@", "\t", "\r")), (name, value[:40])
    first = next(row for row in rows if row["id"] == FIRST)
    assert (first["tilt_min_deg"], first["authors"], first["file_paths"]) == ("-60.0", "", "rec.mrc; note.txt")


@pytest.mark.parametrize("first", "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
def test_no_text_of_a_table_is_carried_out(tmp_path, first):
    said = f"{first}cmd|' /C calc'!A0"
    with sample_portal(tmp_path) as portal, Catalogue(tmp_path / "other.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, [Tomogram(title=said, tags=(said, "x"), description=f"a{said}")])
        ask = asking(portal_app(Portal(catalogue, portal.store, PortalSettings(), network="local")))
        body = ask(f"{BASE}/export/datasets.csv").body.decode()
    row = next(csv.DictReader(io.StringIO(body, newline="")))
    assert (row["title"], row["tags"]) == (f"'{said}", f"'{said}; x")
    assert row["description"] == f"a{said}"


def test_parquet_holds_what_the_lines_hold(hostile):
    table = pq.read_table(io.BytesIO(hostile(f"{BASE}/export/datasets.parquet").body))
    lines = [json.loads(line) for line in hostile(f"{BASE}/export/datasets.jsonl").body.splitlines()]
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == [line["id"] for line in lines]
    for row, line in zip(rows, lines, strict=True):
        for name in ("title", "species", "tilt_min_deg", "ncbi_taxon_id"):
            assert row[name] == (
                line["record"].get(name) or None if name != "tilt_min_deg" else line["record"].get(name)
            )
        assert row["file_paths"] == [file["path"] for file in line["files"]]
        assert str(row["acquired_on"]) == line["record"]["acquired_on"]


def test_without_pyarrow_it_says_what_is_missing(hostile, monkeypatch):
    monkeypatch.delitem(sys.modules, "etdb.web.api.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = hostile(f"{BASE}/export/datasets.parquet")
    assert answer.status == 501
    assert "etdb[parquet]" in document(answer)["hint"]


def test_only_one_file_is_made_at_a_time(hostile, monkeypatch):
    monkeypatch.setattr(export, "_WAIT_S", 0.01)
    with export._making:
        assert hostile(f"{BASE}/export/catalogue.sqlite").status == 503
    assert hostile(f"{BASE}/export/catalogue.sqlite").status == 200


def test_files_that_are_sent_are_counted_and_their_places_come_back(hostile_portal):
    replies = [export._sqlite(None, hostile_portal) for _ in range(export.MAX_SENT)]
    with pytest.raises(export.BusyError):
        export._sqlite(None, hostile_portal)
    assert b"".join(replies.pop().pieces).startswith(b"SQLite format 3")
    replies.append(export._sqlite(None, hostile_portal))  # one that nobody reads gives its place back as well
    replies.clear()
    assert len([export._sqlite(None, hostile_portal) for _ in range(export.MAX_SENT)]) == export.MAX_SENT


def test_the_snapshot_is_the_fold_without_what_was_observed(tmp_path, hostile_portal, hostile):
    secret = "http://inside.example/secret-gateway"
    hostile_portal.catalogue.observe(
        Observation(
            dataset_id=FIRST, claim="file_bytes", outcome="held", detail=secret, source=secret, time_s=1_700_000_000
        )
    )
    body = hostile(f"{BASE}/export/catalogue.sqlite").body
    assert secret.encode() not in body
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(body)
    with Catalogue(path) as copy:
        assert copy.dump() == hostile_portal.catalogue.dump()
        assert copy.observations(FIRST) == ()


def test_a_second_catalogue_begins_with_it_and_follows_on(tmp_path):
    ledger, signer = ScriptedLedger(), RecordSigner()
    for number in range(3):
        ledger.add_block([signer.message(title=f"Tomogram {number}", sid=f"s{number}")])
    with Catalogue(tmp_path / "first.sqlite", writable=True) as first:
        follow(ledger, first, network=REGTEST)
        first.snapshot(tmp_path / "given.sqlite")
        with pytest.raises(InputError):
            first.snapshot(tmp_path / "given.sqlite")
        ledger.add_block([signer.message(title="Newer", sid="s3")])
        follow(ledger, first, network=REGTEST)
        assert begin_with(tmp_path / "given.sqlite", tmp_path / "second" / "catalogue.sqlite") == 3
        with Catalogue(tmp_path / "second" / "catalogue.sqlite", writable=True) as second:
            report = follow(ledger, second, network=REGTEST)
            assert report.blocks == 1  # the others were not read again
            assert second.dump() == first.dump()


def test_a_forged_file_brings_no_record_that_nobody_signed(tmp_path):
    ledger, signer = ScriptedLedger(), RecordSigner()
    ledger.add_block([signer.message(title="True", sid="s0")])
    with Catalogue(tmp_path / "first.sqlite", writable=True) as first:
        follow(ledger, first, network=REGTEST)
        first.snapshot(tmp_path / "given.sqlite")
    with closing(sqlite3.connect(tmp_path / "given.sqlite")) as db:
        db.execute("UPDATE records SET publisher = 'somebody', owner = 'somebody'")
        db.execute("UPDATE messages SET data = CAST(replace(CAST(data AS TEXT), 'Qmat8i', 'Qmat9i') AS BLOB)")
        db.execute("CREATE TRIGGER hurt AFTER INSERT ON blocks BEGIN SELECT load_extension('x'); END")
        db.commit()
    begin_with(tmp_path / "given.sqlite", tmp_path / "second.sqlite")
    with Catalogue(tmp_path / "second.sqlite", writable=True) as second:
        follow(ledger, second, network=REGTEST)
        assert second.search(Query()).total == 0
        assert [one.reason for one in second.listed("aside").items] == ["record not signed"]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE blocks (x); CREATE TABLE messages (y);",
        "CREATE VIEW blocks AS SELECT 1; CREATE TABLE messages (id);",
        "CREATE TABLE other (x);",
        f"{TABLES} INSERT INTO blocks VALUES ('x', 1, 2);",
        f"{TABLES} INSERT INTO messages VALUES (1, 7, 0, '{FIRST}', '[]', x'00');",
        f"{TABLES} {BLOCK} INSERT INTO messages VALUES (1, 7, 0, 'a', '[]', x'00');",
        f"{TABLES} {BLOCK} INSERT INTO messages VALUES (1, 7, 0, '{FIRST}', '[1]', x'00');",
        f"{TABLES} {BLOCK} INSERT INTO messages VALUES (1, 7, 0, '{FIRST}', '[]', 'text');",
    ],
)
def test_what_is_no_catalogue_is_refused_and_leaves_nothing(tmp_path, script):
    with closing(sqlite3.connect(tmp_path / "given.sqlite")) as db:
        db.executescript(script)
    with pytest.raises(FormatError):
        begin_with(tmp_path / "given.sqlite", tmp_path / "second.sqlite")
    assert [one.name for one in tmp_path.iterdir()] == ["given.sqlite"]


def test_a_file_that_is_no_database_or_not_there(tmp_path):
    (tmp_path / "given").write_bytes(b"no database" * 1000)
    with pytest.raises(FormatError):
        begin_with(tmp_path / "given", tmp_path / "second.sqlite")
    with pytest.raises(NotFoundError):
        begin_with(tmp_path / "nothing", tmp_path / "second.sqlite")
    shutil.copy(tmp_path / "given", tmp_path / "second.sqlite")
    with pytest.raises(InputError):
        begin_with(tmp_path / "given", tmp_path / "second.sqlite")


def test_the_rule_is_part_of_a_snapshot(tmp_path, portal):
    portal.catalogue.snapshot(tmp_path / "copy.sqlite")
    with Catalogue(tmp_path / "copy.sqlite") as copy:
        assert copy.meta("fold") == Fold(REGTEST).rule
