"""``etdb sync`` and ``etdb stage`` as they are given to the shell: done once, held back, told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "media"))
from volumes import noise, write_mrc

from etdb.errors import SourceFileError
from etdb.publish import Journal
from etdb.sync import SyncState

FIELDS = "sid,title,species,acquired_on,released,withheld_because\n"


class Lab:
    """A lab with a table and a folder, and a workspace that syncs with it."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.table = desk.root / "table.csv"
        self.rows: dict[str, list[str]] = {}
        config = desk.workspace.config_path
        config.write_text(
            config.read_text() + '[source.lab]\nkind = "csv"\nfolder = "../data"\ntable = "../table.csv"\n'
            '[source.lab.record]\nlab = "Jensen Lab"\ntags = ["etdb"]\n'
        )

    def have(self, sid: str, title: str = "A series", **cells: str) -> Path:
        """A dataset in the table and on the disk."""
        row = {"title": title, "species": "Vibrio cholerae", "acquired_on": "2014-01-14", "released": "yes"} | cells
        self.rows[sid] = [sid, *row.values(), *([""] if len(row) == 4 else [])]
        folder = self.desk.data / sid
        if not folder.exists():
            folder.mkdir()
            (folder / "a.rawtlt").write_text(f"0.0\n{len(self.rows)}.0\n")
            (folder / "a.dat").write_bytes(sid.encode() * 9)
        self.write()
        return folder

    def write(self) -> None:
        """The table as it is now."""
        self.table.write_text(FIELDS + "".join(",".join(row) + "\n" for row in self.rows.values()))

    def sync(self, *words: object, status: int = 0) -> dict:
        said = self.desk.run("--json", "sync", *(words or ("--yes",)), "--passphrase-file", self.desk.secret)
        assert said.status == status, said.err
        return said.document

    def did(self, *words: object, status: int = 0) -> dict[str, str]:
        return {one["sid"]: one["what"] for one in self.sync(*words, status=status)["sources"][0]["changes"]}

    def messages(self) -> list[tuple[str, str, str]]:
        with closing(Journal(self.desk.workspace.journal_path)) as journal:
            return [(one.sid, one.kind, one.state) for one in journal.datasets()]


@pytest.fixture
def lab(desk) -> Lab:
    return Lab(desk)


def test_a_time_to_wait_without_waiting_makes_no_sense(lab):
    lab.have("a-1")
    said = lab.desk.run("sync", "--yes", "--no-wait", "--wait-timeout", "3", "--passphrase-file", lab.desk.secret)
    assert said.status == 3
    assert "--wait-timeout has no meaning with --no-wait" in said.err
    assert not lab.desk.workspace.journal_path.exists()


def test_each_change_is_published_once(lab):
    lab.have("a-1")
    folder = lab.have("b-1")
    lab.have("c-1")
    assert lab.did() == {"a-1": "new", "b-1": "new", "c-1": "new"}
    assert lab.did() == {}
    lab.have("a-1", title="Another title")
    (folder / "a.dat").write_bytes(b"better")
    lab.have("c-1", released="no", withheld_because="wrong sample")
    assert lab.did("--dry-run") == {"a-1": "edited", "b-1": "files changed", "c-1": "deactivated"}
    report = lab.sync()["sources"][0]
    assert {one["sid"]: (one["what"], one["fields"], one["revision"], one["reason"]) for one in report["changes"]} == {
        "a-1": ("edited", ["title"], 2, ""),
        "b-1": ("files changed", ["files[a.dat].size_bytes"], 2, ""),
        "c-1": ("deactivated", [], 2, "wrong sample"),
    }
    for _ in range(2):
        assert lab.did() == {}
    assert lab.messages() == [
        ("a-1", "publish", "final"), ("b-1", "publish", "final"), ("c-1", "publish", "final"),
        ("c-1", "deactivate", "final"), ("a-1", "edit", "final"), ("b-1", "edit", "final"),
    ]  # fmt: skip


def test_an_edit_keeps_the_cids_of_the_files(lab):
    lab.have("a-1")
    lab.sync()
    lab.have("a-1", title="Another title")
    lab.sync()
    with closing(Journal(lab.desk.workspace.journal_path)) as journal:
        first, second = journal.datasets()
    assert first.files == second.files
    assert first.root_cid != second.root_cid


def test_what_is_wrong_with_one_stops_no_other(lab):
    lab.have("a-1")
    lab.have("b-1", acquired_on="never")
    (lab.have("c-1") / "a.dat").write_bytes(b"")
    lab.have("d-1", acquired_on="")
    report = lab.sync(status=3)["sources"][0]
    assert [one["sid"] for one in report["changes"]] == ["a-1"]
    assert {sid: why.partition(":")[0] for sid, why in report["held_back"].items()} == {
        "b-1": "acquired_on",
        "c-1": "a.dat",
        "d-1": "the record of d-1 lacks acquired_on",
    }
    lab.have("b-1")
    assert lab.did(status=3) == {"b-1": "new"}


def test_a_published_dataset_that_is_wrong_now_stays_as_it_is(lab):
    lab.have("a-1")
    lab.sync()
    lab.have("a-1", acquired_on="never")
    report = lab.sync(status=3)["sources"][0]
    assert report["changes"] == []
    assert list(report["held_back"]) == ["a-1"]


def test_errors_of_validation_hold_back_and_can_be_overruled(lab):
    (lab.have("a-1") / "a.mrc").write_bytes(b"no header")
    report = lab.sync(status=3)["sources"][0]
    assert "a.mrc" in report["held_back"]["a-1"]
    assert lab.did("--yes", "--validation", "warn") == {"a-1": "new"}


def test_much_that_vanishes_is_withdrawn_only_when_it_is_allowed(lab):
    for number in range(5):
        lab.have(f"a-{number}")
    lab.sync()
    lab.rows = {"a-0": lab.rows["a-0"], "a-1": lab.rows["a-1"]}
    lab.have("b-1")
    report = lab.sync(status=3)["sources"][0]
    assert [one["sid"] for one in report["changes"]] == ["b-1"]
    assert report["doubt"].startswith("3 of 5 published datasets")
    assert set(report["not_withdrawn"]) == {"a-2", "a-3", "a-4"}
    assert lab.did("--yes", "--allow-withdrawals") == dict.fromkeys(("a-2", "a-3", "a-4"), "deactivated")
    assert lab.did() == {}


def test_a_source_that_is_away_or_empty_withdraws_nothing(lab):
    lab.have("a-1")
    lab.sync()
    lab.rows = {}
    lab.write()
    assert lab.sync(status=3)["sources"][0]["not_withdrawn"] == {"a-1": "no longer in the lab's list"}
    lab.table.unlink()
    report = lab.sync(status=3)["sources"][0]
    assert "cannot be read" in report["error"]
    assert lab.messages() == [("a-1", "publish", "final")]


def test_what_was_withdrawn_stays_withdrawn_and_somebody_is_told(lab):
    lab.have("a-1")
    lab.have("b-1")
    lab.sync()
    lab.have("a-1", released="no")
    lab.sync()
    lab.have("a-1", title="Released again")
    report = lab.sync(status=3)["sources"][0]
    assert report["changes"] == []
    assert "withdrawn" in report["held_back"]["a-1"]


def test_two_sources_with_one_sid(lab):
    lab.have("a-1")
    config = lab.desk.workspace.config_path
    config.write_text(config.read_text() + '[source.tree]\nkind = "tree"\nfolder = "../other"\n')
    other = lab.desk.root / "other" / "a-1"
    other.mkdir(parents=True)
    (other / "x.rawtlt").write_text("0.0\n")
    lab.desk.run("init", "x")
    report = lab.sync(status=3)
    assert [len(source["changes"]) for source in report["sources"]] == [1, 0]
    assert "source lab has a dataset of this sid" in report["sources"][1]["held_back"]["a-1"]
    assert lab.did("lab", "--yes") == {}


def test_a_dataset_that_moves_to_another_source_is_not_withdrawn(lab):
    folder = lab.have("a-1")
    lab.have("b-1")
    config = lab.desk.workspace.config_path
    config.write_text(config.read_text() + '[source.tree]\nkind = "tree"\nfolder = "../other"\n')
    other = lab.desk.root / "other"
    other.mkdir()
    lab.sync()
    folder.rename(other / "a-1")
    (other / "a-1" / "dataset.toml").write_text(
        'title = "A series"\nspecies = "Vibrio cholerae"\nacquired_on = 2014-01-14\nlab = "Jensen Lab"\n'
    )
    lab.rows.pop("a-1")
    lab.write()
    assert "may be in a source that was not read: tree" in lab.sync("lab", "--yes", status=3)["sources"][0]["doubt"]
    report = lab.sync()
    assert [one["what"] for source in report["sources"] for one in source["changes"]] == ["edited"]
    assert not any(kind == "deactivate" for _, kind, _ in lab.messages())
    assert lab.sync("lab", "--yes")["sources"][0]["not_withdrawn"] == {}


def test_reports_are_kept_and_read_like_text(lab):
    lab.have("a-1", title="[red]Title\x1b[2J")
    said = lab.desk.run("sync", "--yes", "--passphrase-file", lab.desk.secret)
    assert said.status == 0
    assert "1 published:" in said.out
    assert "\x1b" not in said.out
    folder = lab.desk.workspace.reports_folder
    json_path, text_path = sorted(folder.iterdir())
    assert json.loads(json_path.read_text())["sources"][0]["released"] == 1
    assert "a-1" in text_path.read_text()


def test_dry_run_writes_nothing(lab):
    lab.have("a-1")
    before = {path: path.stat().st_mtime_ns for path in lab.desk.root.rglob("*")}
    assert lab.did("--dry-run") == {"a-1": "new"}
    added = {path.name for path in lab.desk.root.rglob("*") if path not in before}
    # What SQLite needs beside a database that is read.
    assert {name for name in added if not name.endswith(("-wal", "-shm"))} <= {"digests.sqlite"}
    assert lab.desk.states() == {}


def test_one_at_a_time_and_never_without_consent(lab):
    lab.have("a-1")
    said = lab.desk.run("sync", "--passphrase-file", lab.desk.secret)
    assert (said.status, "consent" in said.err) == (3, True)
    with lab.desk.workspace.lock("sync"):
        assert lab.desk.run("sync", "--yes", "--passphrase-file", lab.desk.secret).status == 7
    assert lab.desk.run("sync", "nobody", "--yes").status == 3
    assert lab.messages() == [] if lab.desk.workspace.journal_path.exists() else True


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('kind = "csv"\nfolder = "x"', "lacks `table`"),
        ('kind = "tree"\nfolder = "x"\nurl = "mysql://h/d"', "has no meaning"),
        ('kind = "csvs"\nfolder = "x"', "csvs"),
        ('kind = "csv"\nfolder = "x"\ntabel = "t"', "did you mean `source.bad.table`"),
        ('kind = "tree"\nfolder = "x"\n[source.bad.record]\ntitel = "t"', "did you mean `title`"),
        ('kind = "tree"\nfolder = "x"\n[source.bad.record]\nsid = "t"', "belongs to one dataset"),
        ('kind = "database"\nfolder = "x"\nmapping = "m"\nurl = "mysql://u:s3cret@h/d"', "has a password in it"),
    ],
)
def test_settings_that_are_wrong(lab, line, says):
    config = lab.desk.workspace.config_path
    config.write_text(config.read_text() + f"[source.bad]\n{line}\n")
    said = lab.desk.run("sync", "bad", "--dry-run")
    assert said.status == 3
    assert says in said.err
    assert "s3cret" not in said.err + said.out


def test_a_lost_state_withdraws_nothing_and_is_made_again(lab):
    lab.have("a-1")
    lab.have("b-1")
    lab.sync()
    for path in lab.desk.workspace.root.glob("sync.sqlite*"):
        path.unlink()
    lab.rows.pop("b-1")
    lab.write()
    assert lab.did() == {}
    with closing(SyncState(lab.desk.workspace.sync_path, writable=False)) as state:
        assert list(state.source_of(lab.desk.workspace.keyring.show("me").address)) == ["a-1"]


CHILD = """
import os, signal, sys
from etdb.publish import Journal
from etdb.cli import main
made = Journal.__init__
def die(name, when):
    name == os.environ["KILLED_AFTER"] and when == "after" and os.kill(os.getpid(), signal.SIGKILL)
def init(self, path, **_):
    made(self, path, observer=die)
Journal.__init__ = init
main(sys.argv[1:])
"""


def killed_after_signing(lab, transition="sign"):
    words = ["-w", lab.desk.workspace.root, "sync", "--yes", "--passphrase-file", lab.desk.secret]
    env = {**os.environ, "KILLED_AFTER": transition}
    ended = subprocess.run([sys.executable, "-c", CHILD, *map(str, words)], check=False, env=env)
    assert ended.returncode == -signal.SIGKILL


def test_what_was_begun_and_is_not_released_any_more_is_never_sent(lab):
    """A run is killed between signing and sending; then the lab takes the dataset back."""
    lab.have("a-1")
    lab.have("b-1")
    killed_after_signing(lab)
    assert lab.messages() == [("a-1", "publish", "signed")]
    lab.have("a-1", released="no")
    assert lab.did() == {"b-1": "new"}
    assert ("a-1", "publish", "dropped") in lab.messages()
    assert lab.desk.run("publish", "--resume", "--yes", "--passphrase-file", lab.desk.secret).status == 0
    assert ("a-1", "publish", "dropped") in lab.messages()
    lab.have("a-1", title="Released after all")
    assert lab.did() == {"a-1": "new"}


def test_a_withdrawal_that_was_begun_and_is_not_meant_any_more_is_never_sent(lab):
    """The same for a withdrawal: the lab releases the dataset again before it was sent."""
    lab.have("a-1")
    lab.have("b-1")
    lab.sync()
    lab.have("a-1", released="no")
    killed_after_signing(lab)
    assert lab.messages()[-1] == ("a-1", "deactivate", "signed")
    lab.have("a-1", title="Released again")
    assert lab.did("--dry-run") == {"a-1": "edited"}
    assert lab.did() == {"a-1": "edited"}
    assert ("a-1", "deactivate", "final") not in lab.messages()
    assert lab.did() == {}


@pytest.mark.parametrize("transition", ["prepare", "send"])
def test_a_withdrawal_whose_run_was_cut_off_is_sent_by_the_next_one(lab, transition):
    """Its transactions were stored: it is on its way, and nothing else is to be done that night."""
    lab.have("a-1")
    lab.have("b-1")
    lab.sync()
    lab.have("a-1", released="no", withheld_because="wrong sample")
    killed_after_signing(lab, transition)
    assert lab.did("--dry-run") == {"a-1": "unchanged"}
    assert lab.did() == {"a-1": "deactivated"}
    assert lab.messages()[-1] == ("a-1", "deactivate", "final")
    assert lab.did() == {}


def test_a_record_whose_run_was_cut_off_is_sent_and_then_withdrawn(lab):
    lab.have("a-1")
    killed_after_signing(lab, "prepare")
    lab.have("b-1")
    lab.have("a-1", released="no", withheld_because="wrong sample")
    assert lab.did() == {"b-1": "new", "a-1": "waiting"}
    assert ("a-1", "publish", "final") in lab.messages()
    assert lab.did() == {"a-1": "deactivated"}


def test_an_edit_that_was_begun_is_not_sent_when_the_dataset_is_withdrawn(lab):
    lab.have("a-1")
    lab.have("b-1")
    lab.sync()
    lab.have("a-1", title="A better title")
    killed_after_signing(lab)
    lab.have("a-1", released="no", withheld_because="wrong sample")
    assert lab.did("--dry-run") == {"a-1": "deactivated"}
    assert lab.did() == {"a-1": "deactivated"}
    assert ("a-1", "edit", "final") not in lab.messages()


def test_a_disk_that_cannot_be_read_publishes_nothing_without_its_previews(lab, monkeypatch):
    """Published is for good; the disk may read again tomorrow."""
    folder = lab.have("a-1")
    write_mrc(folder / "rec.mrc", noise((4, 32, 32), np.int16))

    def unreadable(product, *_):
        raise SourceFileError("cannot be read", path=str(product.source.file))

    with monkeypatch.context() as patch:
        patch.setattr("etdb.preview.keeping.make_product", unreadable)
        report = lab.sync("--yes", "--previews", "--validation", "skip", status=3)["sources"][0]
    assert report["held_back"] == {"a-1": "cannot be read"}
    assert lab.did("--yes", "--previews", "--validation", "skip") == {"a-1": "new"}


def test_what_cannot_be_staged_is_named_in_the_report(lab, tmp_path):
    lab.have("a-1")
    folder = lab.have("b-1")
    lab.sync()
    (folder / "a.dat").rename(folder.parent / "away")
    lab.have("b-1", acquired_on="never")  # held back: it stays published as it was
    said = lab.sync("--yes", "--stage", tmp_path / "outside", status=3)
    assert list(said["not_staged"]) == ["b-1"]
    assert "a.dat" in said["not_staged"]["b-1"]
    (text,) = [path for path in lab.desk.workspace.reports_folder.glob("*.txt") if "Staged" in path.read_text()]
    assert "b-1: " in text.read_text().partition("Staged")[2]


def test_staged_is_what_is_released_and_is_served_from_there(lab, tmp_path):
    lab.have("a-1")
    folder = lab.have("b-1")
    lab.have("c-1")
    lab.sync()
    lab.have("c-1", released="no")
    public = tmp_path / "public"
    report = lab.sync("--yes", "--stage", public)
    assert report["staged"] == {"datasets": 2, "new": 2, "files sent": 6, "left": 0}
    lab.have("a-1", title="Another title")
    assert lab.sync("--yes", "--stage", public)["staged"]["files sent"] == 1
    assert lab.sync("--yes", "--stage", public)["staged"] == {"datasets": 2, "new": 0, "files sent": 0, "left": 0}
    (folder / "a.dat").write_bytes(b"other bytes, not published")
    (public / "content").rename(tmp_path / "gone")
    for path in (public / "roots").iterdir():
        path.unlink()
    said = lab.desk.run("stage", "push", public)
    assert said.status == 3
    assert "b-1" in said.out
    outside = tmp_path / "outside"
    assert lab.desk.run_bare("init", outside).status == 0
    accepted = lab.desk.run_bare("-w", outside, "--json", "stage", "accept", public)
    assert accepted.document["datasets"] == 1
    assert lab.desk.run_bare("-w", outside, "publish", lab.desk.data, "--yes").status == 3


def test_what_is_not_what_it_says_is_not_taken_up(lab, tmp_path):
    lab.have("a-1")
    lab.have("b-1")
    public = tmp_path / "public"
    lab.sync("--yes", "--stage", public)
    victim = next(path for path in (public / "content").iterdir() if path.read_bytes() == b"b-1" * 9)
    victim.write_bytes(b"b-2" * 9)
    roots = sorted((public / "roots").iterdir())
    (public / "roots" / roots[0].name.replace("bafy", "bafz")).write_bytes(roots[0].read_bytes())
    outside = tmp_path / "outside"
    lab.desk.run_bare("init", outside)
    said = lab.desk.run_bare("-w", outside, "stage", "accept", public)
    assert said.status == 4
    assert "1 datasets can be served" in said.out
    assert "holds other bytes than its name says" in said.out
    assert lab.desk.run_bare("-w", outside, "stage", "accept", tmp_path).status == 3
    # The side that pushed sees that what is there is not what it sent only by its size; it is sent again when removed.
    victim.unlink()
    assert lab.desk.run("stage", "push", public).status == 0


def test_targets_that_are_none(lab, tmp_path):
    for target in ((), ("ftp://h/x",), ("ssh://u:s3cret@h/x",), ("s3://",)):
        said = lab.desk.run("stage", "push", *target)
        assert said.status == 3
        assert "s3cret" not in said.err
