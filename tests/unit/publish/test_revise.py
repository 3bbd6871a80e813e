"""What sync asks of publish: what has changed becomes an edit, once; what is withdrawn is withdrawn, once."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing

import msgspec
import pytest

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue, Query
from etdb.errors import InputError
from etdb.flo import REGTEST, PrivateKey
from etdb.index import follow
from etdb.ledger import Limits, LocalChain
from etdb.oip import FileEntry, Tomogram
from etdb.publish import Journal, Publisher, Submission, plan_publish
from etdb.schema import copy_path

KEY = PrivateKey.generate(b"k" * 32)
ADDRESS = KEY.address(REGTEST)


class Lab:
    """Datasets on a disk, a chain of one's own, and a publisher over both."""

    def __init__(self, folder):
        self.folder = folder
        self.chain = LocalChain(folder / "chain", writable=True)
        self.catalogue = Catalogue(folder / "catalogue.sqlite", writable=True)
        self.fields = {}
        self.clock = 1_800_000_000
        self.open()

    def open(self, name="ws"):
        """A workspace: a journal and a store of its own."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        self.journal = Journal(place / "journal.sqlite")
        self.blocks = FilesInPlace(place / "digests.sqlite", content_folder=place / "content")

    def close(self):
        self.journal.close()
        self.blocks.close()
        self.chain.close()
        self.catalogue.close()

    def dataset(self, sid, text="0.0\n3.0\n", **fields):
        (self.folder / sid).mkdir(exist_ok=True)
        path = self.folder / sid / "a.rawtlt"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        self.fields[sid] = {"title": f"Title of {sid}", **self.fields.get(sid, {}), **fields}

    def submission(self, sid):
        path = self.folder / sid / "a.rawtlt"
        tomogram = Tomogram(
            sid=sid,
            description="A description",
            species="Caulobacter crescentus",
            acquired_on=dt.date(2014, 1, 14),
            files=(FileEntry(path="a.rawtlt", size_bytes=path.stat().st_size),),
            **self.fields[sid],
        )
        return Submission(tomogram=tomogram, paths={"a.rawtlt": path}, source=str(path.parent))

    def publisher(self, *, final_depth=1):
        return Publisher(
            journal=self.journal,
            blocks=self.blocks,
            ledger=self.chain,
            key=KEY,
            network=REGTEST,
            limits=Limits(),
            final_depth=final_depth,
            clock=lambda: self.clock,
            fund=lambda: self.chain.earn(ADDRESS, 100_000_000),
            recorded=self.catalogue.current,
        )

    def run(self, *sids, revise=True, **options):
        report = self.publisher(**options).run([self.submission(sid) for sid in sids], revise=revise)
        self.index()
        return {one.sid: one for one in report.datasets}, report.transactions_sent

    def plan(self, *sids, withdraw=None):
        plan = plan_publish(
            [self.submission(sid) for sid in sids],
            publisher=ADDRESS,
            journal=self.journal,
            ledger=self.chain,
            limits=Limits(),
            revise=True,
            withdraw=withdraw,
            recorded=self.catalogue.current,
            is_unchanged=self.blocks.is_unchanged,
        )
        return {one.sid: (one.what, one.fields) for one in plan.datasets}, plan

    def index(self):
        follow(self.chain, self.catalogue, network=REGTEST, check_transactions=True)

    def view(self, sid):
        (found,) = self.catalogue.search(Query(terms={"sid": (sid,)})).results
        return found


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path)
    for sid in ("one", "two", "three"):
        lab.dataset(sid, text=f"{sid}\n")
    assert {one.what for one in lab.run("one", "two", "three")[0].values()} == {"new"}
    yield lab
    lab.close()


def test_what_has_not_changed_is_left(lab):
    assert lab.plan("one", "two", "three")[0] == dict.fromkeys(("one", "two", "three"), ("unchanged", ()))
    said, sent = lab.run("one", "two", "three")
    assert (sent, {one.what for one in said.values()}) == (0, {"unchanged"})


def test_metadata_and_files_become_edits_once(lab):
    before = {sid: lab.view(sid) for sid in ("one", "two", "three")}
    lab.dataset("one", text="one\n", title="Another title", strain="NA1000")
    lab.dataset("two", text="two\nmore\n")
    lab.dataset("three", text="thrEE\n")  # of the same length: a plan reads nothing
    planned, plan = lab.plan("one", "two", "three")
    assert planned["one"] == ("edited", ("title", "strain"))
    assert planned["two"] == ("files changed", ("files[a.rawtlt].size_bytes", "files[a.rawtlt] (perhaps)"))
    assert (planned["three"][0], plan.to_publish, plan.transactions) == ("files changed", 3, 3)
    said, sent = lab.run("one", "two", "three")
    assert {sid: one.what for sid, one in said.items()} == {
        "one": "edited",
        "two": "files changed",
        "three": "files changed",
    }
    assert (said["one"].fields, said["one"].revision, sent) == (("title", "strain"), 2, 3)
    for sid, old in before.items():
        view = lab.view(sid)
        assert (view.dataset_id, view.revisions) == (old.dataset_id, 2)
        assert view.tomogram.location != old.tomogram.location
        assert (view.revision_id, view.dataset_id) == (said[sid].revision_id, said[sid].dataset_id)
    assert lab.view("one").tomogram.files == before["one"].tomogram.files
    again, sent = lab.run("one", "two", "three")
    assert (sent, {one.what for one in again.values()}) == (0, {"unchanged"})
    assert lab.view("one").revisions == 2


def test_without_revise_a_change_is_refused_with_a_way_out(lab):
    lab.dataset("one", text="one\n", title="Another title")
    with pytest.raises(InputError, match="changed since: title") as raised:
        lab.run("one", revise=False)
    assert "etdb edit" in raised.value.hint


def test_reasons_go_into_the_history(lab):
    lab.dataset("one", text="one\n", title="Another title")
    lab.publisher().run([lab.submission("one")], revise=True, reasons={"one": "as the database has it"})
    lab.index()
    assert lab.catalogue.history(lab.view("one").dataset_id)[1].reason == "as the database has it"


def test_what_was_begun_and_taken_back_is_dropped(lab):
    lab.dataset("one", text="one\n", title="Another title")

    class GoneError(Exception):
        pass

    def die(name, moment):
        if (name, moment) == ("sign", "after"):
            raise GoneError

    lab.journal._observer = die
    with pytest.raises(GoneError):
        lab.run("one")
    lab.journal._observer = None
    lab.dataset("one", text="one\n", title="Title of one")
    said, sent = lab.run("one")
    assert (said["one"].what, sent, lab.journal.state_counts()) == ("unchanged", 0, {"dropped": 1, "final": 3})
    lab.dataset("one", text="one\n", title="A third title")  # its place is taken again
    said, sent = lab.run("one")
    assert (said["one"].what, sent, lab.journal.state_counts()) == ("edited", 1, {"final": 4})


def test_an_edit_waits_until_the_record_is_final(lab):
    lab.dataset("four")
    lab.run("four", final_depth=6)
    lab.dataset("four", title="Another title")
    assert lab.plan("four")[0]["four"] == ("waiting", ("title",))
    said, sent = lab.run("four", final_depth=6)
    assert (said["four"].what, said["four"].fields, sent) == ("waiting", ("title",), 0)
    lab.chain.mine(5, ADDRESS)
    said, sent = lab.run("four", final_depth=6)
    assert (said["four"].what, sent) == ("edited", 1)


def test_withdrawn_once_by_sid_and_by_id(lab):
    one, two = (lab.view(sid).dataset_id for sid in ("one", "two"))
    planned, plan = lab.plan(withdraw={"one": "wrong", two: "wrong too"})
    assert ({what for what, _ in planned.values()}, plan.transactions) == ({"deactivated"}, 2)
    report = lab.publisher().deactivate({"one": "wrong", two: "wrong too"})
    assert [(one.what, one.dataset_id) for one in report.datasets] == [("deactivated", one), ("deactivated", two)]
    lab.index()
    assert lab.catalogue.search(Query()).total == 1
    again = lab.publisher().deactivate({"one": "wrong", two: "wrong too"})
    assert ([one.what for one in again.datasets], again.transactions_sent) == (["withdrawn", "withdrawn"], 0)
    said, sent = lab.run("one", "two", "three")  # the lab's folders are still there
    assert ({sid: one.what for sid, one in said.items()}, sent) == (
        {"one": "withdrawn", "two": "withdrawn", "three": "unchanged"},
        0,
    )


def test_nothing_is_signed_when_one_of_several_may_not_be_withdrawn(lab):
    with pytest.raises(InputError, match="no dataset nowhere"):
        lab.publisher().deactivate({"one": "wrong", "nowhere": "wrong"})
    assert lab.journal.state_counts() == {"final": 3}


def test_a_lost_journal_is_made_up_for_by_the_index(lab):
    """Another workspace with the same key: the same is unchanged, what differs is one edit of the same record."""
    one, two = (lab.view(sid).dataset_id for sid in ("one", "two"))
    lab.journal.close()
    lab.blocks.close()
    lab.open("other")
    lab.clock += 86_400 * 40
    lab.dataset("two", text="two\n", title="Another title")
    lab.dataset("three", text="three\nmore\n")
    said, sent = lab.run("one", "two", "three")
    assert ({sid: found.what for sid, found in said.items()}, sent) == (
        {"one": "unchanged", "two": "edited", "three": "files changed"},
        2,
    )
    assert (said["one"].dataset_id, said["two"].dataset_id) == (one, two)
    assert (lab.view("two").tomogram.title, lab.view("two").revisions) == ("Another title", 2)
    said, sent = lab.run("one", "two", "three")
    assert ({found.what for found in said.values()}, sent) == ({"unchanged"}, 0)
    lab.publisher().deactivate({"one": "wrong"})
    lab.index()
    assert lab.catalogue.get(one).withdrawn.reason == "wrong"


def test_another_keys_dataset_is_not_ours(lab):
    theirs = Publisher(
        journal=lab.journal,
        blocks=lab.blocks,
        ledger=lab.chain,
        key=PrivateKey.generate(b"x" * 32),
        network=REGTEST,
        limits=Limits(),
        recorded=lab.catalogue.current,
    )
    with pytest.raises(InputError, match=f"belongs to {ADDRESS}"):
        theirs.deactivate({lab.view("one").dataset_id: "spite"})


def test_a_journal_of_the_first_version_is_brought_up(lab, tmp_path):
    """The tables as the first version had them, with a record on its way and a transaction under another id."""
    old = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(old)) as made, closing(sqlite3.connect(tmp_path / "ws/journal.sqlite")) as now:
        made.executescript(FIRST_VERSION)
        rows = now.execute("SELECT id, publisher, sid, source, state, draft, files, root_cid, record FROM datasets")
        made.executemany(f"INSERT INTO datasets VALUES ({','.join('?' * 9)})", rows.fetchall())
        rows = now.execute("SELECT * FROM transactions").fetchall()
        made.executemany(f"INSERT INTO transactions VALUES ({','.join('?' * len(rows[0]))})", rows)
        made.execute("INSERT INTO other_ids SELECT 'ab', seq FROM transactions LIMIT 1")
        made.execute("PRAGMA user_version = 1")
        made.commit()
    before = lab.journal.datasets(), lab.journal.transactions()
    lab.journal.close()
    lab.journal = Journal(old)
    assert (lab.journal.datasets(), lab.journal.transactions()) == before
    assert lab.journal.find_transaction("ab") is not None
    assert copy_path(old, 1).exists()
    with closing(sqlite3.connect(old)) as made, closing(sqlite3.connect(tmp_path / "ws/journal.sqlite")) as fresh:
        assert made.execute("PRAGMA foreign_key_check").fetchall() == []
        names = "SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2"
        assert made.execute(names).fetchall() == fresh.execute(names).fetchall()
    lab.dataset("one", text="one\n", title="Another title")
    assert lab.run("one")[0]["one"].what == "edited"


FIRST_VERSION = """
CREATE TABLE datasets(id INTEGER PRIMARY KEY, publisher TEXT NOT NULL, sid TEXT NOT NULL, source TEXT NOT NULL,
  state TEXT NOT NULL, draft BLOB NOT NULL, files BLOB, root_cid TEXT, record BLOB, UNIQUE(publisher, sid)) STRICT;
CREATE TABLE transactions(seq INTEGER PRIMARY KEY, dataset INTEGER REFERENCES datasets(id), part INTEGER NOT NULL,
  txid TEXT NOT NULL UNIQUE, seen_as TEXT, state TEXT NOT NULL, height INTEGER, raw BLOB NOT NULL, data BLOB NOT NULL,
  fee_sat INTEGER NOT NULL, spends BLOB NOT NULL, creates BLOB NOT NULL) STRICT;
CREATE TABLE other_ids(txid TEXT PRIMARY KEY, seq INTEGER NOT NULL REFERENCES transactions(seq)) STRICT;
CREATE INDEX transactions_of ON transactions(dataset, part);
CREATE INDEX transactions_open ON transactions(state) WHERE state IN ('signed', 'submitted');
"""


def test_an_edit_over_the_same_files_needs_only_their_nodes(lab):
    view = lab.view("one")
    after = msgspec.structs.replace(view.tomogram, title="Another title")
    from etdb.manifest import parse_manifest
    from etdb.publish import published_contents
    from etdb.verify import read_manifest

    manifest = parse_manifest(read_manifest(view.tomogram.location, lab.blocks))
    contents = published_contents(view.tomogram.location, manifest, lab.blocks)
    (lab.folder / "one" / "a.rawtlt").unlink()
    report = lab.publisher().edit("one", after, contents=contents, reason="why")
    assert (report.datasets[0].what, report.datasets[0].fields) == ("edited", ("title",))
    lab.index()
    new = parse_manifest(read_manifest(lab.view("one").tomogram.location, lab.blocks))
    assert new.files == manifest.files
    with pytest.raises(InputError, match="nothing differs"):
        lab.publisher().edit("one", after, contents=contents)


def changed(submission, fields=None, *, file=None, **more):
    tomogram = msgspec.structs.replace(submission.tomogram, **fields or {})
    if file:
        tomogram = msgspec.structs.replace(
            tomogram, files=tuple(msgspec.structs.replace(one, **file) for one in tomogram.files)
        )
    return msgspec.structs.replace(submission, tomogram=tomogram, **more)


def test_what_etdb_works_out_makes_no_revision(lab):
    one = lab.submission("one")
    for other in (
        changed(one, file={"role": "metadata", "media_type": "text/plain"}),
        changed(one, {"tilt_max_deg": 60.0, "extra": {"tilts": 3}}, derived=frozenset({"tilt_max_deg", "extra.tilts"})),
        changed(one, {"species": "C. crescentus"}, respelt={"species": "Caulobacter crescentus"}),
    ):
        for revise in (False, True):
            report = lab.publisher().run([other], revise=revise)
            assert (report.datasets[0].what, report.transactions_sent) == ("unchanged", 0)
    stated = changed(one, {"tilt_max_deg": 60.0, "strain": "NA1000"}, derived=frozenset({"tilt_max_deg"}))
    (done,) = lab.publisher().run([stated], revise=True).datasets
    assert (done.what, done.fields) == ("edited", ("strain", "tilt_max_deg"))  # what it reads goes along


def test_a_note_about_a_file_is_an_edit_for_sync_and_nothing_for_publish(lab):
    other = changed(lab.submission("one"), file={"notes": "the second series"})
    assert lab.publisher().run([other]).datasets[0].what == "unchanged"
    (done,) = lab.publisher().run([other], revise=True).datasets
    assert (done.what, done.fields) == ("edited", ("files[a.rawtlt].notes",))
