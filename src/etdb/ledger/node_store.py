"""What this side knows of a node's chain, kept: headers that were checked, messages with their proofs, coins.

It can be made again by reading the chain again, so it lies in the free part of a workspace. Of a block only those
transactions are kept that carry a message or move a coin of an address that is watched, each with its Merkle branch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from etdb.durable import storage_errors
from etdb.flo import HEADER_BYTES, parse_transaction, sha256d
from etdb.ledger.port import BlockRef, Outpoint
from etdb.schema import Schema, prepare_schema

__all__ = ["SCHEMA", "FoundRows", "KeptCoin", "KeptTransaction", "NodeStore", "place_of"]

_SCRIPT: Final = """
CREATE TABLE headers(height INTEGER PRIMARY KEY, header BLOB NOT NULL) STRICT;
CREATE TABLE transactions(
  place INTEGER PRIMARY KEY,      -- height << 20 | position
  txid BLOB NOT NULL, raw BLOB NOT NULL,
  branch BLOB NOT NULL,           -- the Merkle branch, 32 bytes each
  has_message INTEGER NOT NULL) STRICT;
CREATE INDEX transaction_ids ON transactions(txid);
CREATE TABLE spends(              -- by the transactions above
  txid BLOB NOT NULL, vout INTEGER NOT NULL, spender BLOB NOT NULL, PRIMARY KEY(txid, vout)) STRICT, WITHOUT ROWID;
CREATE TABLE coins(               -- of watched addresses, spent or not
  txid BLOB NOT NULL, vout INTEGER NOT NULL, address TEXT NOT NULL, amount_sat INTEGER NOT NULL,
  height INTEGER NOT NULL, coinbase INTEGER NOT NULL, PRIMARY KEY(txid, vout)) STRICT, WITHOUT ROWID;
CREATE INDEX coins_of ON coins(address);
CREATE TABLE watched(address TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE settings(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
SCHEMA: Final = Schema(
    what="what was read of the node's chain",
    version=1,
    script=_SCRIPT,
    is_free=True,
    hint="the next command reads the chain again",
)
_POSITION_BITS: Final = 20
_HASH_BYTES: Final = 32
_MAX_REFUSED: Final = 1_000
_NOTHING_SCANNED: Final = -1
_PAGE_BYTES: Final = 32 << 10
_CACHE_BYTES: Final = 16 << 20
_LOG_BYTES: Final = 16 << 20


class KeptTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed transaction that is kept, with what proves its place."""

    txid: str
    height: int
    position: int
    raw: bytes
    branch: tuple[bytes, ...]
    has_message: bool


class KeptCoin(msgspec.Struct, frozen=True, kw_only=True):
    """An output that pays a watched address, confirmed."""

    outpoint: Outpoint
    address: str
    amount_sat: int
    height: int
    coinbase: bool


class FoundRows(msgspec.Struct, frozen=True):
    """What is to be kept of some blocks, as rows: a first synchronisation makes millions, and nothing else of them.

    Ids are bytes as they are displayed. Every transaction stands in a block that is held to its header.
    """

    transactions: list[tuple[int, bytes, bytes, bytes, bool]] = []
    """Place (see ``place_of``), id, bytes, the hashes of its Merkle branch, whether it has a message."""
    spends: list[tuple[bytes, int, bytes]] = []
    """The coins that these transactions spend: id, place there, and the id of the transaction."""
    coins: list[tuple[bytes, int, str, int, int, bool]] = []
    """Those that they make for watched addresses: id, place there, address, satoshi, height, whether of a coinbase."""


class NodeStore:
    """The rows of one chain. Any number of processes: each change is one transaction.

    Args:
        path: the file.
        genesis_hash: of the network; a file of another one is emptied.
    """

    def __init__(self, path: Path, genesis_hash: str) -> None:
        self._path = path
        self._genesis = bytes.fromhex(genesis_hash)
        with self.guard():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
        try:
            with self.guard():
                self._db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file; others keep theirs
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is read again
                # Ids come in no order: with large pages, room for their indexes, and a log that takes several
                # portions, a first reading spends half as long in writing.
                (page_bytes,) = self._db.execute("PRAGMA page_size").fetchone()
                self._db.execute(f"PRAGMA cache_size = -{_CACHE_BYTES // 1024}")
                self._db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_BYTES // page_bytes}")
                prepare_schema(self._db, path, SCHEMA, writable=True)
                if self._setting("genesis") != self._genesis:
                    with self.commit():
                        self.forget()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def guard(self) -> AbstractContextManager[None]:
        """Give SQLite's errors the names that users know."""
        return storage_errors(self._path, what="what was read of the chain", damaged="move it away: it is read again")

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

    @contextmanager
    def view(self) -> Iterator[None]:
        """All that is read within is of one moment; nobody waits for it."""
        with self.guard():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def forget(self) -> None:
        """Empty everything but the list of watched addresses; within ``commit``."""
        self._db.execute("DELETE FROM headers")
        self._db.execute("DELETE FROM transactions")
        self._db.execute("DELETE FROM spends")
        self._db.execute("DELETE FROM coins")
        self._db.execute("DELETE FROM settings")
        self._keep("genesis", self._genesis)

    # -- headers

    def tip(self) -> BlockRef | None:
        """The newest header's block."""
        row = self._row("SELECT height, header FROM headers ORDER BY height DESC LIMIT 1")
        return BlockRef(row[0], _hash(row[1])) if row else None

    def low(self) -> int | None:
        """The lowest height that has a header."""
        row = self._row("SELECT min(height) FROM headers")
        return row[0] if row else None

    def header(self, height: int) -> bytes | None:
        """The header of a height."""
        row = self._row("SELECT header FROM headers WHERE height = ?", height)
        return row[0] if row else None

    def headers(self, start_height: int, count: int) -> list[bytes]:
        """Headers from a height on."""
        with self.guard():
            rows = self._db.execute(
                "SELECT header FROM headers WHERE height >= ? ORDER BY height LIMIT ?", (start_height, count)
            ).fetchall()
        return [row[0] for row in rows]

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height."""
        header = self.header(height)
        return BlockRef(height, _hash(header)) if header is not None else None

    def add_headers(self, headers: Sequence[tuple[int, bytes]]) -> None:
        """Headers that were checked, by height; within ``commit``."""
        assert {len(raw) for _, raw in headers} <= {HEADER_BYTES}
        self._db.executemany("INSERT INTO headers VALUES (?, ?)", headers)

    def header_state(self) -> bytes | None:
        """What the checking of headers goes on from."""
        return self._setting("header state")

    def keep_header_state(self, state: bytes) -> None:
        """Keep it; within ``commit``."""
        self._keep("header state", state)

    def work_checked(self) -> int:
        """The height up to which the work of headers was checked, or a known block makes that needless."""
        value = self._setting("work checked")
        return int.from_bytes(value, "little") if value is not None else 0

    def set_work_checked(self, height: int) -> None:
        """Note it; within ``commit``."""
        self._keep("work checked", height.to_bytes(8, "little"))

    def refused_headers(self) -> set[bytes]:
        """The hashes of headers that had not the work that they claimed, in wire order."""
        value = self._setting("refused headers") or b""
        return {value[at : at + _HASH_BYTES] for at in range(0, len(value), _HASH_BYTES)}

    def refuse_header(self, block_hash: bytes) -> None:
        """Remember one more; within ``commit``. The last thousand are kept."""
        value = (self._setting("refused headers") or b"") + block_hash
        self._keep("refused headers", value[-_MAX_REFUSED * _HASH_BYTES :])

    def cut(self, height: int) -> None:
        """Forget all above a height: another chain is better; within ``commit``."""
        gone = self._db.execute("SELECT txid, raw FROM transactions WHERE place >= ?", (place_of(height + 1, 0),))
        for txid, raw in gone.fetchall():
            self._db.execute("DELETE FROM coins WHERE txid = ?", (txid,))
            self._db.executemany(
                "DELETE FROM spends WHERE txid = ? AND vout = ? AND spender = ?",
                [(bytes.fromhex(one.txid), one.vout, txid) for one in parse_transaction(raw).inputs],
            )
        self._db.execute("DELETE FROM transactions WHERE place >= ?", (place_of(height + 1, 0),))
        self._db.execute("DELETE FROM headers WHERE height > ?", (height,))
        if self.scanned() > height:
            self.set_scanned(height)
        if self.work_checked() > height:
            self.set_work_checked(height)

    # -- blocks that were read

    def scanned(self) -> int:
        """The height up to which blocks were read; -1 for none."""
        value = self._setting("scanned")
        return int.from_bytes(value, "little") if value is not None else _NOTHING_SCANNED

    def set_scanned(self, height: int) -> None:
        """Note it; within ``commit``."""
        self._keep("scanned", max(height, 0).to_bytes(8, "little"))

    def add(self, found: FoundRows) -> None:
        """Keep what was found in blocks. Doing it again changes nothing. Within ``commit``."""
        self._db.executemany("INSERT OR IGNORE INTO transactions VALUES (?, ?, ?, ?, ?)", found.transactions)
        self._db.executemany("INSERT OR IGNORE INTO spends VALUES (?, ?, ?)", found.spends)
        self._db.executemany("INSERT OR IGNORE INTO coins VALUES (?, ?, ?, ?, ?, ?)", found.coins)

    def messages(self, start_height: int, count: int, most_bytes: int) -> tuple[list[KeptTransaction], int]:
        """The transactions with a message of up to ``count`` blocks from a height on, in order, and of how many blocks.

        When more than ``most_bytes`` come together it is of fewer blocks, though of one at least.
        """
        found: list[KeptTransaction] = []
        size_bytes = 0
        with self.guard():
            rows = self._db.execute(
                "SELECT place, txid, raw, branch, has_message FROM transactions"
                " WHERE place >= ? AND place < ? AND has_message ORDER BY place",
                (place_of(start_height, 0), place_of(start_height + count, 0)),
            )
            for row in rows:
                one = _kept(row)
                if size_bytes > most_bytes and one.height > found[-1].height:
                    rows.close()
                    return found, one.height - start_height
                size_bytes += len(one.raw)
                found.append(one)
        return found, count

    def transaction(self, txid: str) -> KeptTransaction | None:
        """A kept transaction."""
        row = self._row(
            "SELECT place, txid, raw, branch, has_message FROM transactions WHERE txid = ? ORDER BY place", _id(txid)
        )
        return _kept(row) if row else None

    def place(self, txid: str) -> int | None:
        """The height of a kept transaction."""
        row = self._row("SELECT place FROM transactions WHERE txid = ? ORDER BY place", _id(txid))
        return row[0] >> _POSITION_BITS if row else None

    def spender(self, outpoint: Outpoint) -> str | None:
        """The kept transaction that spends a coin."""
        row = self._row("SELECT spender FROM spends WHERE txid = ? AND vout = ?", _id(outpoint.txid), outpoint.vout)
        return row[0].hex() if row else None

    # -- coins

    def watched(self) -> set[str]:
        """The addresses whose coins are kept."""
        with self.guard():
            return {row[0] for row in self._db.execute("SELECT address FROM watched")}

    def watch(self, addresses: Iterable[str]) -> None:
        """Keep the coins of these addresses too, from the next block on; within ``commit``."""
        self._db.executemany("INSERT OR IGNORE INTO watched VALUES (?)", [(one,) for one in addresses])

    def unspent(self, address: str | None = None) -> list[KeptCoin]:
        """The coins of an address, or of all that are watched, that no kept transaction spends; by their names."""
        with self.guard():
            rows = self._db.execute(
                "SELECT txid, vout, address, amount_sat, height, coinbase FROM coins"
                " WHERE (?1 IS NULL OR address = ?1) AND NOT EXISTS"
                " (SELECT 1 FROM spends s WHERE s.txid = coins.txid AND s.vout = coins.vout) ORDER BY txid, vout",
                (address,),
            ).fetchall()
        return [
            KeptCoin(
                outpoint=Outpoint(row[0].hex(), row[1]),
                address=row[2],
                amount_sat=row[3],
                height=row[4],
                coinbase=bool(row[5]),
            )
            for row in rows
        ]

    # -- inside

    def _row(self, query: str, *values: int | bytes) -> tuple[Any, ...] | None:
        with self.guard():
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        return row

    def _setting(self, name: str) -> bytes | None:
        with self.guard():
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _keep(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))


def place_of(height: int, position: int) -> int:
    """What transactions are ordered by."""
    return height << _POSITION_BITS | position


def _hash(header: bytes) -> str:
    return sha256d(header)[::-1].hex()


def _id(txid: str) -> bytes:
    """Bytes of an id as people write it; what is none is found nowhere."""
    try:
        return bytes.fromhex(txid)
    except ValueError:
        return b""


def _kept(row: tuple[Any, ...]) -> KeptTransaction:
    place, txid, raw, branch, has_message = row
    return KeptTransaction(
        txid=txid.hex(),
        height=place >> _POSITION_BITS,
        position=place & (1 << _POSITION_BITS) - 1,
        raw=raw,
        branch=tuple(branch[at : at + 32] for at in range(0, len(branch), 32)),
        has_message=bool(has_message),
    )
