"""Exported texts as a ledger: kept in a SQLite file, in the order of their blocks."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from etdb.durable import make_folder, storage_errors
from etdb.errors import NotFoundError
from etdb.ledger.legacy import BadLine, LegacyMessage
from etdb.ledger.port import (
    BlockRef,
    InclusionEvidence,
    LedgerBlock,
    LedgerMessage,
    TxStatus,
)
from etdb.ledger.read_only import ReadOnlyLedger
from etdb.schema import Schema, prepare_schema, reading_uri
from etdb.trust import Claim, ClaimResult, Outcome

__all__ = ["UNPROVED", "LegacyImport", "LegacyLedger"]

UNPROVED: Final = (
    ClaimResult(
        claim=Claim.TRANSACTION_SIGNATURE,
        outcome=Outcome.NOT_POSSIBLE,
        detail="an exported text comes without its transaction: of a record in one transaction the publisher "
        "signed location and time alone, not title, species and files",
    ),
    ClaimResult(
        claim=Claim.BLOCK_INCLUSION,
        outcome=Outcome.NOT_POSSIBLE,
        detail="block and transaction id are the exporter's word",
    ),
    ClaimResult(
        claim=Claim.HEADER_CHAIN_WORK,
        outcome=Outcome.NOT_POSSIBLE,
        detail="an exported text comes without headers",
    ),
)
"""What is to be said of every record that comes from exported texts."""

_BUSY_S: Final = 30.0
_BATCH: Final = 2_000
_CACHE_KB: Final = 65_536
_SCHEMA: Final = Schema(
    what="the exported messages",
    version=1,
    script="""
CREATE TABLE messages (
    txid TEXT PRIMARY KEY,
    height INTEGER NOT NULL,
    time_s INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX messages_height ON messages (height, txid);
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    block_hash TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    time_s INTEGER NOT NULL
) STRICT;
""",
    application_id=0x65746C67,  # "etlg"
    is_precious=True,
)
_NOTHING: Final = "exported:none"


class LegacyImport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did. ``bad`` lists the lines that were not taken."""

    lines: int
    new: int
    known: int
    bad: tuple[BadLine, ...]


class LegacyLedger(ReadOnlyLedger):
    """Texts that were exported from a chain. Implements the port ``Ledger`` for readers, and proves nothing.

    Only blocks with a text are here. Their hashes are not known: a name made from the texts up to a block stands in
    their place, so that the catalogue notices when older texts are added.

    Args:
        path: the SQLite file.
        network_name: what the workspace's settings call the chain.
        writable: make it when it is not there, and allow ``add``.

    Raises:
        StorageError: it is damaged, of another version, or cannot be read.
    """

    kind = "an export of texts"

    def __init__(self, path: Path, network_name: str, *, writable: bool = False) -> None:
        self.path = path
        self.network_name = network_name
        with self._errors():
            if writable:
                make_folder(path.parent)
            where = f"{path.absolute().as_uri()}?mode=rwc" if writable else reading_uri(path)
            self._db = sqlite3.connect(where, uri=True, timeout=_BUSY_S, isolation_level=None)
            try:
                if writable:
                    self._db.execute("PRAGMA journal_mode = WAL")
                    self._db.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
                    self._db.execute("PRAGMA synchronous = FULL")
                prepare_schema(self._db, path, _SCHEMA, writable=writable)
            except BaseException:
                self._db.close()
                raise

    def _errors(self) -> AbstractContextManager[None]:
        return storage_errors(self.path, what="the exported messages", damaged="import them again")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # -- adding

    def add(self, lines: Iterable[LegacyMessage | BadLine]) -> LegacyImport:
        """Keep texts; one that is here already changes nothing. All or nothing of them is kept.

        A line that says of a known transaction what differs from what is here is not taken.
        """
        taken = new = 0
        bad: list[BadLine] = []
        with self._errors(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            lowest: int | None = None
            for one in lines:
                if isinstance(one, BadLine):
                    bad.append(one)
                    continue
                taken += 1
                row = (one.txid, one.height, one.time_s, one.data)
                if self._db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?)", row).rowcount:
                    new += 1
                    lowest = one.height if lowest is None else min(lowest, one.height)
                elif self._row(one.txid) != row:
                    taken -= 1
                    bad.append(BadLine(line=one.line, reason=f"{one.txid} is here already, with another text or block"))
            if lowest is not None:
                self._name_blocks(lowest)
        return LegacyImport(lines=taken + len(bad), new=new, known=taken - new, bad=tuple(bad))

    def _row(self, txid: str) -> tuple[str, int, int, bytes] | None:
        found: tuple[str, int, int, bytes] | None = self._db.execute(
            "SELECT txid, height, time_s, data FROM messages WHERE txid = ?", (txid,)
        ).fetchone()
        return found

    def _name_blocks(self, lowest: int) -> None:
        """Name anew all blocks from a height up."""
        self._db.execute("DELETE FROM blocks WHERE height >= ?", (lowest,))
        row = self._db.execute("SELECT block_hash FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
        previous = row[0] if row else _NOTHING
        for height, time_s in self._db.execute(
            "SELECT height, min(time_s) FROM messages WHERE height >= ? GROUP BY height ORDER BY height", (lowest,)
        ).fetchall():
            digest = hashlib.sha256(f"{previous} {height} {time_s}".encode())
            for txid, data in self._db.execute(
                "SELECT txid, data FROM messages WHERE height = ? ORDER BY txid", (height,)
            ):
                digest.update(bytes.fromhex(txid) + hashlib.sha256(data).digest())
            name = f"exported:{digest.hexdigest()[:32]}"
            self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", (height, name, previous, time_s))
            previous = name

    # -- reading

    def tip(self) -> BlockRef | None:
        """The newest block that a text is said to be in."""
        with self._errors():
            row = self._db.execute("SELECT height, block_hash FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
        return BlockRef(row[0], row[1]) if row else None

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height; None where no text is."""
        with self._errors():
            row = self._db.execute("SELECT height, block_hash FROM blocks WHERE height = ?", (height,)).fetchone()
        return BlockRef(row[0], row[1]) if row else None

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """The blocks with texts. Their order within a block is not known: that of their ids stands in its place."""
        at = start_height
        while True:
            with self._errors():
                rows = self._db.execute(
                    "SELECT height, block_hash, previous_hash, time_s FROM blocks WHERE height >= ? "
                    "ORDER BY height LIMIT ?",
                    (at, _BATCH),
                ).fetchall()
            for height, block_hash, previous_hash, time_s in rows:
                with self._errors():
                    texts = self._db.execute(
                        "SELECT txid, data FROM messages WHERE height = ? ORDER BY txid", (height,)
                    ).fetchall()
                yield LedgerBlock(
                    ref=BlockRef(height, block_hash),
                    previous_hash=previous_hash,
                    time_s=time_s,
                    messages=tuple(
                        LedgerMessage(txid=txid, position=position, data=data)
                        for position, (txid, data) in enumerate(texts)
                    ),
                )
            if len(rows) < _BATCH:
                return
            at = rows[-1][0] + 1

    def status(self, txid: str) -> TxStatus:
        """What was exported of a transaction."""
        with self._errors():
            row = self._row(txid)
        tip = self.tip()
        if row is None or tip is None:
            return TxStatus(txid=txid, state="unknown")
        return TxStatus(txid=txid, state="confirmed", height=row[1], confirmations=tip.height - row[1] + 1)

    # -- what exported texts do not have

    def raw(self, txid: str) -> bytes:
        """Not here."""
        raise _not_exported(txid)

    def evidence(self, txid: str) -> InclusionEvidence:
        """Not here."""
        raise _not_exported(txid)


def _not_exported(txid: str) -> NotFoundError:
    return NotFoundError(
        f"of transaction {txid[:64]} only the text was exported",
        hint="a node or a ledger file has the proof",
        txid=txid[:64],
    )
