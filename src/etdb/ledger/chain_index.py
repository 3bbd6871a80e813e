"""The index of the local chain: where blocks and transactions are, which coins are unspent, what waits for a block.

One SQLite file. A block's rows and the tip they make are one commit, after the block's bytes are on disk.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from etdb.durable import storage_errors
from etdb.flo import HEADER_BYTES, NO_TXID, Block, Network, Transaction, network, parse_transaction, script_address
from etdb.ledger.blockfiles import RESTORE_HINT, BlockPlace
from etdb.ledger.port import BlockRef, Coin, Outpoint
from etdb.ledger.rules import KnownCoin
from etdb.schema import Schema, prepare_schema, reading_uri

__all__ = ["ChainIndex", "ChainUse"]

_SCRIPT: Final = """
CREATE TABLE blocks(
  height INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, time_s INTEGER NOT NULL, header BLOB NOT NULL,
  file INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
  digest BLOB NOT NULL) STRICT;        -- BLAKE2b of the block's bytes: finds rot
CREATE TABLE transactions(
  txid TEXT PRIMARY KEY, height INTEGER NOT NULL, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE coins(
  txid TEXT NOT NULL, vout INTEGER NOT NULL, amount_sat INTEGER NOT NULL, script BLOB NOT NULL,
  address TEXT, coinbase INTEGER NOT NULL,
  height INTEGER,          -- NULL while the transaction that makes it is pending
  spent_by TEXT,           -- the transaction that spends it, pending or confirmed
  spent_height INTEGER,    -- NULL while that one is pending
  PRIMARY KEY(txid, vout)) STRICT, WITHOUT ROWID;
CREATE INDEX coins_of ON coins(address) WHERE spent_by IS NULL;
CREATE TABLE pending(
  seq INTEGER PRIMARY KEY, txid TEXT NOT NULL UNIQUE, wtxid TEXT NOT NULL, raw BLOB NOT NULL,
  fee_sat INTEGER NOT NULL,
  descendants INTEGER NOT NULL DEFAULT 1, descendant_bytes INTEGER NOT NULL) STRICT;  -- its own too
CREATE TABLE links(                    -- between pending transactions
  child TEXT NOT NULL, parent TEXT NOT NULL, PRIMARY KEY(child, parent)) STRICT, WITHOUT ROWID;
CREATE INDEX children ON links(parent);
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
SCHEMA: Final = Schema(
    what="the chain's index",
    version=2,
    script=_SCRIPT,
    is_free=True,  # the block files are the truth; what waited for a block is sent again by who signed it
    hint="the next command that adds to the chain makes it again from the block files",
)

_COUNT_WITH_ANCESTORS: Final = """
WITH RECURSIVE up(txid) AS (
  SELECT parent FROM links WHERE child = :txid UNION SELECT l.parent FROM links l JOIN up ON l.child = up.txid)
UPDATE pending SET descendants = descendants + :count, descendant_bytes = descendant_bytes + :size WHERE txid IN up"""
_USE_OF: Final = """
WITH RECURSIVE up(txid) AS (
  SELECT value FROM json_each(:txids) UNION SELECT l.parent FROM links l JOIN up ON l.child = up.txid)
SELECT count(*), coalesce(sum(length(raw)), 0), coalesce(max(descendants), 0), coalesce(max(descendant_bytes), 0),
  min(seq) FROM pending WHERE txid IN up"""
_RIVALS: Final = """
WITH RECURSIVE down(txid) AS (
  SELECT ? UNION SELECT l.child FROM links l JOIN down ON l.parent = down.txid)
SELECT p.txid, p.raw FROM pending p JOIN down USING (txid) ORDER BY p.seq DESC"""


class ChainUse(msgspec.Struct, frozen=True):
    """How much of the limits on unconfirmed chains is used where a pending transaction hangs; see ``Coin``."""

    depth: int = 0
    bytes: int = 0
    family: str = ""


class ChainIndex:
    """Rows of the local chain. One writer, any number of readers in other processes."""

    def __init__(self, path: Path, chain: Network, *, writable: bool) -> None:
        self._path = path
        self._network = chain
        with self.guard():
            where = f"{path.absolute().as_uri()}?mode=rwc" if writable else reading_uri(path)
            self._db = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False)
        try:
            with self.guard():
                self._open(writable=writable)
        except BaseException:
            self._db.close()
            raise

    def _open(self, *, writable: bool) -> None:
        if writable:
            self._db.execute("PRAGMA journal_mode = WAL")
            # A power cut may take the newest commits: the block files are on disk before, the next writer reads on.
            self._db.execute("PRAGMA synchronous = NORMAL")
        prepare_schema(self._db, self._path, SCHEMA, writable=writable)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def guard(self) -> AbstractContextManager[None]:
        """Give SQLite's errors the names that users know."""
        again = "move index.sqlite away (the next writer makes it again from the block files), or " + RESTORE_HINT
        return storage_errors(self._path, what="the chain's index", damaged=again)

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One change: all of it or nothing."""
        with self.guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    # -- blocks

    def tip(self) -> BlockRef | None:
        """The newest block."""
        return self._ref("SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1")

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height."""
        return self._ref("SELECT height, hash FROM blocks WHERE height = ?", height)

    def _ref(self, query: str, *values: int) -> BlockRef | None:
        with self.guard():
            row = self._db.execute(query, values).fetchone()
        return BlockRef(row[0], row[1]) if row else None

    def place(self, height: int) -> BlockPlace | None:
        """Where a block lies."""
        with self.guard():
            row = self._db.execute("SELECT file, start, length FROM blocks WHERE height = ?", (height,)).fetchone()
        return BlockPlace(*row) if row else None

    def recent_times_s(self) -> list[int]:
        """The times of the last eleven blocks, newest first."""
        with self.guard():
            rows = self._db.execute("SELECT time_s FROM blocks ORDER BY height DESC LIMIT 11").fetchall()
        return [row[0] for row in rows]

    def is_same(self, height: int, raw: bytes) -> bool:
        """Whether these are the bytes that were checked when the block came in."""
        with self.guard():
            row = self._db.execute("SELECT digest FROM blocks WHERE height = ?", (height,)).fetchone()
        return row is not None and row[0] == _digest(raw)

    def add_block(self, ref: BlockRef, *, block: Block, raw: bytes, place: BlockPlace) -> None:
        """Rows of a block that was checked; within ``commit``."""
        self._db.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ref.height,
                ref.block_hash,
                block.header.time_s,
                raw[:HEADER_BYTES],
                place.file,
                place.offset,
                place.length,
                _digest(raw),
            ),
        )
        for position, transaction in enumerate(block.transactions):
            txid = transaction.txid
            self._db.execute("INSERT INTO transactions VALUES (?, ?, ?)", (txid, ref.height, position))
            for one in transaction.inputs:
                if one.txid == NO_TXID:
                    continue
                self._evict_rivals(Outpoint(one.txid, one.vout), txid)
                self._db.execute(
                    "UPDATE coins SET spent_by = ?, spent_height = ? WHERE txid = ? AND vout = ?",
                    (txid, ref.height, one.txid, one.vout),
                )
            self._add_coins(transaction, ref.height)
            self._forget_pending(txid)

    def _evict_rivals(self, outpoint: Outpoint, txid: str) -> None:
        """A pending transaction that wanted the same coin is gone, and all that hang on it."""
        row = self._db.execute(
            "SELECT spent_by FROM coins WHERE txid = ? AND vout = ? AND spent_height IS NULL",
            (outpoint.txid, outpoint.vout),
        ).fetchone()
        if not row or row[0] in (None, txid):
            return
        gone = self._db.execute(_RIVALS, row).fetchall()
        for rival, raw in gone:  # children before their parents
            self._drop_pending(rival, raw)

    def _drop_pending(self, txid: str, raw: bytes) -> None:
        self._db.execute(_COUNT_WITH_ANCESTORS, {"txid": txid, "count": -1, "size": -len(raw)})
        self._db.execute("DELETE FROM coins WHERE txid = ? AND height IS NULL", (txid,))
        self._db.executemany(
            "UPDATE coins SET spent_by = NULL WHERE txid = ? AND vout = ? AND spent_by = ? AND spent_height IS NULL",
            [(one.txid, one.vout, txid) for one in parse_transaction(raw).inputs],
        )
        self._forget_pending(txid)

    def _forget_pending(self, txid: str) -> None:
        self._db.execute("DELETE FROM links WHERE child = ?", (txid,))
        self._db.execute("DELETE FROM links WHERE parent = ?", (txid,))
        self._db.execute("DELETE FROM pending WHERE txid = ?", (txid,))

    def _add_coins(self, transaction: Transaction, height: int | None) -> None:
        self._db.executemany(
            "INSERT INTO coins(txid, vout, amount_sat, script, address, coinbase, height) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT(txid, vout) DO UPDATE SET height = excluded.height",
            [
                (
                    transaction.txid,
                    vout,
                    output.value_sat,
                    output.script,
                    _address(output.script, self._network.name),
                    int(transaction.is_coinbase),
                    height,
                )
                for vout, output in enumerate(transaction.outputs)
            ],
        )

    # -- transactions and coins

    def find_transaction(self, txid: str) -> tuple[int, int] | None:
        """Height and position of a confirmed transaction."""
        with self.guard():
            row = self._db.execute("SELECT height, position FROM transactions WHERE txid = ?", (txid,)).fetchone()
        return (row[0], row[1]) if row else None

    def coin(self, outpoint: Outpoint) -> KnownCoin | None:
        """An output, spent or not."""
        with self.guard():
            row = self._db.execute(
                "SELECT amount_sat, script, height, coinbase, spent_by, spent_height FROM coins"
                " WHERE txid = ? AND vout = ?",
                (outpoint.txid, outpoint.vout),
            ).fetchone()
        if row is None:
            return None
        return KnownCoin(
            amount_sat=row[0],
            script=row[1],
            height=row[2],
            coinbase=bool(row[3]),
            spent_by=row[4],
            is_spent=row[5] is not None,
        )

    def unspent(self, address: str, tip_height: int) -> list[Coin]:
        """Coins of an address that nothing spends and that are old enough."""
        with self.guard():
            rows = self._db.execute(
                "SELECT txid, vout, amount_sat, height, coinbase FROM coins"
                " WHERE address = ? AND spent_by IS NULL ORDER BY txid, vout",
                (address,),
            ).fetchall()
        coins = []
        for txid, vout, amount, height, coinbase in rows:
            confirmations = 0 if height is None else tip_height - height + 1
            if coinbase and confirmations < self._network.coinbase_maturity:
                continue
            use = self.chain_use(txid) if height is None else ChainUse()
            coins.append(
                Coin(
                    outpoint=Outpoint(txid, vout),
                    amount_sat=amount,
                    address=address,
                    confirmations=confirmations,
                    chain_depth=use.depth,
                    chain_bytes=use.bytes,
                    family=use.family,
                    coinbase=bool(coinbase),
                )
            )
        return coins

    # -- what waits for a block

    def chain_use(self, txid: str) -> ChainUse:
        """How much of the limits a pending transaction and its family use up."""
        return self._use_of([txid])

    def would_use(self, parents: Iterable[str], size_bytes: int) -> ChainUse:
        """How much a new transaction with these pending parents would use up, itself included."""
        use = self._use_of(parents)
        return ChainUse(use.depth + 1, use.bytes + size_bytes, use.family)

    def _use_of(self, txids: Iterable[str]) -> ChainUse:
        with self.guard():
            row = self._db.execute(_USE_OF, {"txids": json.dumps(sorted(txids))}).fetchone()
            count, size, most, most_bytes, oldest = row
            family = self._db.execute("SELECT txid FROM pending WHERE seq = ?", (oldest,)).fetchone()
        return ChainUse(max(count, most), max(size, most_bytes), family[0] if family else "")

    def add_pending(self, transaction: Transaction, raw: bytes, fee_sat: int, parents: Iterable[str]) -> None:
        """A transaction that was checked, with its pending parents; within ``commit``."""
        txid = transaction.txid
        self._db.execute(
            "INSERT INTO pending(txid, wtxid, raw, fee_sat, descendant_bytes) VALUES (?, ?, ?, ?, ?)",
            (txid, transaction.wtxid, raw, fee_sat, len(raw)),
        )
        self._db.executemany("INSERT INTO links VALUES (?, ?)", [(txid, parent) for parent in set(parents)])
        self._db.execute(_COUNT_WITH_ANCESTORS, {"txid": txid, "count": 1, "size": len(raw)})
        self._db.executemany(
            "UPDATE coins SET spent_by = ? WHERE txid = ? AND vout = ?",
            [(txid, one.txid, one.vout) for one in transaction.inputs],
        )
        self._add_coins(transaction, None)

    def pending(self) -> Iterator[tuple[bytes, int]]:
        """Pending transactions, the oldest first: raw, fee in satoshi."""
        with self.guard():
            yield from self._db.execute("SELECT raw, fee_sat FROM pending ORDER BY seq")

    def has_pending(self) -> bool:
        """Whether anything waits for a block."""
        with self.guard():
            return self._db.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is not None

    def pending_raw(self, txid: str) -> bytes | None:
        """A pending transaction's bytes."""
        with self.guard():
            row = self._db.execute("SELECT raw FROM pending WHERE txid = ?", (txid,)).fetchone()
        return row[0] if row else None

    def is_checked(self, transaction: Transaction) -> bool:
        """Whether exactly these bytes were checked when they came in."""
        with self.guard():
            query = "SELECT 1 FROM pending WHERE txid = ? AND wtxid = ?"
            return self._db.execute(query, (transaction.txid, transaction.wtxid)).fetchone() is not None

    # -- settings

    def setting(self, name: str) -> str | None:
        """A value that was kept."""
        with self.guard():
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def keep_setting(self, name: str, value: str) -> None:
        """Keep a value."""
        with self.guard():
            self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))


@functools.lru_cache(maxsize=1024)
def _address(script: bytes, network_name: str) -> str | None:
    return script_address(script, network(network_name))


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()
