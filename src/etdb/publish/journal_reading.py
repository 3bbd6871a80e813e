"""What the journal knows, read back: datasets, transactions, and which of them still matter."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from etdb.durable import storage_errors
from etdb.ledger import Coin, Outpoint, SignedTransaction

__all__ = [
    "DatasetEntry",
    "JournalReading",
    "Kind",
    "RecordProgress",
    "TransactionEntry",
    "WaitingTransaction",
    "journal_errors",
]


_is_txid = re.compile(r"[0-9a-f]{64}\Z").match

Kind = Literal["publish", "edit", "deactivate", "transfer", "register"]
"""What a message does."""


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A message about a dataset as the journal knows it: the one that publishes it, or a later one.

    ``about`` is the dataset's id, empty for the message that publishes it. ``artifact`` is the record as an edit leaves
    it. ``files`` and ``root_cid`` are empty for messages that leave the content alone.
    """

    id: int
    publisher: str
    sid: str
    revision: int
    kind: Kind
    about: str
    reason: str
    source: str
    state: str
    draft: bytes
    files: dict[str, str]
    root_cid: str
    record: bytes
    artifact: bytes

    @property
    def has_content(self) -> bool:
        """Whether it says what the dataset is."""
        return self.kind in ("publish", "edit")


class TransactionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A signed transaction as the journal keeps it. ``part`` is -1 for a fan-out."""

    seq: int
    dataset: int | None
    part: int
    state: str
    seen_as: str | None
    height: int | None
    data: bytes
    signed: SignedTransaction

    @property
    def ledger_txid(self) -> str:
        """The id under which the ledger holds it."""
        return self.seen_as or self.signed.txid


class WaitingTransaction(NamedTuple):
    """A transaction that waits for a block. ``part`` is -1 for a fan-out."""

    seq: int
    part: int


class RecordProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the live transactions of a record are. ``height`` is that of the highest in a block."""

    dataset: int
    state: str
    parts: int
    signed: int
    confirmed: int
    height: int


_coins = msgspec.json.Decoder(tuple[Coin, ...])
_paths = msgspec.json.Decoder(dict[str, str])
_MOST_FINAL: Final = 10_000
"""Transactions of final records that are looked at again after a reorganisation deeper than final."""
_OPEN_STATES: Final = frozenset({"signed", "submitted"})
_IS_OPEN: Final = "state IN ('signed', 'submitted')"
"""SQLite takes the small index of the open ones only where a query has these very words."""
_TX_COLUMNS: Final = "seq, dataset, part, txid, seen_as, state, height, raw, data, fee_sat, spends, creates"


class JournalReading:
    """The reading half of the journal, over its database."""

    _db: sqlite3.Connection
    _path: Path

    def find(self, publisher: str, sid: str) -> DatasetEntry | None:
        """The newest message about the dataset of this publisher and sid, if the journal has it."""
        return next(iter(self.messages_about(publisher, sid)[::-1]), None)

    def messages_about(self, publisher: str, sid: str) -> list[DatasetEntry]:
        """All messages about a dataset, the first one first; those that were dropped left out."""
        found = self._datasets("publisher = ? AND sid = ? AND state <> 'dropped'", publisher, sid)
        return sorted(found, key=lambda entry: entry.revision)

    def dropped(self, publisher: str, sid: str, revision: int) -> DatasetEntry | None:
        """A message that was begun and dropped, whose place is free."""
        where = "publisher = ? AND sid = ? AND revision = ? AND state = 'dropped'"
        return next(self._datasets(where, publisher, sid, revision), None)

    def sid_of(self, publisher: str, dataset_id: str) -> str | None:
        """The sid of the dataset with this id on the ledger, if the journal has a message about it."""
        if not _is_txid(dataset_id):  # a sid, nearly always: the whole journal would be looked through for each
            return None
        rows = self._rows(
            "SELECT sid FROM datasets WHERE publisher = ?1 AND about = ?2 UNION ALL "
            "SELECT d.sid FROM transactions t JOIN datasets d ON d.id = t.dataset WHERE t.part = 0 "
            "AND d.publisher = ?1 AND d.kind = 'publish' AND coalesce(t.seen_as, t.txid) = ?2 AND t.state <> 'void' "
            "LIMIT 1",
            publisher,
            dataset_id,
        )
        return str(rows[0][0]) if rows else None

    def dataset_id(self, entry: DatasetEntry) -> str:
        """The id of the dataset that a message is about; empty while nothing of it is signed for the ledger."""
        return entry.about or self.revision_id(entry)

    def revision_id(self, entry: DatasetEntry) -> str:
        """The first transaction of a message; empty while it has none."""
        parts = self.parts(entry.id)
        return parts[0].ledger_txid if parts and parts[0].part == 0 else ""

    def dataset(self, dataset_id: int) -> DatasetEntry:
        """The dataset with this number."""
        return next(self._datasets("id = ?", dataset_id))

    def datasets(self, *states: str) -> list[DatasetEntry]:
        """All datasets, or those in the given states, oldest first."""
        marks = ",".join("?" * len(states))
        return list(self._datasets(f"state IN ({marks})" if states else "1", *states))

    def state_counts(self) -> dict[str, int]:
        """How many datasets are in which state."""
        return dict(self._rows("SELECT state, count(*) FROM datasets GROUP BY state ORDER BY state"))

    def transactions(self, dataset_id: int | None = None, *, states: Iterable[str] = ()) -> list[TransactionEntry]:
        """Transactions in the order of signing: of one dataset, or of all, in the given states."""
        wanted = tuple(states)
        where = f"state IN ({','.join('?' * len(wanted))})" if wanted else "1"
        if wanted and _OPEN_STATES.issuperset(wanted):
            where = f"{where} AND {_IS_OPEN}"
        values: tuple[str | int, ...] = wanted
        if dataset_id is not None:
            where, values = f"{where} AND dataset = ?", (*values, dataset_id)
        query = f"SELECT {_TX_COLUMNS} FROM transactions WHERE {where} ORDER BY seq"  # noqa: S608 - constants only
        return [_transaction(row) for row in self._rows(query, *values)]

    def unsettled(self, shallow_height: int) -> list[TransactionEntry]:
        """Transactions on whose place in the chain nobody should rely yet, in the order of signing.

        Those not in a block, those of records that are not final, and fan-outs above ``shallow_height``.
        """
        columns = ", ".join(f"t.{name}" for name in _TX_COLUMNS.split(", "))
        query = (
            f"SELECT {columns} FROM transactions t LEFT JOIN datasets d ON d.id = t.dataset"  # noqa: S608 - constants
            " WHERE t.state IN ('signed', 'submitted') OR (t.state = 'confirmed'"
            " AND (d.state <> 'final' OR (d.id IS NULL AND t.height > ?))) ORDER BY t.seq"
        )
        return [_transaction(row) for row in self._rows(query, shallow_height)]

    def count_void(self) -> int:
        """How many transactions are void."""
        return int(self._rows("SELECT count(*) FROM transactions WHERE state = 'void'")[0][0])

    def is_dead(self, txid: str) -> bool:
        """Whether this is an id of one of our transactions that is void or goes by another id now."""
        rows = self._rows(
            "SELECT state, coalesce(seen_as, txid) FROM transactions"
            " WHERE txid = ?1 OR seq = (SELECT seq FROM other_ids WHERE txid = ?1)",
            txid,
        )
        return bool(rows) and (rows[0][0] == "void" or rows[0][1] != txid)

    def parts(self, dataset_id: int) -> list[TransactionEntry]:
        """The live transactions of a dataset's record, by part number."""
        live = self.transactions(dataset_id, states=("signed", "submitted", "confirmed"))
        return sorted(live, key=lambda entry: entry.part)

    def progress(self) -> list[RecordProgress]:
        """Of each record that is on its way, how far its live transactions are."""
        rows = self._rows(
            "SELECT d.id, d.state, count(t.seq), coalesce(sum(t.state = 'signed'), 0),"
            " coalesce(sum(t.state = 'confirmed'), 0), coalesce(max(t.height), 0)"
            " FROM datasets d LEFT JOIN transactions t ON t.dataset = d.id AND t.state <> 'void'"
            " WHERE d.state IN ('prepared', 'sent', 'confirmed') GROUP BY d.id ORDER BY d.id"
        )
        return [
            RecordProgress(dataset=row[0], state=row[1], parts=row[2], signed=row[3], confirmed=row[4], height=row[5])
            for row in rows
        ]

    def undone(self) -> list[int]:
        """Final records of which a transaction waits for a block again."""
        rows = self._rows(
            "SELECT DISTINCT d.id FROM transactions t JOIN datasets d ON d.id = t.dataset"
            " WHERE t.state IN ('signed', 'submitted') AND d.state = 'final' ORDER BY d.id"
        )
        return [row[0] for row in rows]

    def doubtful(self, publisher: str) -> list[DatasetEntry]:
        """Records on their way of which a transaction is void or goes by another id: not all parts may fit."""
        odd = "SELECT dataset FROM transactions WHERE state = 'void' OR (part = 0 AND seen_as IS NOT NULL)"
        on_their_way = "state IN ('signed', 'prepared', 'sent', 'confirmed')"
        return list(self._datasets(f"{on_their_way} AND publisher = ? AND id IN ({odd})", publisher))

    def unfinished(self, ids: Iterable[int]) -> set[int]:
        """Those of these datasets that are not final."""
        rows = self._rows("SELECT id FROM datasets WHERE state NOT IN ('final', 'dropped')")
        return {row[0] for row in rows}.intersection(ids)

    def under_way(self, publisher: str) -> list[DatasetEntry]:
        """Records of which the ledger may know something already, and that lack a transaction."""
        some = "SELECT dataset FROM transactions"
        return list(self._datasets(f"state = 'signed' AND publisher = ? AND id IN ({some})", publisher))

    def waiting(self) -> dict[str, WaitingTransaction]:
        """Transactions that the ledger has taken and no block holds, by the ledger's id."""
        query = f"SELECT coalesce(seen_as, txid), seq, part FROM transactions WHERE state = 'submitted' AND {_IS_OPEN}"  # noqa: S608 - constants only
        return {txid: WaitingTransaction(seq, part) for txid, seq, part in self._rows(query)}

    def find_transaction(self, txid: str) -> TransactionEntry | None:
        """Our transaction of this id, or that once went by it."""
        query = (
            f"SELECT {_TX_COLUMNS} FROM transactions WHERE txid = ?1"  # noqa: S608 - constants only
            " OR seq = (SELECT seq FROM other_ids WHERE txid = ?1)"
        )
        rows = self._rows(query, txid)
        return _transaction(rows[0]) if rows else None

    def last_final(self, publisher: str) -> Iterator[TransactionEntry]:
        """Transactions of final records, the newest block first."""
        places = self._rows(
            "SELECT t.seq FROM transactions t JOIN datasets d ON d.id = t.dataset WHERE d.state = 'final'"
            " AND d.publisher = ? AND t.state = 'confirmed' ORDER BY t.height DESC, t.seq DESC LIMIT ?",
            publisher,
            _MOST_FINAL,
        )
        for (seq,) in places:
            (row,) = self._rows(f"SELECT {_TX_COLUMNS} FROM transactions WHERE seq = ?", seq)  # noqa: S608 - constants only
            yield _transaction(row)

    def void_spends(self, dataset_id: int | None = None, part: int | None = None) -> set[Outpoint]:
        """Coins of void transactions, of one part of a dataset or of all, under all names that they have had."""
        where = "" if dataset_id is None else " AND dataset = ? AND part = ?"
        values = () if dataset_id is None else (dataset_id, part)
        rows = self._rows(f"SELECT spends FROM transactions WHERE state = 'void'{where}", *values)  # noqa: S608 - constants only
        found: set[Outpoint] = set()
        for row in rows:
            for coin in _coins.decode(row[0]):
                maker = self.find_transaction(coin.outpoint.txid)
                names = {coin.outpoint.txid} | ({maker.signed.txid, maker.ledger_txid} if maker else set())
                found |= {Outpoint(name, coin.outpoint.vout) for name in names}
        return found

    def _datasets(self, where: str, *values: str | int) -> Iterator[DatasetEntry]:
        query = (
            "SELECT id, publisher, sid, source, state, draft, files, root_cid, record, revision, kind, about, reason,"  # noqa: S608 - constants only
            f" artifact FROM datasets WHERE {where}"
        )
        for row in self._rows(query + " ORDER BY id", *values):
            yield DatasetEntry(
                id=row[0],
                publisher=row[1],
                sid=row[2],
                source=row[3],
                state=row[4],
                draft=row[5],
                files=_paths.decode(row[6]) if row[6] else {},
                root_cid=row[7] or "",
                record=row[8] or b"",
                revision=row[9],
                kind=row[10],
                about=row[11],
                reason=row[12],
                artifact=row[13] or b"",
            )

    def _rows(self, query: str, *values: str | int | None) -> list[Any]:
        """All rows of a query.

        Raises:
            StorageError: the file is damaged, or the disk does not give it.
        """
        with journal_errors(self._path):
            return self._db.execute(query, values).fetchall()


def journal_errors(path: Path) -> AbstractContextManager[None]:
    """Give SQLite's errors the names that users know."""
    backup = "put back the copy from your backup: it holds what was sent but not yet confirmed"
    return storage_errors(path, what="the journal", damaged=backup)


def _transaction(
    row: tuple[int, int | None, int, str, str, str, int, bytes, bytes, int, bytes, bytes],
) -> TransactionEntry:
    seq, dataset, part, txid, seen_as, state, height, raw, data, fee_sat, spends, creates = row
    signed = SignedTransaction(
        txid=txid, raw=raw, fee_sat=fee_sat, spends=_coins.decode(spends), creates=_coins.decode(creates)
    )
    return TransactionEntry(
        seq=seq, dataset=dataset, part=part, state=state, seen_as=seen_as, height=height, data=data, signed=signed
    )
