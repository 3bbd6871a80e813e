"""The story of a workspace that is made, used and read: publish, index, download."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import closing
from pathlib import Path

from disk_shim import Runner
from disk_story import PASSPHRASE, Case, Story, told

from etdb.ledger import LocalChain
from etdb.workspace import Workspace

TITLES = {"short": "A short record", "long": "A record in several parts"}
BIG_BYTES = (2 << 20) + 12_345
MADE_ONCE = {"init", "key", "reader"}


class Lab(Story):
    """``data`` lies on a disk that is never harmed."""

    LIFE = ("init", "key", "publish-one", "publish-all", "reader", "index", "download")
    CASES = (
        # The lab's own files: the user's to put right.
        Case("publish-one", "publish-one", "data/short/dataset.toml", (3,)),
        Case("publish-one", "publish-one", "data/short/a.rawtlt", (3,)),
        Case("publish-one", "publish-one", "data/short/sub/big.dat", (3,)),
        # The workspace.
        Case("publish-all", "publish-all", "ws/etdb.toml", (7,)),
        Case("publish-all", "publish-all", "ws/keys/me.json", (7,)),
        Case("publish-all", "publish-all", "ws/chain/blk00000.dat", (7,)),
        Case("publish-all", "publish-all", "ws/chain/index.sqlite", (7,)),
        Case("publish-all", "publish-all", "ws/journal.sqlite", (7,)),
        Case("publish-all", "publish-all", "ws/digests.sqlite", (7,)),
        Case("index", "index", "ws/chain/blk00000.dat", (7,)),
        Case("download", "index", "ws/cache/catalogue.sqlite", (7,)),
        # A download: another source may have what this disk does not give, so what is missing is a source's fault.
        Case("download", "download", "ws/cache/catalogue.sqlite", (7,)),
        Case("download", "download", "ws/content/", (5,), is_named=False),
        Case("download", "download", "data/short/sub/big.dat", (5,)),
        Case("download", "download", "got/", (7,), is_named=False),
    )

    def __init__(self, root: Path, runner: Runner) -> None:
        super().__init__(root, runner)
        self.data, self.got = root / "data", self.disk / "got"
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
        self._files = sum(path.is_file() for path in self.data.rglob("*")) - len(TITLES)  # without dataset.toml

    def words(self, name: str) -> list[object]:
        """See ``Story``."""
        workspace, secret = ["-w", self.workspace], ["--passphrase-file", self.secret]
        publish = [*workspace, "--json", "publish", "--yes", *secret]
        return {
            "init": ["init", self.workspace],
            "key": [*workspace, "key", "new", "me", *secret],
            "publish-one": [*publish, self.data / "short"],
            "publish-all": [*publish, self.data],
            "reader": ["init", self.disk / "reader", "--ledger", self.workspace / "chain", "--gateway", "http://127.0.0.1:9"],
            "index": [*workspace, "--json", "index"],
            "download": [*workspace, "--json", "download", "--query", "record", "-o", self.got],
            "serve": [*workspace, "serve", "--port", "0"],
            "fetch-again": [*workspace, "--json", "download", "--query", "record", "-o", self.root / "again"],
        }[name]  # fmt: skip

    def note(self, name: str, out: str) -> object:
        """The ids of the datasets, of the commands that publish."""
        return told(out) if name.startswith("publish") else {}

    def first_again(self, _name: str) -> str:
        """All of them: what was free is made again."""
        return self.LIFE[0]

    def is_done(self, name: str, status: int, err: str) -> bool:
        """What is made once is there already."""
        return name in MADE_ONCE and status == 3 and "already" in err

    def assert_safe(self, ended: tuple[str, ...]) -> None:
        """See ``Story``."""
        kept = self.assert_files_are_right(self.got)
        if "init" in ended:
            Workspace(self.workspace)
        if "key" in ended:
            Workspace(self.workspace).keyring.unlock("me", PASSPHRASE)
        if "reader" in ended:
            assert Workspace(self.disk / "reader").settings.gateways
        if "download" in ended:
            assert kept >= self._files, "a download that was complete is not"

    def assert_whole(self, ended: tuple[str, ...]) -> None:
        """Every dataset once, the promised ones under their ids, and all bytes can be had."""
        with closing(LocalChain(Workspace(self.workspace).chain_folder)) as chain:
            found = {sid: view.dataset_id for sid, view in self.stranger_finds(chain).items()}
        assert sorted(found) == sorted(TITLES)
        promised = {sid: id_ for name in ended for sid, id_ in self.done[name].items()}
        assert {sid: found[sid] for sid in promised} == promised, "what was published is not there any more"
        assert json.loads(self.succeed("publish-all"))["transactions_sent"] == 0
        shutil.rmtree(self.root / "again", ignore_errors=True)
        self.succeed("fetch-again")
        assert self.assert_files_are_right(self.root / "again") >= self._files
        assert self.assert_files_are_right(self.got) >= self._files
        self.assert_safe(self.LIFE)

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
