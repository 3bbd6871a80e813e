"""Publish, killed: every dataset once under the root that it would have had, journal and chain agree, no coin lost."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import publish_scenarios
from lab import Lab

from campaign.commands import Commands, Ended, Measured
from etdb.flo import REGTEST, address_script, parse_block
from etdb.ledger import LocalChain
from etdb.publish import Journal
from etdb.workspace import Workspace

MANY = 7
BIG_BYTES = (2 << 20) + 321


def rich(lab: Lab) -> None:
    """There are coins already."""
    publish_scenarios.few_lanes(lab)
    with closing(LocalChain(lab.workspace.chain_folder, writable=True)) as chain:
        chain.earn(lab.workspace.keyring.show("me").address, 1)


def many(lab: Lab) -> None:
    """More datasets, of which one has more than two leaves; chains of two transactions."""
    rich(lab)
    for number in range(MANY):
        folder = lab.data / f"more-{number}"
        folder.mkdir()
        (folder / "dataset.toml").write_text(
            f'title = "Dataset {number}"\nacquired_on = 2026-11-02\nspecies = "Caulobacter crescentus"\n'
            f'notes = "{"n" * (number * 500)}"\n'
        )
        (folder / "a.rawtlt").write_text(f"{number}.0\n")
    (lab.data / "more-0" / "big.dat").write_bytes(random.Random(1).randbytes(BIG_BYTES))


SCENARIOS: dict[str, Callable[[Lab], None]] = {
    "publish-from-nothing": publish_scenarios.few_lanes,
    "publish-with-coins": rich,
    "publish-many": many,
    "publish-data-changes": publish_scenarios.data_changes,
    "publish-stranger-changes-ids": publish_scenarios.stranger_changes_ids,
    "publish-chain-loses-blocks": publish_scenarios.chain_loses_blocks,
}


class PublishScenario:
    """A lab in which something happened already, and what one run without a kill makes of it."""

    def __init__(self, name: str, scratch: Path, commands: Commands) -> None:
        self.name, self.commands = name, commands
        self.lab = Lab.make(scratch / name / "lab")
        SCENARIOS[name](self.lab)
        whole = self.lab.copy(scratch / name / "whole")
        self.measured: Measured = commands.measure(words(whole), whole.workspace.root)
        depth = Workspace(self.lab.workspace.root).settings.limits.final_depth
        self.states = {"confirmed", "final"} if depth > 1 else {"final"}
        self.roots = roots(json.loads(commands.succeed(words(whole)).out))
        self.names = names_in(whole)

    def begin(self, folder: Path, dice: random.Random) -> PublishCase:
        """A copy of the lab."""
        return PublishCase(self, self.lab.copy(folder), dice)


class PublishCase:
    """One lab whose publisher is killed."""

    def __init__(self, scenario: PublishScenario, lab: Lab, dice: random.Random) -> None:
        self.scenario, self.lab, self.dice = scenario, lab, dice
        self.commands = scenario.commands
        self.disk = lab.workspace.root
        self.batch_blocks = 0
        self.notes: dict[str, int] = {}

    def words(self) -> list[str]:
        """The next command."""
        return words(self.lab)

    def assert_after_kill(self) -> None:
        """A stranger never sees a dataset twice. Looked at now and then: it costs more than the kill."""
        if self.dice.random() < 0.05:
            for sid, views in self.lab.found().items():
                assert len(views) == 1, f"{sid} is there {len(views)} times"

    def assert_done(self, ended: Ended) -> None:
        """All that must be true in the end."""
        report = json.loads(ended.out)
        assert roots(report) == self.scenario.roots
        # How deep they are depends on how many blocks the runs needed, where more than one is asked for.
        assert {one["state"] for one in report["datasets"]} <= self.scenario.states
        self.lab.assert_each_found_once()
        assert_journal_is_the_chain(self.lab)
        again = json.loads(self.commands.succeed(self.words()).out)
        assert again["transactions_sent"] == 0
        assert [one["dataset_id"] for one in again["datasets"]] == [one["dataset_id"] for one in report["datasets"]]
        left = names_in(self.lab) - self.scenario.names
        assert not left, f"left over: {sorted(left)}"


def words(lab: Lab) -> list[str]:
    """The command."""
    secret = ["--passphrase-file", str(lab.root / "pass")]
    return ["-w", str(lab.workspace.root), "--json", "publish", str(lab.data), "--yes", *secret]


def roots(report: dict) -> dict[str, str]:
    """The root CID of each dataset."""
    return {one["sid"]: one["root_cid"] for one in report["datasets"]}


def names_in(lab: Lab) -> set[str]:
    """All files of the workspace and the lab's data, as they are called there."""
    found = (path for folder in (lab.workspace.root, lab.data) for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(lab.root)) for path in found if not re.search(r"-(wal|shm)$", path.name)}


def assert_journal_is_the_chain(lab: Lab) -> None:
    """Every payment of the chain is in the journal under its id and height, and all coins but their fees are there."""
    address = lab.workspace.keyring.show("me").address
    script = address_script(address, REGTEST)
    mined = 0
    ours: dict[tuple[str, int], tuple[int, int | None]] = {}
    payments: dict[str, int] = {}
    with (
        closing(LocalChain(lab.workspace.chain_folder)) as chain,
        closing(Journal(lab.workspace.journal_path)) as journal,
    ):
        tip = chain.tip().height
        for height in range(1, tip + 1):
            for position, transaction in enumerate(parse_block(chain.raw_block(height)).transactions):
                if position:
                    payments[transaction.txid] = height
                    for one in transaction.inputs:
                        del ours[one.txid, one.vout]
                for number, output in enumerate(transaction.outputs):
                    if output.script == script:
                        ours[transaction.txid, number] = output.value_sat, height if not position else None
                        mined += output.value_sat if not position else 0
        fees = 0
        for entry in journal.transactions():
            height = payments.pop(entry.ledger_txid, None)
            fees += entry.signed.fee_sat if height is not None else 0
            if entry.state == "void":
                continue
            assert (entry.state, entry.height) == ("confirmed", height), (entry.signed.txid, entry.state, height)
        assert not payments, f"payments that the journal does not know: {payments}"
        assert sum(amount for amount, _ in ours.values()) == mined - fees
        mature = [
            amount
            for amount, height in ours.values()
            if height is None or tip + 1 - height >= REGTEST.coinbase_maturity
        ]
        assert sum(coin.amount_sat for coin in chain.coins(address)) == sum(mature)
        assert {entry.state for entry in journal.datasets()} <= {"confirmed", "final"}
