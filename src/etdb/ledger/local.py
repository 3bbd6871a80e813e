"""The local chain: FLO's regtest format in a folder, one writer, mined on demand. See docs/adr/0003."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from etdb.durable import make_folder, storage_error
from etdb.errors import LockedError, RefusedError, StorageError, VerificationError
from etdb.flo import (
    REGTEST,
    Block,
    address_script,
    encode_block,
    hash_script,
    parse_block,
    parse_transaction,
)
from etdb.ledger.blockfiles import RESTORE_HINT, BlockFiles, BlockPlace
from etdb.ledger.chain_index import ChainIndex
from etdb.ledger.coins import Limits
from etdb.ledger.local_reading import ChainReading
from etdb.ledger.mining import choose_pending, next_block
from etdb.ledger.port import (
    BlockRef,
    Outpoint,
    one_by_one,
)
from etdb.ledger.rules import KnownCoin, check_block, check_policy, check_transaction, median_time_s

__all__ = ["LocalChain"]

_NOBODY: Final = hash_script(bytes(20))
"""Who is paid when no address was ever given: nobody."""


class LocalChain(ChainReading):
    """A chain in a folder. Implements the port ``Ledger``.

    Args:
        folder: holds ``blk00000.dat`` and on, and ``index.sqlite``.
        writable: whether this process may add to it; one at a time can.
        limits: of what waits for a block.
        clock: Unix seconds, for block times.

    Raises:
        LockedError: another process writes it.
        StorageError: it is damaged, or does not exist and this process may not make it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        writable: bool = False,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits or Limits()
        self._clock = clock
        self._lock: int | None = None
        path = folder / "index.sqlite"
        if writable:
            try:
                make_folder(folder)
                self._lock = _take_lock(folder / "writer.lock")
            except LockedError:
                raise
            except OSError as error:
                raise storage_error(error, folder) from error
        elif not path.exists():
            raise StorageError(
                f"there is no chain in {folder}", hint="make a workspace with: etdb init", path=str(folder)
            )
        try:
            index = ChainIndex(path, REGTEST, writable=writable)
            super().__init__(REGTEST, BlockFiles(folder, REGTEST.magic), index)
            if writable:
                self._recover()
        except BaseException:
            self._unlock()
            raise

    @classmethod
    def init(cls, folder: Path) -> None:
        """Make a chain of the genesis block alone; one that is there stays as it is."""
        cls(folder, writable=True).close()

    @classmethod
    def is_made(cls, folder: Path) -> bool:
        """Whether a reader could open this chain: its index is there and knows a block."""
        path = folder / "index.sqlite"
        if not path.exists():
            return False
        try:
            with closing(ChainIndex(path, REGTEST, writable=False)) as index:
                return index.tip() is not None
        except LockedError:
            raise
        except StorageError:
            return False

    @staticmethod
    def has_blocks(folder: Path) -> bool:
        """Whether block files are there: an index that was lost is made again from them, but not they from it."""
        first = folder / "blk00000.dat"
        return first.exists() and first.stat().st_size > 0

    def close(self) -> None:
        """Let go of files and of the writer's lock."""
        self._index.close()
        self._files.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _recover(self) -> None:
        """Bring block files and index together again.

        A crash leaves whole blocks that the index does not know, or a torn one: the first are taken, the other is
        cut off. An index that was lost is made again the same way.
        """
        tip = self._index.tip()
        place = self._index.place(tip.height) if tip else None
        if place:
            self._files.check_end(place)
        elif self._files.path(0).exists():
            self._index.keep_setting("rebuilding", "yes")
        for where, raw in self._files.behind(place):
            if tip is None and raw != self._network.genesis_block:
                break
            try:
                self._index_blocks([raw], [where], tip)
            except (RefusedError, VerificationError):
                break
            tip, place = self._index.tip(), where
        if self._index.setting("rebuilding") and self._files.holds_more(place):
            # Nothing else knows of the blocks behind the damage, so they are not cut off.
            raise StorageError(
                f"{self._files.path(place.file if place else 0)} is damaged at byte {place.end if place else 0}",
                hint=RESTORE_HINT,
                path=str(self._files.path(place.file if place else 0)),
            )
        self._files.trim(place)
        if tip is None:
            self._append([self._network.genesis_block])
        if self._index.setting("rebuilding"):
            self._index.keep_setting("rebuilding", "")

    def submit_many(self, raws: Sequence[bytes]) -> list[RefusedError | None]:
        """See the port."""
        return one_by_one(self.submit, raws)

    def submit(self, raw: bytes) -> str:
        """Take a transaction to wait for a block.

        Raises:
            FormatError: not a transaction.
            RefusedError: with the reason, in nodes' own words: ``flo-data-too-large``, ``missing-inputs``,
                ``txn-mempool-conflict`` (with ``rival``), ``too-long-mempool-chain``, ``dust`` and others.
        """
        transaction = parse_transaction(raw)
        txid = transaction.txid
        self._writable_tip()
        if self.status(txid).state != "unknown":
            return txid
        if transaction.is_coinbase:
            raise RefusedError(f"transaction {txid} is a coinbase", reason="coinbase", txid=txid)
        coins: list[KnownCoin | None] = []
        parents: set[str] = set()
        for one in transaction.inputs:
            coin = self._index.coin(Outpoint(one.txid, one.vout))
            if coin is not None and coin.spent_by is not None:
                raise RefusedError(
                    f"transaction {txid} spends a coin that {coin.spent_by} spends",
                    hint="choose another coin",
                    reason="txn-mempool-conflict",
                    txid=txid,
                    rival=coin.spent_by,
                )
            if coin is not None and coin.height is None:
                parents.add(one.txid)
            coins.append(coin)
        tip = self._index.tip()
        fee = check_transaction(transaction, coins, (tip.height if tip else 0) + 1, self._network)
        check_policy(transaction, len(raw), fee, self._limits, self._network)
        use = self._index.would_use(parents, len(raw)) if parents else None
        if use and (use.depth > self._limits.max_chain or use.bytes > self._limits.max_chain_bytes):
            raise RefusedError(
                f"transaction {txid} would make an unconfirmed chain of {use.depth} transactions, {use.bytes} bytes",
                hint="wait for a block",
                reason="too-long-mempool-chain",
                txid=txid,
            )
        with self._index.commit():
            self._index.add_pending(transaction, raw, fee, parents)
        return txid

    def settle(self) -> None:
        """Mine until nothing waits."""
        while self._index.has_pending():
            self.mine(1)

    def earn(self, address: str, amount_sat: int) -> None:
        """Mine until an address has so much that it can spend; its coins are mined for it from now on."""
        self._writable_tip()
        address_script(address, self._network)
        self._index.keep_setting("miner", address)
        need = max(amount_sat, 1)
        while sum(coin.amount_sat for coin in self.coins(address)) < need:
            mature = self._network.coinbase_maturity
            waiting = self._network.subsidy_sat((self._index.tip() or BlockRef(0, "")).height + 1)
            if not waiting:
                raise RefusedError("this chain gives no more coins", hint="begin a new workspace", reason="no-subsidy")
            self.mine(mature + 1 if not self.coins(address) else 1, address)

    def mine(self, count: int, address: str | None = None, *, flo_data: bytes = b"") -> list[BlockRef]:
        """Add blocks; the first takes what waits and fits. The coinbase pays ``address``, else the last earner."""
        miner = address or self._index.setting("miner")
        script = address_script(miner, self._network) if miner else _NOBODY
        times = self._index.recent_times_s()
        tip = self._writable_tip()
        height, previous = tip.height, tip.block_hash
        waiting = choose_pending(self._index.pending())
        blocks: list[bytes] = []
        for number in range(count):
            block = next_block(
                self._network,
                height=height + 1 + number,
                previous_hash=previous,
                times_s=times,
                now_s=int(self._clock()),
                pays=script,
                flo_data=flo_data,
                transactions=waiting if number == 0 else (),
            )
            previous, times = block.header.block_hash, [block.header.time_s, *times[:10]]
            blocks.append(encode_block(block))
        # Its own clock may have been set back since the last block; that must not end the chain.
        return self._append(blocks, now_s=max(int(self._clock()), times[0])) if blocks else []

    def append_block(self, raw: bytes) -> BlockRef:
        """Add a block that somebody else made.

        Raises:
            FormatError: not a block.
            RefusedError: with the reason.
        """
        self._writable_tip()
        return self._append([raw])[0]

    def _writable_tip(self) -> BlockRef:
        if self._lock is None:
            raise StorageError("this chain was opened for reading", hint="only the workspace that owns it adds to it")
        tip = self._index.tip()
        if tip is None:  # the writer put the genesis block there when it opened
            raise StorageError("this chain is closed or empty", hint=RESTORE_HINT)
        return tip

    def _append(self, raws: list[bytes], *, now_s: int | None = None) -> list[BlockRef]:
        """Check, write to disk, and only then let the index know: one commit for all of them."""
        tip = self._index.tip()
        last = self._index.place(tip.height) if tip else None
        places = self._files.plan([len(raw) for raw in raws], last)
        try:
            return self._index_blocks(raws, places, tip, now_s=now_s, write_behind=(last,))
        except StorageError:
            if self._index.tip() == tip:  # on disk, but not in the index: as if it had never been
                self._files.trim(last)
            raise

    def _index_blocks(
        self,
        raws: list[bytes],
        places: list[BlockPlace],
        tip: BlockRef | None,
        *,
        now_s: int | None = None,
        write_behind: tuple[BlockPlace | None] | None = None,
    ) -> list[BlockRef]:
        refs: list[BlockRef] = []
        height, previous = (tip.height, tip.block_hash) if tip else (-1, "00" * 32)
        now_s = int(self._clock()) if now_s is None else now_s
        with self._index.commit():
            for raw, where in zip(raws, places, strict=True):
                block = parse_block(raw)
                height += 1
                if height > 0:
                    self._check(block, raw, height, previous, now_s)
                previous = block.header.block_hash
                refs.append(BlockRef(height, previous))
                self._index.add_block(refs[-1], block=block, raw=raw, place=where)
            if write_behind:
                self._files.write(list(zip(places, raws, strict=True)), write_behind[0])
        return refs

    def _check(self, block: Block, raw: bytes, height: int, previous: str, now_s: int) -> None:
        def find(outpoint: Outpoint) -> KnownCoin | None:
            coin = self._index.coin(outpoint)
            return None if coin is None or coin.height is None or coin.is_spent else coin

        check_block(
            block,
            size_bytes=len(raw),
            height=height,
            previous_hash=previous,
            median_s=median_time_s(self._index.recent_times_s()),
            now_s=now_s,
            network=self._network,
            find_coin=find,
            is_checked=self._index.is_checked,
        )


def _take_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LockedError(
            f"another process is adding to the chain in {path.parent}",
            hint="wait until it is done",
            path=str(path.parent),
        ) from error
    return descriptor
