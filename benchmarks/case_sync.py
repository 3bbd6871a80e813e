"""The first synchronisation: from block files, and from a full node by batches beside a call for each block."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, Settings, by_turns, rate
from benchmarks.sync_chain import cached_folder, size_of
from etdb.flo import REGTEST, Extend, HeaderChain, parse_block, parse_header
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blockfolder_beside import FolderBesideNode
from etdb.ledger.blocksource import MAX_HEADERS, BlockSource
from etdb.ledger.node import FloNode
from etdb.ledger.node_blocks import RpcBlocks
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin

if TYPE_CHECKING:
    from fcoin_node import FcoinNode

_BLOCKS = 100_000
_NODE_BLOCKS = 6_000
_PARSED = 2_000
_INTEROP = Path(__file__).resolve().parent.parent / "tests" / "interop"


def run(settings: Settings) -> list[Figure]:
    count = settings.limit or _BLOCKS
    return [*_from_files(settings, count), *_from_node(settings, min(count, _NODE_BLOCKS))]


def _from_files(settings: Settings, count: int) -> list[Figure]:
    blocks = cached_folder(count)

    def read(*, rules: bool) -> int:
        texts = 0
        with closing(BlockFolder(blocks, REGTEST, scratch=settings.folder)) as folder:
            assert folder.tip().height == count - 1
            if rules:
                _judge(folder, count)
            for block in folder.scan(0):
                texts += len(block.texts)
        return texts

    def parse() -> None:
        for raw in parsed_blocks:
            parse_block(raw)

    with closing(BlockFolder(blocks, REGTEST, scratch=settings.folder)) as folder:
        parsed_blocks = list(folder.blocks([_hash(raw) for raw in folder.headers(0, _PARSED)]))
    started = time.process_time()
    texts = read(rules=False)
    of_processor = count / (time.process_time() - started)
    linked, judged, parsed = by_turns(
        settings.turns,
        lambda: rate(count, lambda: read(rules=False)),
        lambda: rate(count, lambda: read(rules=True)),
        lambda: rate(len(parsed_blocks), parse),
    )
    note = (
        f"{count:,} blocks of regtest in {size_of(blocks) / 1e6:.0f} MB, in windows of 128 out of order, {texts:,} "
        f"texts with their Merkle branches, one core, {of_processor:,.0f} blocks in a second of its "
        f"time; aim 50,000 blocks/s; with all rules of headers but proof of work as well (HeaderChain) {judged:,.0f} "
        "blocks/s"
    )
    return [
        Figure(
            name="first synchronisation from block files: order, header links, texts and their Merkle roots",
            unit="blocks/s",
            ours=linked,
            reference=parsed,
            reference_name="the full parse of blocks one by one (etdb.flo.parse_block), nothing checked",
            note=note,
        )
    ]


def _judge(folder: BlockFolder, count: int) -> None:
    chain, grown = HeaderChain(REGTEST), 0
    for height in range(1, count, MAX_HEADERS):
        events = chain.feed_many(b"".join(folder.headers(height, MAX_HEADERS)))
        grown += sum(isinstance(event, Extend) for event in events)
    assert grown == chain.height == count - 1


def _from_node(settings: Settings, count: int) -> list[Figure]:
    sys.path.insert(0, str(_INTEROP))
    from fcoin_node import LEFT_OUT, FcoinNode, is_installed

    if not is_installed():
        print(f"  a real node {LEFT_OUT}")
        return []
    with FcoinNode(settings.folder / "fcoin", log_level="warning") as node:
        login = RpcLogin(user="etdb", password_file=node.password_file())
        with closing(RpcClient(f"http://127.0.0.1:{node.http_port}", login)) as client:
            hashes = _fill(node, count, settings.folder)
            blocks, batched, each, single = by_turns(
                settings.turns,
                lambda: rate(count, lambda: sum(1 for _ in RpcBlocks(client).blocks(hashes))),
                lambda: rate(count, lambda: _read_batches(client, count)),
                lambda: rate(count, lambda: _read_one_by_one(client, count)),
                lambda: rate(count, lambda: [client.call("getblock", one, 0) for one in hashes]),
            )
            sides = [
                lambda beside=beside: rate(count, lambda: _read_all(settings.folder, node, beside, count))
                for beside in (cached_folder(count), None)
            ]
            with_folder, without = by_turns(settings.turns, *sides)
    return [
        Figure(
            name="whole blocks from a real node (fcoin), in batches",
            unit="blocks/s",
            ours=blocks,
            reference=single,
            reference_name="a loop of single getblock calls over one kept connection",
            aim=5,
            note=f"{count:,} blocks whose hashes are known to both; both share the machine, the node in one thread",
        ),
        Figure(
            name="headers and whole blocks from a real node (fcoin), in batches",
            unit="blocks/s",
            ours=batched,
            reference=each,
            reference_name="a loop of single getblockhash and getblock calls over one kept connection",
            note=f"{count:,} blocks; beside the loop of single getblock calls whose hashes are known it is "
            f"{batched / single:.1f} times as fast, though it asks for hashes and headers too",
        ),
        Figure(
            name="first synchronisation of a workspace (node.sqlite) from a real node with its block files beside it",
            unit="blocks/s",
            ours=with_folder,
            reference=without,
            reference_name="the same without its block files",
            note=f"{count:,} blocks, each held to its Merkle root; headers judged, work checked behind",
        ),
    ]


def _fill(node: FcoinNode, count: int, scratch: Path) -> list[str]:
    """Give a node the chain; the hashes of its blocks."""
    with closing(BlockFolder(cached_folder(count), REGTEST, scratch=scratch)) as folder:
        folder.tip()
        hashes: list[str] = []
        while found := folder.headers(len(hashes), MAX_HEADERS):
            hashes += [_hash(raw) for raw in found]
        for raw in folder.blocks(hashes[1:]):
            node.submit_block(raw)
    assert node.height == count - 1
    return hashes


def _read_batches(client: RpcClient, count: int) -> None:
    source = RpcBlocks(client)
    headers: list[bytes] = []
    while found := source.headers(len(headers), MAX_HEADERS):
        headers += found
    assert sum(1 for _ in source.blocks([_hash(raw) for raw in headers])) == count


def _read_one_by_one(client: RpcClient, count: int) -> None:
    for height in range(count):
        client.call("getblock", client.call("getblockhash", height), 0)


def _read_all(scratch: Path, node: FcoinNode, beside: Path | None, count: int) -> None:
    login = RpcLogin(user="etdb", password_file=node.password_file())
    client = RpcClient(f"http://127.0.0.1:{node.http_port}", login)
    source: BlockSource = RpcBlocks(client)
    if beside is not None:
        source = FolderBesideNode(source, lambda: BlockFolder(beside, REGTEST, scratch=scratch))
    with (
        TemporaryDirectory(dir=scratch) as folder,
        closing(FloNode(client, REGTEST, Path(folder) / "node.sqlite", source=source)) as ledger,
    ):
        assert sum(1 for _ in ledger.blocks(0)) == count


def _hash(raw: bytes) -> str:
    return parse_header(raw).block_hash
