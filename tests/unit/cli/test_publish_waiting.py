"""``etdb publish`` on a ledger whose blocks come at their own pace: waiting, not waiting, giving up, Ctrl-C."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from etdb.cli import publish as command
from etdb.cli import publishing
from etdb.errors import LedgerError
from etdb.flo import COIN
from etdb.publish import Pace
from etdb.testing.simulated_ledger import SimulatedLedger
from etdb.workspace import lock_key


@pytest.fixture
def chain(desk, monkeypatch):
    """A simulated ledger in the place of the node of a workspace on regtest."""
    ledger = SimulatedLedger()

    @contextmanager
    def opened(_workspace, **_options):
        yield ledger

    def pace(_workspace, timeout_s):
        return Pace(timeout_s=timeout_s, clock=lambda: ledger.now_s, sleep=ledger.sleep)

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(desk.root))
    monkeypatch.setattr(command, "open_ledger", opened)
    monkeypatch.setattr(publishing, "pace_of", pace)
    settings = desk.workspace.config_path
    settings.write_text(
        settings.read_text().replace('network = "local"', 'network = "regtest"').replace("final_depth = 1\n", "")
    )
    (address,) = [key.address for key in desk.workspace.keyring.list()]
    ledger.credit(address, COIN)
    ledger.mine(6)
    return ledger


def test_it_waits_until_all_is_final(desk, chain):
    chain.start_clock(40)
    said = desk.run("--json", "publish", desk.data, "--yes", "--passphrase-file", desk.secret)
    assert said.status == 0, said.err
    assert [one["state"] for one in said.document["datasets"]] == ["final"]
    assert (said.document["unfinished"], said.document["in_time"]) == (0, True)


def test_the_plan_says_how_long_a_real_chain_takes(desk, chain):
    said = desk.run("publish", desk.data, "--dry-run")
    assert "all confirmed after about 1 block, 40 s; all final after 6, 4 min" in " ".join(said.out.split())
    plan = desk.run("--json", "publish", desk.data, "--dry-run").document
    assert (plan["blocks"], plan["final_depth"], plan["block_spacing_s"]) == (1, 6, 40)
    assert chain.pending == ()


def test_not_waiting_says_what_is_pending_and_how_to_look_again(desk, chain):
    said = desk.run("publish", desk.data, "--yes", "--no-wait", "--passphrase-file", desk.secret)
    assert said.status == 0
    shown = " ".join(said.out.split())
    assert "1 of 1 record not final yet: 1 transaction to come into a block" in shown
    assert "etdb status" in shown
    again = desk.run("publish", desk.data, "--dry-run")
    assert "pending" in again.out
    assert "1 more is sent and waits for blocks" in again.out
    chain.mine(6)
    done = desk.run("--json", "publish", desk.data, "--yes", "--no-wait", "--passphrase-file", desk.secret)
    assert [one["state"] for one in done.document["datasets"]] == ["final"]


def test_giving_up_is_an_error_that_loses_nothing(desk, chain):
    words = ("publish", desk.data, "--yes", "--wait-timeout", "300", "--passphrase-file", desk.secret)
    said = desk.run(*words)
    assert said.status == 6
    assert "1 of 1 record not final" in said.err
    assert "run the same command again" in said.err
    said = desk.run("--json", *words)
    assert (said.status, said.document["in_time"], said.document["unfinished"]) == (6, False, 1)
    chain.start_clock(40)
    assert desk.run(*words).status == 0
    assert len([txid for txid in chain.accepted if txid in chain.mined]) == len(chain.accepted) == 1


def test_a_node_that_goes_away_is_named(desk, chain):
    chain.start_clock(40)
    calls = []

    def away(name):
        calls.append(name)
        if name == "status" and calls.count("status") == 1:
            raise LedgerError("the node at http://127.0.0.1:7313 does not answer")

    chain.before_call = away
    said = desk.run("publish", desk.data, "--yes", "--passphrase-file", desk.secret)
    assert said.status == 0
    assert "the node at http://127.0.0.1:7313 does not answer; trying again" in said.err


def test_interrupted_it_says_how_to_go_on(desk, chain):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    chain.sleep, sleep = interrupt, chain.sleep
    words = ("publish", desk.data, "--yes", "--passphrase-file", desk.secret)
    said = desk.run(*words)
    assert said.status == 130
    assert "run the same command again" in said.err
    chain.sleep = sleep
    chain.start_clock(40)
    assert desk.run(*words).status == 0
    assert len(chain.accepted) == 1


@pytest.mark.usefixtures("chain")
def test_what_cannot_be_paid_is_said_before_anything_is_read(desk):
    settings = desk.workspace.config_path
    settings.write_text(settings.read_text().replace("[limits]", "[limits]\nmax_fee_sat = 10"))
    said = desk.run("--json", "publish", desk.data, "--yes", "--passphrase-file", desk.secret)
    assert said.status == 3
    assert "max_fee_sat" in said.document["hint"]
    settings.write_text(settings.read_text().replace("max_fee_sat = 10\n", "fee_rate_sat_per_kb = 400\n"))
    said = desk.run("--json", "publish", desk.data, "--yes", "--passphrase-file", desk.secret)
    assert said.status == 3
    assert "set fee_rate_sat_per_kb = 1000" in said.document["hint"]
    assert not desk.workspace.journal_path.exists()


def test_a_second_publisher_of_the_key_in_another_workspace_hears_of_the_first(desk, chain):
    (address,) = [key.address for key in desk.workspace.keyring.list()]
    with lock_key(address):
        said = desk.run("publish", desk.data, "--yes", "--passphrase-file", desk.secret)
    assert said.status == 7
    assert f"key-{address} is in use by process" in said.err
    assert json.loads(desk.run("--json", "status").out)
    assert chain.accepted == {}


def test_a_time_to_wait_without_waiting_makes_no_sense(desk, chain):
    assert desk.run("publish", desk.data, "--no-wait", "--wait-timeout", "3").status == 3
    assert chain.accepted == {}


def test_what_another_machine_published_with_this_key_is_not_published_again(desk):
    assert desk.publish().status == 0
    assert desk.run("index").status == 0
    assert desk.publish().status == 0
    for path in desk.workspace.root.glob("journal.sqlite*"):
        path.unlink()  # as on another machine
    tip = desk.tip()
    said = desk.run("--json", "publish", desk.data, "--yes", "--passphrase-file", desk.secret)
    assert said.status == 3
    assert said.document["sid"] == "short"
    assert "published with this key" in said.document["message"]
    assert desk.tip() == tip
    desk.dataset("other")
    assert desk.publish(desk.data / "other").status == 0
