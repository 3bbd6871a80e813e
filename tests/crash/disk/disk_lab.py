"""A lab, a reader and the disk under both: the commands of a whole life, and what must be true after any accident."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import closing
from pathlib import Path

from disk_shim import Record, Runner, load_log

from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import LocalChain
from etdb.workspace import Workspace

PASSPHRASE = "correct horse"
TITLES = {"short": "A short record", "long": "A record in several parts"}
BIG_BYTES = (2 << 20) + 12_345


class Lab:
    """``data`` and ``pass`` lie on a disk that is never harmed, ``disk`` is the one that is."""

    def __init__(self, root: Path, runner: Runner) -> None:
        self.root, self.runner = root, runner
        self.disk, self.data, self.log = root / "disk", root / "data", root / "log"
        self.workspace, self.got = self.disk / "ws", self.disk / "got"
        self.disk.mkdir()
        secret = root / "pass"
        secret.touch(mode=0o600)
        secret.write_text(PASSPHRASE)
        for name, title in TITLES.items():
            folder = self.data / name
            folder.mkdir(parents=True)
            notes = "" if name == "short" else "é" * 1400
            (folder / "dataset.toml").write_text(
                f'title = "{title}"\nacquired_on = 2026-11-01\nspecies = "Bdellovibrio"\nnotes = "{notes}"\n'
            )
            (folder / "a.rawtlt").write_text("0.0\n3.0\n")
        (self.data / "short" / "sub").mkdir()
        (self.data / "short" / "sub" / "big.dat").write_bytes(random.Random(1).randbytes(BIG_BYTES))

    def words(self, name: str) -> list[str]:
        """The words of one command of the life."""
        workspace, secret = ["-w", str(self.workspace)], ["--passphrase-file", str(self.root / "pass")]
        publish = [*workspace, "--json", "publish", "--yes", *secret]
        return {
            "init": ["init", str(self.workspace)],
            "key": [*workspace, "key", "new", "me", *secret],
            "publish-one": [*publish, str(self.data / "short")],
            "publish-all": [*publish, str(self.data)],
            "reader": ["init", str(self.disk / "reader"), "--ledger", str(self.workspace / "chain"), "--gateway", "http://127.0.0.1:9"],
            "index": [*workspace, "--json", "index"],
            "download": [*workspace, "--json", "download", "--query", "record", "-o", str(self.got)],
            "serve": [*workspace, "serve", "--port", "0"],
            "fetch-again": [*workspace, "--json", "download", "--query", "record", "-o", str(self.root / "again")],
        }[name]  # fmt: skip

    def run(
        self,
        name: str,
        mode: str = "",
        *,
        at: int = 0,
        match: str = "",
        fails: int = 0,
        output: Path | None = None,
        seconds: float = 0,
    ) -> tuple[int, str, str]:
        """Run a command; with a mode its disk is recorded, full or unreadable, and ``records`` gives the log."""
        self.log.unlink(missing_ok=True)
        env = {}
        if mode:
            env = {
                "ETDB_SHIM_MODE": mode,
                "ETDB_SHIM_ROOT": str(self.root if mode == "eio" else self.disk),
                "ETDB_SHIM_LOG": str(self.log),
                "ETDB_SHIM_AT": str(at),
                "ETDB_SHIM_FAILS": str(fails),
                "ETDB_SHIM_MATCH": match,
                "SQLITE_TMPDIR": str(self.disk),
            }
        return self.runner.run(self.words(name), output=output, seconds=seconds, **env)

    def records(self) -> list[Record]:
        """What the shim noted of the last command."""
        return load_log(self.log)

    def succeed(self, name: str) -> str:
        """Run a command that must end well; what it printed."""
        status, out, err = self.run(name)
        assert status == 0, (name, status, err)
        return out

    # -- what must be true

    def assert_files_are_right(self, folder: Path) -> int:
        """Whatever lies under a file's own name has that file's bytes; the number of such files."""
        count = 0
        for dataset in folder.iterdir() if folder.is_dir() else ():
            sid = next(name for name in TITLES if dataset.name.startswith(name))
            for source in sorted(path for path in (self.data / sid).rglob("*") if path.is_file()):
                copy = dataset / source.relative_to(self.data / sid)
                if copy.exists():
                    assert copy.read_bytes() == source.read_bytes(), copy
                    count += 1
        return count

    def found(self) -> dict[str, str]:
        """What a stranger who reads the chain finds: each title once, as sid -> dataset id."""
        path = self.root / "stranger.sqlite"
        for old in self.root.glob("stranger.sqlite*"):
            old.unlink()
        with (
            closing(LocalChain(Workspace(self.workspace).chain_folder)) as chain,
            closing(Catalogue(path, writable=True)) as catalogue,
        ):
            follow(chain, catalogue, network=REGTEST, check_transactions=True)
            views = catalogue.search(Query(limit=100)).results
            assert not any(view.claims.failed for view in views)
            assert len({view.tomogram.sid for view in views}) == len(views), "a dataset is there twice"
            return {view.tomogram.sid: view.dataset_id for view in views}

    def assert_whole(self, promised: dict[str, str]) -> None:
        """After all commands: every dataset once, the promised ones under their ids, and all bytes can be had."""
        found = self.found()
        assert sorted(found) == sorted(TITLES)
        assert {sid: found[sid] for sid in promised} == promised, "what was published is not there any more"
        again = json.loads(self.succeed("publish-all"))
        assert again["transactions_sent"] == 0
        shutil.rmtree(self.root / "again", ignore_errors=True)
        self.succeed("fetch-again")
        files = sum(path.is_file() for path in self.data.rglob("*")) - len(TITLES)  # dataset.toml is not published
        assert self.assert_files_are_right(self.root / "again") >= files
        Workspace(self.workspace).keyring.unlock("me", PASSPHRASE)
