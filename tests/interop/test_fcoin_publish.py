"""Publishing into a real node whose blocks come at their own pace, in fine weather and in bad."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from fcoin_node import FcoinError, FcoinNode

from etdb.flo import REGTEST
from etdb.ledger import Limits
from etdb.ledger.node import FloNode
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin
from etdb.publish import Journal, Pace, Publisher
from etdb.publish.steps import sign_record
from etdb.testing.records import RecordSigner

pytestmark = pytest.mark.node

LAB = RecordSigner("lab")
ROOT = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
FINAL_DEPTH = 3


class Press:
    """A journal with signed records, and a publisher of them on a node."""

    def __init__(self, folder: Path, node: FcoinNode, records: int, *, first: int = 0, notes_bytes: int = 2500) -> None:
        self.folder = folder
        self.node = node
        self.notes: list[str] = []
        self.steps: list[str] = []
        self.watch: Callable[[str], None] = lambda _step: None
        self.rpc_options: dict[str, float] = {}
        with closing(Journal(folder / "journal.sqlite")) as journal:
            for number in range(first, first + records):
                tomogram = LAB.tomogram(sid=f"d{number}", location="", notes=f"{number} " * (notes_bytes // 4))
                entry = journal.plan(LAB.address, f"d{number}", "/data", msgspec.json.encode(tomogram))
                journal.add(entry.id, {}, ROOT)
                journal.sign(entry.id, sign_record(tomogram, ROOT, 1_700_000_000, LAB.key))

    def _progress(self, step: str, _done: int, _total: int) -> None:
        self.steps.append(step)
        self.watch(step)

    @contextmanager
    def ledger(self):
        """The node as our ledger."""
        login = RpcLogin(user="lab", password_file=self.node.password_file())
        rpc = RpcClient(self.node.url, login, **self.rpc_options)
        with closing(FloNode(rpc, REGTEST, self.folder / "node.sqlite", watch=[LAB.address])) as ledger:
            yield ledger

    def run(self, *, wait: bool = True):
        """The command."""
        with self.ledger() as ledger, closing(Journal(self.folder / "journal.sqlite")) as journal:
            return Publisher(
                journal=journal,
                blocks=None,
                ledger=ledger,
                key=LAB.key,
                network=REGTEST,
                limits=Limits(),
                final_depth=FINAL_DEPTH,
                pace=Pace(poll_s=0.2, timeout_s=180) if wait else None,
                note=self.notes.append,
                progress=self._progress,
            ).resume()

    def signed(self) -> list[bytes]:
        """Its transactions, parents before children."""
        with closing(Journal(self.folder / "journal.sqlite")) as journal:
            return [entry.signed.raw for entry in journal.transactions()]

    def on_chain(self) -> list[bytes]:
        """Every text of this lab that is in a block."""
        with self.ledger() as ledger:
            ledger.tip()
            return [one.data for block in ledger.blocks(0) for one in block.messages if LAB.address in one.sender]

    def parts(self) -> list[bytes]:
        """The parts of its records, which are final."""
        with closing(Journal(self.folder / "journal.sqlite")) as journal:
            assert {dataset.state for dataset in journal.datasets()} == {"final"}
            return [one.data for dataset in journal.datasets() for one in journal.parts(dataset.id)]

    def verify_each_is_there_once(self) -> None:
        """Every part of every record is in a block, once, and nothing that was given up."""
        texts = self.on_chain()
        assert len(texts) == len(set(texts))
        assert sorted(texts) == sorted(self.parts())
        with closing(Journal(self.folder / "journal.sqlite")) as journal:
            assert len([one for one in journal.transactions(states=("void",)) if one.data in texts]) == 0


@contextmanager
def miner(node: FcoinNode, seconds: float):
    """Blocks come every so often, as long as the node is there."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(seconds):
            try:
                node.mine(1)
            except (FcoinError, OSError, AssertionError):
                continue

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def node(request):
    running = request.getfixturevalue("fcoin_node")
    running.mine(2, LAB.address)
    running.mine(100)
    return running


def test_thirty_records_through_the_limits_of_a_node(node, tmp_path):
    press = Press(tmp_path, node, 30)
    with miner(node, 0.5):
        report = press.run()
    assert report.in_time
    assert report.transactions_sent == 1 + sum(one.transactions for one in report.datasets)
    press.verify_each_is_there_once()
    assert "confirm" in press.steps


def test_a_node_that_dies_in_the_middle_and_comes_back_without_its_mempool(node, tmp_path):
    press = Press(tmp_path, node, 10)
    first = press.run(wait=False)
    assert first.waiting_transactions > 5
    assert first.unfinished == 10
    node.stop()
    node.start()
    assert node.rpc("getrawmempool") == []
    again = threading.Timer(1.5, node.start)

    def dies(step: str) -> None:
        if step == "confirm" and not again.ident:
            node.stop()
            again.start()

    press.watch = dies
    with miner(node, 0.5):
        report = press.run()
    again.join()
    assert report.in_time, press.notes
    assert any(node.url in note for note in press.notes)
    press.verify_each_is_there_once()


@pytest.mark.parametrize("depth", [1, 6, 9])
def test_blocks_that_are_taken_back_while_parts_lie_on_both_sides(node, tmp_path, depth):
    press = Press(tmp_path, node, 4)
    press.run(wait=False)
    with FcoinNode(tmp_path / "other") as other:
        other.take_blocks(node)
        fork, raws = node.height, press.signed()
        node.mine(1, transactions=raws[: len(raws) // 2])
        node.mine(depth - 1, transactions=[])
        halfway = press.run(wait=False)
        assert 0 < halfway.waiting_transactions < len(raws)
        other.mine(depth + 1)
        for height in range(fork + 1, other.height + 1):
            node.submit_block(other.raw_block(height))
        node.wait_for_tip(other.tip_hash)
    with miner(node, 0.5):
        report = press.run()
    assert report.in_time, press.notes
    press.verify_each_is_there_once()
