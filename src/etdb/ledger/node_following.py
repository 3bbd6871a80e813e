"""Following a node: its headers, its blocks, what waits in it, all brought into the store and checked on the way."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

from etdb.errors import NotFoundError
from etdb.flo import REGTEST, Network, display_hex, parse_header, sha256d
from etdb.ledger.blocksource import BlockSource
from etdb.ledger.headersync import WorkCheck
from etdb.ledger.mempool import Mempool
from etdb.ledger.node_address import fetch_address_heights
from etdb.ledger.node_checks import (
    ChainInfo,
    NodeReport,
    check_network,
    check_pruned,
    find_problems,
    parse_chain_info,
    peers_offset_s,
    software,
)
from etdb.ledger.node_errors import NodeAnswerError, NodeBehindError
from etdb.ledger.node_headers import START_HEIGHTS, HeaderFollower
from etdb.ledger.node_scan import BlockScanner
from etdb.ledger.node_store import FoundRows, NodeStore
from etdb.ledger.rpc import RpcClient

__all__ = ["NodeFollower", "Progress"]

BATCH_BLOCKS: Final = 2_048
"""Blocks that are read between two commits: no fewer than headers come at once."""
BATCH_BYTES: Final = 16 << 20
"""Of what is kept of them; blocks may be full of messages."""
_MAX_RESTARTS: Final = 10

Progress = Callable[[str, int, int], None]


@contextmanager
def _uncollected() -> Iterator[None]:
    """For a portion of blocks: its rows are no cycles; to look for some among them takes a twentieth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class NodeFollower:
    """What a store and a mempool are brought in line with a node by.

    Args:
        rpc: the node.
        source: where headers and blocks come from; the node, or something quicker with the same chain.
        store: where all of it goes.
        network: whose rules apply.
        start_height: the first block that is read; 0 for the network's own.
        watch: addresses whose coins are kept from the first reading on.
        fresh_s: how long a look at the node is taken for true.
        clock: Unix seconds.
        monotonic: seconds that never go back.
        progress: told ("sync", height read, height of the tip).
        work: started when all blocks are read and there are headers whose work is to be checked.
    """

    def __init__(
        self,
        rpc: RpcClient,
        source: BlockSource,
        store: NodeStore,
        network: Network,
        *,
        start_height: int = 0,
        watch: Iterable[str] = (),
        fresh_s: float = 0.5,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        progress: Progress = lambda _step, _done, _total: None,
        work: WorkCheck | None = None,
    ) -> None:
        self._rpc = rpc
        self._work = work
        self._source = source
        self._store = store
        self._network = network
        self._start = start_height or START_HEIGHTS[network.name]
        self._watch = frozenset(watch)
        self._headers = HeaderFollower(source, store, network, self._start)
        self._fresh_s = fresh_s
        self._clock = clock
        self._monotonic = monotonic
        self._progress = progress
        self._looked_at: float | None = None
        self._software: tuple[str, bool] | None = None
        self.mempool = Mempool()
        self.info: ChainInfo | None = None

    # -- headers and what waits

    def look(self, *, anew: bool = False) -> None:
        """Ask the node what is new, unless that was done just now: the tip, and what waits for a block.

        Where a whole chain is new, its blocks are read along with its headers.
        """
        if not anew and self._looked_at is not None and self._monotonic() - self._looked_at < self._fresh_s:
            return
        self._meet()
        # In this order: what comes into a block between the two is in both, never in none.
        waiting, info = self._rpc.batch([("getrawmempool", []), ("getblockchaininfo", [])])
        self.info = parse_chain_info(info, self._rpc.url)
        tip = self._store.tip()
        if tip is None or tip.block_hash != self.info.tip_hash:
            if anew or self.info.blocks - self._store.scanned() <= BATCH_BLOCKS:
                self._headers.follow(int(self._clock()))
            else:
                self._follow_and_read()
        self._start_work()
        if not isinstance(waiting, list) or not all(isinstance(txid, str) for txid in waiting):
            raise NodeAnswerError(
                f"the node at {self._rpc.url} answers getrawmempool with something else than it should",
                hint="is it a FLO full node?",
                url=self._rpc.url,
            )
        self.mempool.refresh(waiting, self._fetch_pending)
        self._looked_at = self._monotonic()

    def _follow_and_read(self) -> None:
        """Follow the headers; the blocks of those that come next are read as soon as their headers are checked."""
        if self._store.scanned() < self._start:
            self.watch(self._watch)  # before anything is read: later it would be read twice
        self._headers.follow(int(self._clock()), read_from=self.next_height(), read=self._read_taken)

    def _read_taken(self) -> None:
        while self._scan_some():
            pass

    def _start_work(self) -> None:
        """Check the work of headers, behind the reading of blocks: both at once would only share the processor."""
        tip = self._store.tip()
        if self._work is None or tip is None or self._store.work_checked() >= tip.height:
            return
        if self._store.scanned() >= tip.height:
            self._work.start()

    def _meet(self) -> tuple[str, bool]:
        if self._software is None:
            check_network(self._rpc, self._network)
            self._software = software(self._rpc)
        return self._software

    def _fetch_pending(self, txids: Sequence[str]) -> list[bytes | None]:
        raws: list[bytes | None] = []
        for answer in self._rpc.try_batch([("getrawtransaction", [txid]) for txid in txids]):
            try:
                raws.append(bytes.fromhex(answer) if isinstance(answer, str) else None)
            except ValueError:
                raws.append(None)
        return raws

    @property
    def is_fcoin(self) -> bool:
        """Whether the node is fcoin; known after the first look."""
        return self._software is not None and self._software[1]

    # -- blocks

    @property
    def first_height(self) -> int:
        """The first block that is read."""
        return self._start

    def next_height(self) -> int:
        """The block that is to be read next."""
        return max(self._store.scanned() + 1, self._start)

    def catch_up(self) -> None:
        """Look, and read all blocks up to the tip."""
        self.look()
        while self.scan_some():
            pass

    def scan_some(self) -> bool:
        """Read some of the blocks that were not read yet; whether there were any."""
        has_read = self._scan_some()
        self._start_work()
        return has_read

    @_uncollected()
    def _scan_some(self) -> bool:
        for _ in range(_MAX_RESTARTS):
            tip, height = self._store.tip(), self.next_height()
            if tip is None or height > tip.height:
                return False
            if self.info is not None:
                check_pruned(self.info, height, self._rpc.url)
            headers = self._store.headers(height, min(BATCH_BLOCKS, tip.height - height + 1))
            found = FoundRows()
            count = self._read_or_look(list(enumerate(headers, height)), self._store.watched(), found)
            if not count:
                continue
            last = height + count - 1
            with self._store.commit():
                # Another process may have gone back meanwhile. The last header names the one before it, and so on.
                if self.next_height() == height and self._store.header(last) == headers[count - 1]:
                    self._store.add(found)
                    self._store.set_scanned(last)
                    self._progress("sync", last, max(tip.height, self.info.blocks if self.info else 0))
                    return True
            # Another process was first, or went back.
        raise self._restless()

    def watch(self, addresses: Iterable[str]) -> None:
        """Keep the coins of these addresses too. What was read before is read again where they stand in it."""
        new = set(addresses) - self._store.watched()
        if not new:
            return
        for _ in range(_MAX_RESTARTS):
            top = self._store.scanned()
            if top >= self._start and not self._read_again(self._heights_of(new, top), new):
                continue
            with self._store.commit():
                if self._store.scanned() == top:
                    self._store.watch(new)
                    return
        raise self._restless()

    def _read_again(self, heights: Sequence[int], addresses: Iterable[str]) -> bool:
        """Keep what blocks that were read before have for some addresses; False when the chain changed meanwhile."""
        done = 0
        while done < len(heights):
            asked = [(height, self._store.header(height)) for height in heights[done : done + BATCH_BLOCKS]]
            wanted = [(height, header) for height, header in asked if header is not None]
            found = FoundRows()
            count = self._read_or_look(wanted, addresses, found)
            if not count:
                return False
            with self._store.commit():
                if any(self._store.header(height) != header for height, header in wanted):
                    return False
                self._store.add(found)
            done += count
        return True

    def _heights_of(self, addresses: Iterable[str], top: int) -> Sequence[int]:
        """Where some addresses may stand in what was read."""
        self.look()
        heights: set[int] = set()
        for address in addresses:
            found = fetch_address_heights(self._rpc, address, is_fcoin=self.is_fcoin)
            if found is None:
                return range(self._start, top + 1)
            heights.update(found)
        return [height for height in sorted(heights) if self._start <= height <= top]

    def _read_or_look(self, wanted: Sequence[tuple[int, bytes]], addresses: Iterable[str], found: FoundRows) -> int:
        """Find what to keep of some blocks, given by height and header, or of the first of them, when that is a lot.

        Returns:
            Of how many; 0 when the node lacks one of them, because another chain is better by now.

        Raises:
            NodeBehindError: it lacks one of the chain that holds.
        """
        tip = self._store.tip()
        try:
            return self._read(wanted, addresses, found)
        except NotFoundError as error:
            self.look(anew=True)
            if self._store.tip() != tip:
                return 0
            raise NodeBehindError(error.message, hint=error.hint, url=self._rpc.url) from error

    def _read(self, wanted: Sequence[tuple[int, bytes]], addresses: Iterable[str], found: FoundRows) -> int:
        coins = [coin.outpoint for coin in self._store.unspent()]
        scanner = BlockScanner(self._network, self._source.where, addresses, coins)
        count = size_bytes = 0
        blocks = self._source.blocks(_hashes(wanted))
        for (height, header), raw in zip(wanted, blocks, strict=True):
            size_bytes += scanner.scan(height, header, raw, found)
            count += 1
            if size_bytes >= BATCH_BYTES:
                break
        return count

    # -- what is wrong

    def report(self) -> NodeReport:
        """The node as it says that it stands, beside what was read of it so far. Nothing is read for this."""
        name, _ = self._meet()
        self.info = parse_chain_info(self._rpc.call("getblockchaininfo"), self._rpc.url)
        tip = self._store.tip()
        header = self._store.header(tip.height) if tip else None
        height = tip.height if tip else -1
        age_s = int(self._clock()) - parse_header(header).time_s if header and self._network is not REGTEST else 0
        return NodeReport(
            url=self._rpc.url,
            software=name,
            network=self._network.name,
            blocks=self.info.blocks,
            headers=self.info.headers,
            height=height,
            scanned=self._store.scanned(),
            work_checked=self._store.work_checked(),
            is_downloading=self.info.is_downloading,
            prune_height=self.info.prune_height,
            clock_ahead_s=self._rpc.clock_ahead_s or 0,
            peers_offset_s=peers_offset_s(self._rpc),
            problems=find_problems(
                self.info, height=height, next_height=self.next_height(), age_s=age_s, url=self._rpc.url
            ),
        )

    def _restless(self) -> NodeBehindError:
        return NodeBehindError(
            f"the chain of the node at {self._rpc.url} changes faster than it can be read",
            hint="try again later",
            url=self._rpc.url,
        )


def _hashes(wanted: Sequence[tuple[int, bytes]]) -> list[str]:
    """The hashes of checked headers, given with their heights. Where the next block is there too, its header has it."""
    hashes = [
        display_hex(after[4:36] if next_height == height + 1 else sha256d(header))
        for (height, header), (next_height, after) in pairwise(wanted)
    ]
    return [*hashes, display_hex(sha256d(wanted[-1][1]))] if wanted else []
