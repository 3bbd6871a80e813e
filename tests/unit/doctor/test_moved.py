"""A workspace that was moved, or data that were restored: looked at again, not refused; other bytes are refused."""

from __future__ import annotations

import contextlib
import shutil

import pytest

from etdb.blocks import DagReader, FilesInPlace
from etdb.errors import VerificationError
from etdb.ipfs import parse_cid
from etdb.publish import Journal
from etdb.testing.images import mrc_header


def roots(lab):
    with contextlib.closing(Journal(lab.root / "journal.sqlite")) as journal:
        return {one.sid: parse_cid(one.root_cid) for one in journal.datasets()}


def read(lab, sid, path):
    files = FilesInPlace(lab.root / "digests.sqlite", content_folder=lab.root / "content")
    with contextlib.closing(files):
        reader = DagReader(files)
        cid = reader.resolve(roots(lab)[sid], path)[-1]
        return b"".join(bytes(piece) for piece in reader.content(cid))


def test_workspace_and_data_at_another_place(own):
    there = own.folder / "elsewhere"
    there.mkdir()
    own.root = own.root.rename(there / "ws")
    shutil.copytree(own.data, there / "restored", copy_function=shutil.copyfile)  # other inodes, other times
    shutil.rmtree(own.data)
    own.data = there / "restored"
    assert own.publish()["transactions_sent"] == 0
    assert own.run("index")["records_new"] == 0
    assert own.examine(deep=True) == []
    assert read(own, "one", "cell.mrc") == mrc_header(1_200_000) + b"one" * 400_000
    assert b"ro/crate" in read(own, "one", "ro-crate-metadata.json")


def test_the_same_bytes_with_other_times_are_served_at_once(own):
    path = own.data / "two" / "cell.mrc"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    assert read(own, "two", "cell.mrc") == data
    path.write_bytes(data[:-1] + b"!")
    with pytest.raises(VerificationError, match="holds other bytes"):
        read(own, "two", "cell.mrc")


def test_only_what_is_precious_was_kept_in_the_backup(own):
    for path in (own.root / "cache", own.root / "locks"):
        shutil.rmtree(path)
    for path in own.root.glob("digests.sqlite*"):
        path.unlink()
    assert own.repair() == ["roots", "roots"]
    assert own.publish()["transactions_sent"] == 0
    assert own.run("index")["records_new"] == 2
    assert own.examine(deep=True) == []
