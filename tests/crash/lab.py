"""A lab with a workspace: publish from it as a process that may be killed, and see what a stranger finds then."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import tomllib
from contextlib import closing
from pathlib import Path

from killed_publisher import revise_and_die, run_and_die

from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import LocalChain
from etdb.publish import Journal
from etdb.workspace import Keyring, Workspace

# New processes come from one that has imported everything: a kill takes a tenth of a second, not a whole start.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["killed_publisher", "etdb.cli.publish"])
PASSPHRASE = "correct horse"
DATASETS = {"short": "A short record", "long": "A record in several parts"}


class Lab:
    """A folder with two datasets and a workspace beside them; commands run as processes of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(root / "ws")
        self.data = root / "data"
        self.log = root / "log"

    @classmethod
    def make(cls, root: Path) -> Lab:
        workspace = Workspace.init(root / "ws")
        # The cheapest cost that keys may have: the test opens them a hundred times.
        Keyring(workspace.keys_folder, workspace.flo_network_name, scrypt_n=2**14).new("me", PASSPHRASE)
        secret = root / "pass"
        secret.touch(mode=0o600)
        secret.write_text(PASSPHRASE)
        LocalChain(workspace.chain_folder, writable=True).close()
        for name, title in DATASETS.items():
            folder = root / "data" / name
            folder.mkdir(parents=True)
            notes = "" if name == "short" else "é" * 1400
            (folder / "dataset.toml").write_text(
                f'title = "{title}"\nacquired_on = 2026-11-01\nspecies = "Bdellovibrio"\nnotes = "{notes}"\n'
            )
            (folder / "a.rawtlt").write_text("0.0\n3.0\n")
        return cls(root)

    def copy(self, root: Path) -> Lab:
        shutil.copytree(self.root, root)
        return Lab(root)

    def publish(self, kill: tuple[str, str, int] = ("", "", 0)) -> tuple[int, str, str]:
        """The command in a process of its own: exit code (negative for a signal), standard output and error."""
        return self.command(("publish", str(self.data)), kill)

    def command(self, words: tuple[str, ...], kill: tuple[str, str, int] = ("", "", 0)) -> tuple[int, str, str]:
        """Any command that sends, likewise."""
        given = [
            "-w",
            str(self.workspace.root),
            "--json",
            *words,
            "--yes",
            "--passphrase-file",
            str(self.root / "pass"),
        ]
        return self._run(run_and_die, kill, given)

    def publish_resume(self) -> tuple[int, str, str]:
        """``etdb publish --resume``."""
        return self.command(("publish", "--resume"))

    def revise(self, kill: tuple[str, str, int] = ("", "", 0)) -> tuple[int, str, str]:
        """What sync does: publish what has changed in the lab's folder as edits."""
        return self._run(revise_and_die, kill, (self.workspace.root, self.data, PASSPHRASE))

    def _run(self, target, kill: tuple[str, str, int], given) -> tuple[int, str, str]:
        output = self.root / "output"
        process = FORKS.Process(target=target, args=(self.log, kill, output, given))
        process.start()
        process.join(60)
        assert process.exitcode is not None
        return process.exitcode, output.with_suffix(".out").read_text(), output.with_suffix(".err").read_text()

    def published(self) -> dict:
        code, out, err = self.publish()
        assert code == 0, err
        return json.loads(out)

    def passed(self) -> list[tuple[str, str, int]]:
        """Every transition that was passed, as kill points."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(name, when, int(count)) for name, when, count in lines]

    def found(self) -> dict[str, list]:
        """What a stranger who indexes the chain finds, by sid."""
        path = self.root / "stranger.sqlite"
        for old in self.root.glob("stranger.sqlite*"):
            old.unlink()
        chain, catalogue = LocalChain(self.workspace.chain_folder), Catalogue(path, writable=True)
        try:
            follow(chain, catalogue, network=REGTEST, check_transactions=True)
            views: dict[str, list] = {}
            for view in catalogue.search(Query(limit=100)).results:
                views.setdefault(view.tomogram.sid, []).append(view)
            self.orphans = catalogue.listed("orphans").items
            self.refused = tuple(one for one in catalogue.listed("aside").items if ": " in one.reason)
            return views
        finally:
            catalogue.close()
            chain.close()

    def void(self) -> set[str]:
        """The ids of our transactions that are void."""
        with closing(Journal(self.workspace.journal_path)) as journal:
            return {entry.signed.txid for entry in journal.transactions(states=("void",))}

    def titles(self) -> dict[str, str]:
        """The title of each dataset in the lab's folder, by sid."""
        settings = self.data.glob("*/dataset.toml")
        return {path.parent.name: tomllib.loads(path.read_text(encoding="utf-8"))["title"] for path in settings}

    def assert_each_found_once(self) -> None:
        views, titles = self.found(), self.titles()
        assert sorted(views) == sorted(titles)
        for sid, found in views.items():
            assert len(found) == 1, sid
            assert found[0].tomogram.title == titles[sid]
            assert not found[0].claims.failed
