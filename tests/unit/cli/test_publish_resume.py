"""``etdb publish --resume``: going on with what is signed when the files are not at hand."""

from __future__ import annotations

import shutil

import pytest

from etdb.errors import LedgerError
from etdb.publish.sender import Sender

INPUT = 3


@pytest.fixture
def cut_off(desk, monkeypatch):
    """A desk whose ledger went away when all records were signed, and whose data is gone since."""

    def away(*_words, **_more):
        raise LedgerError("the ledger went away")

    desk.dataset("second")
    with monkeypatch.context() as patch:
        patch.setattr(Sender, "send", away)
        assert desk.publish().status != 0
    assert desk.states() == {"signed": 2}
    shutil.rmtree(desk.data)
    return desk


def test_it_goes_on_without_the_files(cut_off):
    refused = cut_off.run("publish", "--resume")
    assert (refused.status, "consent" in refused.err) == (INPUT, True)
    plan = cut_off.run("--json", "publish", "--resume", "--dry-run").document
    assert [one["status"] for one in plan["datasets"]] == ["unfinished", "unfinished"]
    assert plan["transactions"] > 0
    said = cut_off.run("--json", "publish", "--resume", "--yes", "--passphrase-file", cut_off.secret)
    assert said.status == 0
    assert [one["state"] for one in said.document["datasets"]] == ["final", "final"]
    assert said.document["transactions_sent"] == plan["transactions"]
    assert cut_off.run("index").status == 0
    assert cut_off.run("--json", "search").document["total"] == 2
    again = cut_off.run("--json", "publish", "--resume", "--yes", "--passphrase-file", cut_off.secret).document
    assert (again["transactions_sent"], again["datasets"]) == (0, [])


def test_what_it_does_not_go_with(desk):
    said = desk.run("publish", "--resume", "--yes", "--passphrase-file", desk.secret)
    assert (said.status, "nothing was published from this workspace yet" in said.err) == (INPUT, True)
    said = desk.run("publish", "--resume", desk.data)
    assert (said.status, "leave out --resume" in said.err) == (INPUT, True)
    said = desk.run("publish")
    assert (said.status, "--resume" in said.err) == (2, True)
