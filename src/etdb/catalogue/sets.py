"""Sets of records as integers, kept in memory beside the database: bit ``n`` stands for the record in row ``n``.

Sets of thousands of records take a few kilobytes, and AND with a count of bits takes microseconds. So the conditions of
a query are met one by one, and facets are counted within what they leave, without asking SQL for every combination.

What is kept is true of one state of the fold, and is never changed but replaced: several threads may ask, each within
its own read transaction. New blocks mostly add rows, so what is kept of an earlier tip of the same chain grows, unless
a record was edited since.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from etdb.catalogue.made import MADE_FIELDS, made_rows, made_state

if TYPE_CHECKING:
    from etdb.catalogue.coded import CodedField

__all__ = ["MAX_VALUES", "Order", "RecordSets", "as_flags", "as_set", "has_each", "highest_first", "lowest_first"]

MAX_VALUES: Final = 256
"""A field of more values (a sid, a location) has no sets, which would take too much memory: its codes are counted."""
_MAX_CONDITIONS: Final = 256
"""Of the conditions that were asked last."""

_FLAGS: Final = bytes.maketrans(b"01", b"\0\1")

Kept = TypeVar("Kept")
ValueSets = dict[tuple[str, str], int]
Column = list[tuple[int, Any]]


def as_set(record_ids: Iterable[int], last_id: int) -> int:
    """Row numbers, none above ``last_id``, as a set."""
    digits = bytearray(b"0") * (last_id + 1)  # one store a row: half the time of setting bits
    for record_id in record_ids:
        digits[record_id] = 0x31
    digits.reverse()
    return int(digits, 2)


def has_each(records: int) -> Callable[[int], int]:
    """Whether a row is in a set, for many rows."""
    octets = records.to_bytes((records.bit_length() >> 3) + 1, "little")
    end = len(octets) << 3
    return lambda record_id: record_id < end and octets[record_id >> 3] >> (record_id & 7) & 1


def as_flags(records: int, length: int) -> bytes:
    """A set as one byte a row, 1 for those in it; made without a step for each."""
    return bin(records)[:1:-1].encode().translate(_FLAGS).ljust(length, b"\0")


def highest_first(records: int) -> Iterator[int]:
    """The row numbers of a set, the highest first."""
    while records:
        record_id = records.bit_length() - 1
        yield record_id
        records ^= 1 << record_id


def lowest_first(records: int) -> Iterator[int]:
    """The row numbers of a set, the lowest first."""
    while records:
        lowest = records & -records
        yield lowest.bit_length() - 1
        records ^= lowest


class _Stamp(msgspec.Struct, frozen=True, gc=False):
    """What the fold is a function of, and how far its rows go."""

    rule: str
    height: int
    block_hash: str
    last_id: int


class _Entry(msgspec.Struct, Generic[Kept], frozen=True):
    stamp: _Stamp
    kept: Kept


class Order:
    """All records by a key: ``keys`` are (key, row), ascending."""

    def __init__(self, keys: list[tuple[Any, int]]) -> None:
        self.keys = keys
        self._length = max((row for _, row in keys), default=0) + 1
        rows = [row for _, row in keys]
        self._gather = itemgetter(*rows) if len(rows) > 1 else lambda flags: tuple(flags[row] for row in rows)

    def found(self, records: int, first: int, last: int, *, descending: bool) -> Iterator[tuple[Any, int]]:
        """Those of a set that stand from one place to another, in order, or the other way round."""
        flags = self._gather(as_flags(records, self._length))[first:last]
        keys = self.keys[first:last]
        return compress(reversed(keys), reversed(flags)) if descending else compress(keys, flags)


class RecordSets:
    """The sets of one catalogue, as of the read transaction that each method is given."""

    def __init__(self) -> None:
        self._values: dict[str, _Entry[ValueSets | None]] = {}
        self._coded: dict[str, _Entry[CodedField]] = {}
        self._columns: dict[str, _Entry[Column]] = {}
        self._orders: dict[str, _Entry[Order]] = {}
        self._conditions: dict[object, _Entry[int]] = {}

    def everything(self, db: sqlite3.Connection, *, withdrawn: bool = False) -> int:
        """All records: those that stand, or those that were withdrawn."""
        sql = (
            "SELECT id FROM records WHERE is_withdrawn"
            if withdrawn
            else "SELECT id FROM records WHERE NOT is_withdrawn"
        )
        last_id = _stamp(db).last_id
        return self.meeting(db, ("everything", withdrawn), lambda: as_set(_ids(db.execute(sql)), last_id))

    def meeting(self, db: sqlite3.Connection, condition: object, find: Callable[[], int]) -> int:
        """The records that meet a condition; ``find`` is asked once for each state of the fold."""
        stamp = _stamp(db)
        entry = self._conditions.pop(condition, None)
        if entry is None or entry.stamp != stamp:
            entry = _Entry(stamp, find())
        self._conditions[condition] = entry
        while len(self._conditions) > _MAX_CONDITIONS:
            with suppress(KeyError, RuntimeError):  # another thread does the same
                del self._conditions[next(iter(self._conditions))]
        return entry.kept

    def of_rows(self, db: sqlite3.Connection, sql: str, *parameters: object) -> int:
        """The records whose rows a statement gives."""
        return as_set(_ids(db.execute(sql, parameters)), _stamp(db).last_id)

    def values(self, db: sqlite3.Connection, name: str) -> ValueSets | None:
        """The records of each (folded, value) of a field; None when the field has too many values."""
        stamp = _stamp(db)
        entry = self._values.get(name)
        if name in MADE_FIELDS:
            stamp = msgspec.structs.replace(stamp, rule=stamp.rule + made_state(db, name))
            if entry is None or entry.stamp != stamp:
                made = {
                    key: as_set(rows, stamp.last_id)
                    for key, rows in made_rows(db, lambda column: self.column(db, column), name).items()
                }
                self._values[name] = entry = _Entry(stamp, made)
        elif entry is None or entry.stamp != stamp:
            if entry is not None and _is_earlier(db, entry.stamp, stamp):
                entry = _Entry(stamp, _more_values(db, name, entry))
            else:
                entry = _Entry(stamp, _all_values(db, name, stamp.last_id))
            self._values[name] = entry
        return entry.kept

    def coded(self, db: sqlite3.Connection, name: str) -> CodedField:
        """The values of all records for a field, as numbers: for fields of many values."""
        from etdb.catalogue.coded import grown  # noqa: PLC0415 - numpy takes longer than most searches

        stamp = _stamp(db)
        entry = self._coded.get(name)
        if entry is None or entry.stamp != stamp:
            is_earlier = entry is not None and _is_earlier(db, entry.stamp, stamp)
            former, last_id = (entry.kept, entry.stamp.last_id) if entry is not None and is_earlier else (None, 0)
            self._coded[name] = entry = _Entry(stamp, grown(db, name, former, last_id))
        return entry.kept

    def column(self, db: sqlite3.Connection, name: str) -> Column:
        """The (row, value) of all records that have a value in a column of ours."""
        stamp = _stamp(db)
        entry = self._columns.get(name)
        if entry is None or entry.stamp != stamp:
            is_earlier = entry is not None and _is_earlier(db, entry.stamp, stamp)
            former, last_id = (entry.kept, entry.stamp.last_id) if entry is not None and is_earlier else ([], 0)
            rows = db.execute(f"SELECT id, {name} FROM records WHERE id > ? AND {name} IS NOT NULL", (last_id,))  # noqa: S608
            alike: dict[Any, Any] = {}  # the same text of many records is kept once
            new = [(row, alike.setdefault(value, value)) for row, value in rows]
            self._columns[name] = entry = _Entry(stamp, former + new)
        return entry.kept

    def ordered(self, db: sqlite3.Connection, key: str) -> Order:
        """All records by a key, which is an expression of ours over ``records r``."""
        stamp = _stamp(db)
        entry = self._orders.get(key)
        if entry is None or entry.stamp != stamp:
            rows = db.execute(f"SELECT {key}, r.id FROM records r ORDER BY 1, 2").fetchall()  # noqa: S608
            self._orders[key] = entry = _Entry(stamp, Order(rows))
        return entry.kept


def _ids(rows: Iterable[tuple[int]]) -> list[int]:
    return [row[0] for row in rows]


def _stamp(db: sqlite3.Connection) -> _Stamp:
    row = db.execute(
        "SELECT (SELECT value FROM meta WHERE key = 'fold'), height, block_hash, (SELECT max(id) FROM records) "
        "FROM blocks ORDER BY height DESC LIMIT 1"
    ).fetchone()
    return _Stamp("", -1, "", 0) if row is None else _Stamp(row[0] or "", row[1], row[2], row[3] or 0)


def _is_earlier(db: sqlite3.Connection, kept: _Stamp, now: _Stamp) -> bool:
    """Whether what was kept is true of an earlier tip of this very chain, under the same rule."""
    if kept.rule != now.rule or kept.last_id > now.last_id or kept.height == now.height:
        return False
    known = db.execute("SELECT 1 FROM blocks WHERE height = ? AND block_hash = ?", (kept.height, kept.block_hash))
    if known.fetchone() is None:
        return False
    # Rows are only added while no message that counts made an older one another.
    revised = db.execute(
        "SELECT 1 FROM messages m JOIN revisions v ON v.message_id = m.id WHERE m.height > ? AND v.number > 1 LIMIT 1",
        (kept.height,),
    )
    return revised.fetchone() is None


def _all_values(db: sqlite3.Connection, name: str, last_id: int) -> ValueSets | None:
    found: dict[tuple[str, str], list[int]] = {}
    for folded, value, record_id in db.execute("SELECT folded, value, record_id FROM terms WHERE field = ?", (name,)):
        rows = found.setdefault((folded, value), [])
        rows.append(record_id)
        if len(found) > MAX_VALUES:
            return None
    return {key: as_set(rows, last_id) for key, rows in found.items()}


def _more_values(db: sqlite3.Connection, name: str, entry: _Entry[ValueSets | None]) -> ValueSets | None:
    if entry.kept is None:
        return None
    sets = dict(entry.kept)
    for folded, value, record_id in db.execute(
        "SELECT folded, value, record_id FROM terms WHERE record_id > ? AND field = ?", (entry.stamp.last_id, name)
    ):
        sets[folded, value] = sets.get((folded, value), 0) | 1 << record_id
    return sets if len(sets) <= MAX_VALUES else None
