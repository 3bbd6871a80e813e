"""A workspace with a cheap key, and the real command line run in this process."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etdb.cli import main
from etdb.ledger import BlockRef, LocalChain
from etdb.publish import Journal
from etdb.workspace import Keyring, Workspace

PASSPHRASE = "correct horse"
DESCRIPTION = 'title = "A short record"\nacquired_on = 2026-11-01\nspecies = "Bdellovibrio"\n'


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)


class Desk:
    """A workspace, a folder with one dataset, and the command line."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.workspace = Workspace(root / "ws")
        self.data = root / "data"
        self.short = self.data / "short"
        self.secret = root / "pass"
        self._capsys = capsys

    def run(self, *words: object) -> Said:
        """A command as it is given to the shell, with the workspace named."""
        return self.run_bare("-w", self.workspace.root, *words)

    def run_bare(self, *words: object) -> Said:
        """A command as it is given to the shell."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = self._capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)

    def publish(self, *words: object) -> Said:
        """Publish without a question."""
        return self.run("publish", *(words or (self.data,)), "--yes", "--passphrase-file", self.secret)

    def dataset(self, name: str, text: str = DESCRIPTION) -> Path:
        """One more dataset folder."""
        folder = self.data / name
        folder.mkdir()
        (folder / "dataset.toml").write_text(text)
        (folder / "a.rawtlt").write_text(f"0.0\n{len(name)}.0\n")
        return folder

    def tip(self) -> BlockRef:
        """The newest block of the chain."""
        chain = LocalChain(self.workspace.chain_folder)
        try:
            return chain.tip()
        finally:
            chain.close()

    def states(self) -> dict[str, int]:
        """How many datasets the journal has in each state."""
        if not self.workspace.journal_path.exists():
            return {}
        journal = Journal(self.workspace.journal_path)
        try:
            return {state: count for state, count in journal.state_counts().items() if count}
        finally:
            journal.close()

    def transactions(self) -> list[str]:
        """The ids of the transactions in the journal."""
        if not self.workspace.journal_path.exists():
            return []
        journal = Journal(self.workspace.journal_path)
        try:
            return [one.signed.txid for one in journal.transactions()]
        finally:
            journal.close()

    def index(self) -> str:
        """Index the chain and give the id of the only dataset."""
        assert self.run("index").status == 0
        return str(self.run("--json", "search").document["results"][0]["dataset_id"])


@pytest.fixture(scope="session")
def pristine_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("desk") / "desk"
    workspace = Workspace.init(root / "ws")
    # The cheapest cost that keys may have.
    Keyring(workspace.keys_folder, workspace.flo_network_name, scrypt_n=2**14).new("me", PASSPHRASE)
    LocalChain(workspace.chain_folder, writable=True).close()
    secret = root / "pass"
    secret.touch(mode=0o600)
    secret.write_text(PASSPHRASE + "\n")
    folder = root / "data" / "short"
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text(DESCRIPTION)
    (folder / "a.rawtlt").write_text("0.0\n3.0\n")
    return root


@pytest.fixture
def desk(
    pristine_desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    shutil.copytree(pristine_desk, tmp_path / "desk")
    monkeypatch.delenv("ETDB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path / "desk", capsys)
