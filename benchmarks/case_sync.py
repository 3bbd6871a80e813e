"""The first synchronisation: the scan of block files, and a workspace's whole way, beside a call for each block."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measure import Figure, Settings, by_turns, rate
from benchmarks.sync_chain import cached_folder, size_of
from etdb.flo import REGTEST, Extend, HeaderChain, parse_block, parse_header
from etdb.ledger.blockfolder import BlockFolder
from etdb.ledger.blocksource import MAX_HEADERS
from etdb.ledger.node_blocks import RpcBlocks
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rpc_login import RpcLogin

if TYPE_CHECKING:
    from fcoin_node import FcoinNode

_BLOCKS = 100_000
_SOME_BLOCKS = 6_000
_PARSED = 2_000
_SUBMITTED = 200
_INTEROP = Path(__file__).resolve().parent.parent / "tests" / "interop"


def run(settings: Settings) -> list[Figure]:
    count = settings.limit or _BLOCKS
    found = _from_files(settings, count)
    return [*found, *_from_node(settings, count, found[0].ours)]


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


def _from_node(settings: Settings, count: int, scanned: float) -> list[Figure]:
    sys.path.insert(0, str(_INTEROP))
    from fcoin_node import LEFT_OUT, FcoinNode, is_installed

    if not is_installed():
        print(f"  a real node {LEFT_OUT}")
        return []
    with FcoinNode(settings.folder / "fcoin", log_level="warning") as node:
        login = RpcLogin(user="etdb", password_file=node.password_file())
        with closing(RpcClient(f"http://127.0.0.1:{node.http_port}", login)) as client:
            hashes = _fill(node, count, settings.folder)
            some = hashes[: min(count, _SOME_BLOCKS)]
            whole: list[_Whole] = []
            beside: list[_Whole] = []
            blocks, single, without, with_folder = by_turns(
                settings.turns,
                lambda: rate(len(some), lambda: sum(1 for _ in RpcBlocks(client).blocks(some))),
                lambda: rate(len(some), lambda: [client.call("getblock", one, 0) for one in some]),
                lambda: _sync(settings.folder, node, None, count, whole),
                lambda: _sync(settings.folder, node, cached_folder(count), count, beside),
            )
    return [
        Figure(
            name="whole blocks from a real node (fcoin), in batches",
            unit="blocks/s",
            ours=blocks,
            reference=single,
            reference_name="a loop of single getblock calls over one kept connection",
            aim=5,
            note=f"{len(some):,} blocks whose hashes are known to both; both share the machine, the node in one thread",
        ),
        Figure(
            name="first synchronisation of a workspace (node.sqlite) from a real node (fcoin) over RPC",
            unit="blocks/s",
            ours=without,
            reference=single,
            reference_name="a loop of single getblock calls over one kept connection, of which nothing is kept",
            aim=5,
            peak_mib=max(one.peak_mib for one in whole),
            note=f"{count:,} blocks with their headers, each held to its header's rules and its Merkle root; work is "
            f"checked afterwards; {_processor(whole):.0f} us of our processor time a block; with reading all of it "
            f"back as the index does {_median(one.read_rate for one in whole):,.0f} blocks/s",
        ),
        Figure(
            name="first synchronisation of a workspace (node.sqlite) from a real node with its block files beside it",
            unit="blocks/s",
            ours=with_folder,
            reference=without,
            reference_name="the same without its block files",
            peak_mib=max(one.peak_mib for one in beside),
            note=f"{count:,} blocks of regtest in files as a node writes them, made by a generator of ours (the node "
            "was given the same blocks and keeps them in a form of its own); headers judged, each block held to its "
            f"Merkle root, work checked afterwards; aim 50,000 blocks/s; {_processor(beside):.0f} us of processor "
            f"time a block; the scan of the files alone {scanned:,.0f} blocks/s; with reading all of it back as the "
            f"index does {_median(one.read_rate for one in beside):,.0f} blocks/s",
        ),
    ]


def _fill(node: FcoinNode, count: int, scratch: Path) -> list[str]:
    """Give a node the chain; the hashes of its blocks."""
    with closing(BlockFolder(cached_folder(count), REGTEST, scratch=scratch)) as folder:
        folder.tip()
        hashes: list[str] = []
        while found := folder.headers(len(hashes), MAX_HEADERS):
            hashes += [_hash(raw) for raw in found]
        raws = folder.blocks(hashes[1:])
        while part := [[raw.hex()] for raw in islice(raws, _SUBMITTED)]:
            refused = [one for one in node.rpc_each("submitblock", part) if one is not None]
            assert not refused, refused
    assert node.height == count - 1
    return hashes


class _Whole(NamedTuple):
    """What a process found that synchronised a workspace and did nothing else."""

    rate: float
    read_rate: float
    processor_us: float
    peak_mib: float


def _sync(scratch: Path, node: FcoinNode, beside: Path | None, count: int, found: list[_Whole]) -> float:
    """Bring a new workspace up to the node's tip, in a process of its own."""
    arguments = [f"http://127.0.0.1:{node.http_port}", str(node.password_file()), str(scratch), str(count)]
    command = [sys.executable, "-m", "benchmarks.sync_process", *arguments, *([str(beside)] if beside else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found.append(_Whole(**json.loads(done.stdout)))
    return found[-1].rate


def _processor(found: Iterable[_Whole]) -> float:
    return _median(one.processor_us for one in found)


def _median(found: Iterable[float]) -> float:
    return statistics.median(found)


def _hash(raw: bytes) -> str:
    return parse_header(raw).block_hash
