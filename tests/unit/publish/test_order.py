"""What comes first: files are read before coins are made, and nothing is made for nothing."""

from __future__ import annotations

from contextlib import closing

import pytest

from etdb.blocks import FilesInPlace
from etdb.describe import describe
from etdb.errors import SourceFileError
from etdb.flo import REGTEST, PrivateKey
from etdb.ledger import Limits, LocalChain
from etdb.publish import Journal, Publisher, Submission
from etdb.sources import FolderSource
from etdb.workspace import Workspace

KEY = PrivateKey(bytes(range(1, 33)))


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.init(tmp_path / "ws")
    LocalChain.init(workspace.chain_folder)
    return workspace


@pytest.fixture
def submission(tmp_path, workspace):
    folder = tmp_path / "data" / "one"
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text('species = "Bdellovibrio"\nacquired_on = 2026-11-01\n')
    (folder / "a.rawtlt").write_text("0.0\n3.0\n")
    (dataset,) = FolderSource(folder).datasets()
    draft = describe(dataset, workspace.settings, title="One")
    paths = {file.path: file.absolute for file in dataset.files}
    return Submission(tomogram=draft.tomogram, paths=paths, source=str(folder))


def publish(workspace, submission, funded):
    """One run over a chain of one's own; ``funded`` notes when coins were made."""
    with (
        closing(LocalChain(workspace.chain_folder, writable=True)) as ledger,
        closing(FilesInPlace(workspace.digests_path, content_folder=workspace.content_folder)) as blocks,
        closing(Journal(workspace.journal_path)) as journal,
    ):

        def fund() -> None:
            funded.append(len(blocks.files()))
            ledger.earn(KEY.address(REGTEST), 10**7)

        publisher = Publisher(
            journal=journal,
            blocks=blocks,
            ledger=ledger,
            key=KEY,
            network=REGTEST,
            limits=Limits(),
            fund=fund,
        )
        return publisher.run([submission])


def test_files_are_read_before_coins_are_made(workspace, submission):
    funded: list[int] = []
    report = publish(workspace, submission, funded)
    assert report.datasets[0].state == "final"
    assert funded == [2]  # the file and its manifest were there, and it was asked for once


def test_a_file_that_is_gone_leaves_the_chain_as_it_was(workspace, submission):
    funded: list[int] = []
    submission.paths["a.rawtlt"].unlink()
    with pytest.raises(SourceFileError):
        publish(workspace, submission, funded)
    assert funded == []
    with closing(LocalChain(workspace.chain_folder)) as chain:
        assert chain.tip().height == 0


def test_no_coins_are_made_when_nothing_is_sent(workspace, submission):
    publish(workspace, submission, [])
    with closing(LocalChain(workspace.chain_folder)) as chain:
        height = chain.tip().height
    funded: list[int] = []
    publish(workspace, submission, funded)
    with closing(LocalChain(workspace.chain_folder)) as chain:
        assert (funded, chain.tip().height) == ([], height)
