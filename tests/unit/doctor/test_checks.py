"""For each check: a damage that is found (and mended, or called a loss), and a near miss that is not."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest

from etdb.doctor import CHECKS
from etdb.errors import ConfigurationError
from etdb.ledger import LocalChain
from etdb.workspace import Workspace


def clobber(path, offset, data=b"\xff" * 64):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def settle(path):
    """Bring what SQLite keeps beside a file into it."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_all_is_well(lab):
    assert lab.examine() == []
    assert lab.examine(deep=True) == []
    assert lab.repair() == []
    said = lab.run("doctor", "--deep")
    passed_over = [one["check"] for one in said["not_checked"]]
    assert passed_over == ["node", "kubo", "gateways"]
    assert said["checked"] == [name for name in CHECKS if name not in passed_over]


def test_left_over(lab):
    (lab.root / "content" / ".bafy.tmp").write_bytes(b"half")
    (lab.root / "content" / ".notes").write_bytes(b"a person's")
    (found,) = lab.found("left-over")
    assert found.severity == "note"
    assert lab.repair() == ["left-over"]
    assert lab.examine() == []
    assert (lab.root / "content" / ".notes").exists()


def test_keys_that_others_may_read(lab):
    key = lab.root / "keys" / "lab.json"
    key.chmod(0o400)
    assert lab.found("keys") == []
    key.chmod(0o640)
    (found,) = lab.found("keys")
    assert "640" in found.what
    assert lab.repair() == ["keys"]
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_damaged_is_a_loss(lab):
    (lab.root / "keys" / "lab.json").write_text("{}")
    (found,) = lab.found("keys")
    assert found.is_loss
    assert not found.repair


@pytest.mark.parametrize("name", ["cache/catalogue.sqlite", "digests.sqlite"])
def test_a_damaged_store_that_can_be_made_again(lab, name):
    settle(lab.root / name)
    clobber(lab.root / name, 4096, b"\xff" * 40_000)
    (found,) = lab.found("stores")
    assert found.where == name
    assert not found.is_loss
    assert "stores" in lab.repair()
    assert lab.publish()["transactions_sent"] == 0
    lab.run("index")
    assert lab.examine(deep=True) == []
    assert len(lab.run("search", "cell")["results"]) == 2
    assert any(".damaged-" in one.name for one in (lab.root / name).parent.iterdir())


def test_a_chain_index_that_is_damaged_or_gone(lab):
    index = lab.root / "chain" / "index.sqlite"
    settle(index)
    clobber(index, 4096, b"\xff" * 40_000)
    assert lab.examine()[0].check == "stores"
    assert lab.repair()[:2] == ["stores", "chain"]
    assert lab.examine() == []
    for path in index.parent.glob("index.sqlite*"):
        path.unlink()
    assert [one.what for one in lab.found("chain")] == ["the chain has no index"]
    assert lab.repair() == ["chain"]
    assert lab.publish()["transactions_sent"] == 0


def test_a_journal_whose_index_is_wrong_is_written_anew(lab):
    """The rows can all be read; only an index lies about them."""
    path = lab.root / "journal.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = ON")
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'transactions_of'").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = database.execute("PRAGMA page_size").fetchone()[0]
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    clobber(path, (root - 1) * page, b"\x0a\0\0\0\0" + page.to_bytes(2, "big") + b"\0")  # an index without entries
    (found,) = lab.found("stores")
    assert found.is_loss
    assert lab.repair() == ["stores"]
    assert lab.examine() == []
    assert lab.publish()["transactions_sent"] == 0


def test_a_journal_that_cannot_be_read_is_left_as_it_is(lab):
    path = lab.root / "journal.sqlite"
    settle(path)
    before = bytearray(path.read_bytes())
    before[100:] = b"\xff" * (len(before) - 100)
    path.write_bytes(before)
    answer = lab.run("repair", "--yes", status=7)
    assert answer["left"]
    assert path.read_bytes() == before
    assert not list(lab.root.glob("journal.sqlite.damaged*"))


def test_a_lost_journal_is_told_before_all_is_sent_again(lab):
    for path in lab.root.glob("journal.sqlite*"):
        path.unlink()
    (found,) = lab.found("journal")
    assert found.is_loss
    assert "2 messages" in found.what


def test_no_journal_where_nothing_was_published(tmp_path):
    Workspace.init(tmp_path / "new", make_chain=LocalChain.init)
    assert not [one for one in _examine(tmp_path / "new") if one.severity != "note"]


def _examine(root):
    from etdb.doctor import examine

    return examine(Workspace(root)).findings


def test_blocks_behind_the_tip(lab):
    with (lab.root / "chain" / "blk00000.dat").open("ab") as file:
        file.write(b"\xfa\xbf\xb5\xda half a block")
    (found,) = lab.found("chain")
    assert found.severity == "note"
    assert lab.repair() == ["chain"]
    assert lab.examine() == []


def test_a_damaged_block_is_a_loss(lab):
    chain = LocalChain(lab.root / "chain")
    height = chain.tip().height
    old = chain.raw_block(3)
    chain.close()
    path = lab.root / "chain" / "blk00000.dat"
    clobber(path, path.read_bytes().index(old) + 90, b"\x99")
    assert height > 25
    assert lab.found("chain") == []
    (found,) = lab.found("chain", deep=True)
    assert found.is_loss
    assert "block 3" in found.what


def test_a_chain_that_lost_blocks_is_told(lab, template):
    """A chain folder from before the records, put back by mistake."""
    for path in (lab.root / "chain").iterdir():
        path.unlink()
    LocalChain.init(lab.root / "chain")
    (found,) = lab.found("journal")
    assert "does not know" in found.what
    assert found.is_loss
    assert "backup" in found.advice
    assert "publish" not in found.advice, "their coins are gone too: no node would take the same bytes"


def test_a_chain_of_full_length_that_lost_a_transaction(lab):
    """What waited for a block when the index was lost: sent again, it is taken."""
    with closing(sqlite3.connect(lab.root / "chain" / "index.sqlite")) as database, database:
        database.execute("DELETE FROM transactions WHERE height = (SELECT max(height) FROM transactions)")
    (found,) = lab.found("journal")
    assert (found.severity, found.is_loss) == ("warning", False)
    assert "publish" in found.advice


def test_content_that_is_not_what_its_name_says(lab):
    content = sorted((lab.root / "content").iterdir())
    old = content[0].read_bytes()
    content[0].write_bytes(old + b" ")
    assert [one.is_loss for one in lab.found("content")] == [True]
    assert lab.found("roots")
    lab.run("repair", "--yes", status=7)
    assert lab.found("content") == []
    content[0].write_bytes(old)
    assert lab.repair(deep=True) == []
    assert lab.examine(deep=True) == []


def test_lost_digests_are_made_again(lab):
    for path in lab.root.glob("digests.sqlite*"):
        path.unlink()
    assert [one.check for one in lab.examine()] == ["roots", "roots"]
    assert lab.repair() == ["roots", "roots"]
    assert lab.examine(deep=True) == []


def test_digests_of_data_that_changed_cannot_be_made_again(own):
    for path in own.root.glob("digests.sqlite*"):
        path.unlink()
    (own.data / "one" / "note.txt").write_text("of 1!!")
    answer = own.run("repair", "--yes", status=7)
    assert sorted(one["error"] != "" for one in answer["mended"]) == [False, True]
    assert [one["where"] for one in answer["left"]] == ["one"]


def test_files_of_the_lab(own):
    path = own.data / "one" / "cell.mrc"
    os.utime(path)
    (touched,) = own.found("files")
    assert touched.severity == "note"
    assert own.repair() == ["files"]
    assert own.examine() == []
    stamp = path.stat()
    changed = bytearray(path.read_bytes())
    changed[1_100_000] ^= 1
    with path.open("r+b") as file:
        file.write(changed)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert own.found("files") == []
    (rotten,) = own.found("files", deep=True)
    assert rotten.is_loss
    assert "1048576" in rotten.what
    path.unlink()
    (gone,) = own.found("files")
    assert gone.severity == "warning"


def test_a_catalogue_that_says_something_else(lab):
    with closing(sqlite3.connect(lab.root / "cache" / "catalogue.sqlite")) as database, database:
        database.execute("UPDATE records SET title_key = 'wrong' WHERE id = 1")
    assert lab.examine() == []
    (found,) = lab.found("catalogue", deep=True)
    assert "records" in found.what
    assert lab.repair(deep=True) == ["catalogue"]
    lab.run("index")
    assert lab.examine(deep=True) == []


def test_little_room(lab, monkeypatch):
    import shutil

    usage = shutil.disk_usage(lab.root)
    monkeypatch.setattr("etdb.doctor.folder.shutil.disk_usage", lambda _: usage._replace(free=100 << 20))
    assert [one.severity for one in lab.found("disk")] == ["warning"]
    monkeypatch.setattr("etdb.doctor.folder.shutil.disk_usage", lambda _: usage._replace(free=1))
    assert [one.severity for one in lab.found("disk")] == ["error"]


def test_settings_that_cannot_be_read_are_named(lab):
    (lab.root / "etdb.toml").write_text("network = ")
    answer = lab.run("doctor", status=3)
    assert "etdb.toml" in answer["message"]
    with pytest.raises(ConfigurationError):
        Workspace(lab.root)


def test_a_dry_run_changes_nothing(lab):
    (lab.root / "content" / ".bafy.tmp").write_bytes(b"half")
    assert len(lab.run("repair", "--dry-run")["findings"]) == 1
    assert (lab.root / "content" / ".bafy.tmp").exists()
    lab.run("repair", status=3)
    assert (lab.root / "content" / ".bafy.tmp").exists()
