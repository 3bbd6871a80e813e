"""The index of the local chain: where blocks and transactions are, which coins are unspent, what waits for a block.

One SQLite file. A block's rows and the tip they make are one commit, after the block's bytes are on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from etdb.errors import DiskFullError, StorageError
from etdb.flo import NO_TXID, Network, Transaction, script_address
from etdb.ledger.blockfiles import BlockPlace
from etdb.ledger.port import BlockRef, Coin, Outpoint
from etdb.ledger.rules import KnownCoin

__all__ = ["ChainIndex"]

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE blocks(
  height INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, time_s INTEGER NOT NULL, header BLOB NOT NULL,
  file INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL) STRICT;
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
  fee_sat INTEGER NOT NULL, chain_depth INTEGER NOT NULL, chain_bytes INTEGER NOT NULL) STRICT;
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


class ChainIndex:
    """Rows of the local chain. One writer, any number of readers in other processes."""

    def __init__(self, path: Path, network: Network, *, writable: bool) -> None:
        self._path = path
        self._network = network
        with self.guard():
            if writable:
                self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                if self._version() == 0:
                    self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            else:
                self._db = sqlite3.connect(
                    f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
                )
            if self._version() != SCHEMA_VERSION:
                raise StorageError(
                    f"{path} is an index of version {self._version()}; this etdb reads version {SCHEMA_VERSION}",
                    hint="use the etdb that wrote it",
                    path=str(path),
                )

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Give SQLite's errors the names that users know."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "full" in str(error) or "disk I/O" in str(error):
                raise DiskFullError(
                    f"{self._path} could not be written: {error}; nothing was added",
                    hint="make room and run the same command again",
                    path=str(self._path),
                ) from error
            raise StorageError(
                f"the chain's index {self._path} cannot be used: {error}",
                hint="put back the whole chain folder from a backup",
                path=str(self._path),
            ) from error

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One change: all of it or nothing."""
        with self.guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

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

    def add_block(
        self, ref: BlockRef, *, time_s: int, header: bytes, place: BlockPlace, txs: Sequence[Transaction]
    ) -> None:
        """Rows of a block that was checked; within ``commit``."""
        self._db.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)",
            (ref.height, ref.block_hash, time_s, header, place.file, place.offset, place.length),
        )
        for position, transaction in enumerate(txs):
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
            self._db.execute("DELETE FROM pending WHERE txid = ?", (txid,))

    def _evict_rivals(self, outpoint: Outpoint, txid: str) -> None:
        """A pending transaction that wanted the same coin is gone, and all that hang on it."""
        row = self._db.execute(
            "SELECT spent_by FROM coins WHERE txid = ? AND vout = ? AND spent_height IS NULL",
            (outpoint.txid, outpoint.vout),
        ).fetchone()
        if row and row[0] not in (None, txid):
            self._evict(row[0])

    def _evict(self, txid: str) -> None:
        children = self._db.execute(
            "SELECT DISTINCT spent_by FROM coins WHERE txid = ? AND spent_by IS NOT NULL", (txid,)
        ).fetchall()
        for (child,) in children:
            self._evict(child)
        self._db.execute("DELETE FROM coins WHERE txid = ? AND height IS NULL", (txid,))
        self._db.execute("UPDATE coins SET spent_by = NULL WHERE spent_by = ? AND spent_height IS NULL", (txid,))
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
                    script_address(output.script, self._network),
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
                "SELECT c.amount_sat, c.script, c.height, c.coinbase, c.spent_by, p.chain_depth, p.chain_bytes"
                " FROM coins c LEFT JOIN pending p ON p.txid = c.txid WHERE c.txid = ? AND c.vout = ?",
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
            chain_depth=row[5] or 0,
            chain_bytes=row[6] or 0,
        )

    def unspent(self, address: str, tip_height: int) -> list[Coin]:
        """Coins of an address that nothing spends and that are old enough."""
        with self.guard():
            rows = self._db.execute(
                "SELECT c.txid, c.vout, c.amount_sat, c.height, c.coinbase, p.chain_depth, p.chain_bytes"
                " FROM coins c LEFT JOIN pending p ON p.txid = c.txid"
                " WHERE c.address = ? AND c.spent_by IS NULL ORDER BY c.txid, c.vout",
                (address,),
            ).fetchall()
        coins = []
        for txid, vout, amount, height, coinbase, depth, chain_bytes in rows:
            confirmations = 0 if height is None else tip_height - height + 1
            if coinbase and confirmations < self._network.coinbase_maturity:
                continue
            coins.append(
                Coin(
                    outpoint=Outpoint(txid, vout),
                    amount_sat=amount,
                    address=address,
                    confirmations=confirmations,
                    chain_depth=depth or 0,
                    chain_bytes=chain_bytes or 0,
                    coinbase=bool(coinbase),
                )
            )
        return coins

    # -- what waits for a block

    def add_pending(self, transaction: Transaction, raw: bytes, fee_sat: int, depth: int, chain_bytes: int) -> None:
        """A transaction that was checked; within ``commit``."""
        txid = transaction.txid
        self._db.execute(
            "INSERT INTO pending(txid, wtxid, raw, fee_sat, chain_depth, chain_bytes) VALUES (?, ?, ?, ?, ?, ?)",
            (txid, transaction.wtxid, raw, fee_sat, depth, chain_bytes),
        )
        self._db.executemany(
            "UPDATE coins SET spent_by = ? WHERE txid = ? AND vout = ?",
            [(txid, one.txid, one.vout) for one in transaction.inputs],
        )
        self._add_coins(transaction, None)

    def pending(self, limit_bytes: int) -> list[tuple[bytes, int]]:
        """The oldest pending transactions that fit into so many bytes: raw, fee."""
        chosen, total = [], 0
        with self.guard():
            for raw, fee in self._db.execute("SELECT raw, fee_sat FROM pending ORDER BY seq"):
                total += len(raw)
                if total > limit_bytes:
                    break
                chosen.append((raw, fee))
        return chosen

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
