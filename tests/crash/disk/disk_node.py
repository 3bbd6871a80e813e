"""The story of a workspace on a FLO node: what is read of it (`node.sqlite`), what is sent to it, a reorganisation.

The node is the world: what was sent to it is there, whatever the disk of the workspace forgets.
"""

from __future__ import annotations

import json
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from disk_shim import Runner
from disk_story import Case, Story, told

from etdb.errors import RefusedError
from etdb.flo import REGTEST, parse_block
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.testing.fake_node import FakeNode
from etdb.testing.records import RecordSigner
from etdb.workspace import Workspace

TITLES = {"a-1": "A first record", "b-1": "A record in several parts"}
STRANGER = RecordSigner("stranger")
FORK_BLOCKS = 4


class NodeStory(Story):
    """Between the commands blocks are found; before the last one the node goes over to another chain."""

    LIFE = ("read", "publish", "final", "read-more", "edit", "read-reorganised")
    CASES = (
        # What is kept of a node is free: when it cannot be read, the command says so and names it.
        Case("read-more", "read-more", "ws/cache/node.sqlite", (7,)),
        Case("edit", "edit", "ws/cache/node.sqlite", (7,)),
        Case("edit", "edit", "ws/journal.sqlite", (7,)),
        Case("read-reorganised", "read-reorganised", "ws/cache/node.sqlite", (7,)),
        Case("read-reorganised", "read-reorganised", "ws/cache/catalogue.sqlite", (7,)),
    )

    def __init__(self, root: Path, runner: Runner) -> None:
        super().__init__(root, runner)
        self._chain, self._fork, self._kept = root / "world" / "chain", root / "world" / "fork", root / "kept"
        self.data = root / "data"
        for sid, title in TITLES.items():
            (self.data / sid).mkdir(parents=True)
            notes = "é" * 1400 if sid == "b-1" else ""
            (self.data / sid / "dataset.toml").write_text(
                f'title = "{title}"\nacquired_on = 2026-11-01\nspecies = "Bdellovibrio"\nnotes = "{notes}"\n'
            )
            (self.data / sid / "a.rawtlt").write_text(f"0.0\n{len(notes)}.0\n")
        self._sent: dict[str, list[tuple[int, bytes]]] = {}
        self._recorded = ""
        self.node = FakeNode(LocalChain(self._chain, writable=True))
        self.node.before = self._note_sent
        self.node.__enter__()
        self.prepare_lab("--network", "regtest", "--node", self.node.url)
        (key,) = Workspace(self.workspace).keyring.list()
        self.node.chain.mine(2, STRANGER.address)
        self.node.chain.mine(102, key.address)
        self._send_as_stranger()
        self.node.chain.mine(1)

    def close(self) -> None:
        """See ``Story``."""
        self.node.__exit__()
        self.node.chain.close()
        super().close()

    def words(self, name: str) -> list[object]:
        """See ``Story``."""
        workspace = ["-w", self.workspace, "--json"]
        sending = ["--yes", "--no-wait", "--passphrase-file", self.secret]
        return {
            "publish": [*workspace, "publish", *sending, self.data],
            "final": [*workspace, "publish", *sending, self.data],
            "resume": [*workspace, "publish", *sending, "--resume"],
            "edit": [*workspace, "edit", "a-1", "--set", "title=A better title", "--reason", "it was wrong", *sending],
            "search": [*workspace, "search", "--limit", "100"],
        }.get(name, [*workspace, "index"])

    # -- the world

    def set_world(self, name: str) -> None:
        """See ``Story``."""
        if name in {"final", "read-more", "edit"}:
            self._save(self._fork)
            self.node.chain.mine(6)
        elif name == "read-reorganised":
            self._reorganise()

    def keep_world(self, name: str) -> None:
        """See ``Story``."""
        self._save(self._kept / name / "chain")
        if self._fork.exists():
            shutil.copytree(self._fork, self._kept / name / "fork")
        self._sent[name], self._recorded = [], name

    def restore_world(self, name: str, calls: int, dice: random.Random) -> None:
        """See ``Story``: what was sent is there; of the call that was just made nobody knows."""
        shutil.rmtree(self._fork, ignore_errors=True)
        if (self._kept / name / "fork").exists():
            shutil.copytree(self._kept / name / "fork", self._fork)
        self._become(self._kept / name / "chain")
        for after, raw in self._sent[name]:
            if after < calls or (after == calls and dice.random() < 0.5):
                self.node.chain.submit(raw)

    def _note_sent(self, method: str, params: list[Any]) -> None:
        if method == "sendrawtransaction" and self._recorded not in self.done:
            self._sent[self._recorded].append((len(self.records()), bytes.fromhex(params[0])))

    def _send_as_stranger(self) -> None:
        purse = Wallet(STRANGER.key, REGTEST, Limits(), self.node.chain.coins(STRANGER.address))
        self.node.chain.submit(purse.sign(STRANGER.message(title="Somebody else's", sid="stranger-1")).raw)

    def _reorganise(self) -> None:
        """Another chain is longer: what was sent since then comes into other blocks."""
        chain = self.node.chain
        sent = [
            chain.raw(transaction.txid)
            for height in range(chain.tip().height + 1)
            for transaction in parse_block(chain.raw_block(height)).transactions[1:]
        ]
        sent += chain.pending()
        top = chain.tip().height
        self._become(self._fork)
        for raw in sent:
            with suppress(RefusedError):
                self.node.chain.submit(raw)
        self.node.chain.mine(top - self.node.chain.tip().height + FORK_BLOCKS, STRANGER.address)

    def _save(self, folder: Path) -> None:
        """Copy the node's chain."""
        shutil.rmtree(folder, ignore_errors=True)
        self.node.chain.close()
        shutil.copytree(self._chain, folder)
        self.node.chain = LocalChain(self._chain, writable=True)

    def _become(self, folder: Path) -> None:
        """Give the node another chain."""
        self.node.chain.close()
        shutil.rmtree(self._chain)
        shutil.copytree(folder, self._chain)
        self.node.chain = LocalChain(self._chain, writable=True)

    # -- what must hold

    def note(self, name: str, out: str) -> object:
        """The ids that publishing told."""
        return told(out) if name in {"publish", "final"} else {}

    def is_done(self, name: str, status: int, err: str) -> bool:
        """An edit that is there already."""
        return name == "edit" and status == 3 and "nothing differs" in err

    def assert_whole(self, ended: tuple[str, ...]) -> None:
        """On the node each dataset is there once, under the promised id, and the workspace's catalogue agrees."""
        self.node.chain.mine(6)
        self.succeed("resume")
        self.node.chain.mine(6)
        self.succeed("read-more")
        found = self.stranger_finds(self.node.chain)
        titles = {sid: view.tomogram.title for sid, view in found.items()}
        assert titles == {**TITLES, "a-1": "A better title", "stranger-1": "Somebody else's"}
        assert found["a-1"].revisions == 2
        promised = {sid: id_ for name in ended for sid, id_ in self.done[name].items()}
        assert {sid: found[sid].dataset_id for sid in promised} == promised
        ours = json.loads(self.succeed("search"))["results"]
        assert {one["dataset_id"]: one["tomogram"]["title"] for one in ours} == {
            view.dataset_id: view.tomogram.title for view in found.values()
        }
