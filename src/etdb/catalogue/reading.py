"""Rows to values: datasets with their claims, and the lists of what made no record."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from etdb.catalogue.claims import join_claims
from etdb.catalogue.history import load_tomogram, load_txids, load_withdrawal, publisher_name
from etdb.catalogue.values import (
    AsideMessage,
    DatasetView,
    Duplicate,
    Listing,
    Observation,
    OrphanedParts,
    OtherRecord,
)
from etdb.catalogue.writing import CONFLICTING_PART
from etdb.errors import InputError, NotFoundError
from etdb.oip import Tomogram

__all__ = ["LISTS", "list_rows", "load_observations", "load_revision", "load_views"]

LISTS: Final = ("aside", "orphans", "other")
_DECODER: Final = msgspec.json.Decoder(Tomogram)
_MAX_DUPLICATES: Final = 100


def load_views(db: sqlite3.Connection, record_ids: Sequence[int]) -> tuple[DatasetView, ...]:
    """Records as datasets as they are now, in the order asked for."""
    tip = _tip(db)
    return tuple(_load_view(db, record_id, tip) for record_id in record_ids)


def load_revision(db: sqlite3.Connection, record_id: int, number: int) -> DatasetView:
    """A record as a revision left it.

    Raises:
        NotFoundError: it has no such revision.
    """
    newest = _load_view(db, record_id, _tip(db))
    if number == newest.revision:
        return newest
    row = db.execute(
        "SELECT v.revision_id, v.owner, v.signature, v.claims, m.height, b.block_hash, b.time_s FROM revisions v "
        "JOIN messages m ON m.id = v.message_id JOIN blocks b ON b.height = m.height "
        "WHERE v.record_id = ? AND v.number = ?",
        (record_id, number),
    ).fetchone()
    if row is None:
        raise NotFoundError(
            f"dataset {newest.dataset_id} has no revision {number}",
            hint=f"it has revisions 1 to {newest.revisions}: etdb history {newest.dataset_id[:12]}",
            dataset_id=newest.dataset_id,
        )
    revision_id, owner, _, claims, height, block_hash, time_s = row
    content_id, signature = db.execute(
        "SELECT revision_id, signature FROM revisions WHERE record_id = ? AND number <= ? "
        "AND kind IN ('publish', 'edit') ORDER BY number DESC LIMIT 1",
        (record_id, number),
    ).fetchone()
    observed = load_observations(db, content_id)
    return msgspec.structs.replace(
        newest,
        tomogram=load_tomogram(db, record_id, number),
        height=height,
        block_hash=block_hash,
        time_s=time_s,
        confirmations=newest.confirmations + newest.height - height,
        signature=signature,
        claims=join_claims(claims, observed),
        observed=observed,
        owner=owner,
        publisher_name=publisher_name(db, owner),
        revision=number,
        revision_id=revision_id,
        content_id=content_id,
        revision_txids=_revision_txids(db, record_id, number),
    )


def _tip(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT max(height) FROM blocks").fetchone()[0] or 0)


def _revision_txids(db: sqlite3.Connection, record_id: int, number: int) -> tuple[str, ...]:
    rows = db.execute(
        "SELECT revision_id, number FROM revisions WHERE record_id = ? AND number BETWEEN 2 AND ? ORDER BY number",
        (record_id, number),
    ).fetchall()
    return tuple(txid for row in rows for txid in load_txids(db, record_id, *row))


def _load_view(db: sqlite3.Connection, record_id: int, tip: int) -> DatasetView:
    row = db.execute(
        "SELECT r.dataset_id, r.height, b.block_hash, b.time_s, r.signature, r.claims, r.document, r.publisher, r.sid, "
        "r.location, r.owner, r.revision, r.revision_id, r.content_id, r.is_withdrawn "
        "FROM records r JOIN blocks b ON b.height = r.height WHERE r.id = ?",
        (record_id,),
    ).fetchone()
    dataset_id, height, block_hash, time_s, signature, claims, document, publisher, sid, location = row[:10]
    owner, revision, revision_id, content_id, is_withdrawn = row[10:]
    observed = load_observations(db, content_id)
    return DatasetView(
        dataset_id=dataset_id,
        tomogram=_DECODER.decode(document),
        part_txids=load_txids(db, record_id, dataset_id, 1),
        height=height,
        block_hash=block_hash,
        time_s=time_s,
        confirmations=tip - height + 1,
        signature=signature,
        claims=join_claims(claims, observed),
        observed=observed,
        duplicates=_duplicates(db, record_id, publisher, sid, location),
        owner=owner,
        publisher_name=publisher_name(db, owner),
        revision=revision,
        revisions=revision,
        revision_id=revision_id,
        content_id=content_id,
        revision_txids=_revision_txids(db, record_id, revision) if revision > 1 else (),
        withdrawn=load_withdrawal(db, record_id) if is_withdrawn else None,
    )


def _duplicates(
    db: sqlite3.Connection, record_id: int, publisher: str, sid: str, location: str
) -> tuple[Duplicate, ...]:
    found: dict[str, Duplicate] = {}
    if sid:
        for (other,) in db.execute(
            "SELECT dataset_id FROM records WHERE publisher = ? AND sid = ? AND id <> ? AND NOT is_withdrawn "
            "ORDER BY id LIMIT ?",
            (publisher, sid, record_id, _MAX_DUPLICATES),
        ):
            found[other] = Duplicate(dataset_id=other, why="same sid")
    if location:
        for (other,) in db.execute(
            "SELECT dataset_id FROM records WHERE location = ? AND id <> ? AND NOT is_withdrawn ORDER BY id LIMIT ?",
            (location, record_id, _MAX_DUPLICATES),
        ):
            found.setdefault(other, Duplicate(dataset_id=other, why="same location"))
    return tuple(found.values())


def load_observations(db: sqlite3.Connection, dataset_id: str) -> tuple[Observation, ...]:
    """What was observed of a dataset, oldest first."""
    rows = db.execute(
        "SELECT dataset_id, claim, outcome, detail, source, time_s FROM observations WHERE dataset_id = ? "
        "ORDER BY time_s, claim, source",
        (dataset_id,),
    )
    names = ("dataset_id", "claim", "outcome", "detail", "source", "time_s")
    return tuple(msgspec.convert(dict(zip(names, row, strict=True)), Observation) for row in rows)


def list_rows(db: sqlite3.Connection, kind: str, *, limit: int, after: int) -> Listing:
    """One of the lists, newest last.

    Raises:
        InputError: there is no such list.
    """
    if kind not in LISTS:
        raise InputError(f"there is no list {kind[:64]!r}", hint="lists: " + ", ".join(LISTS))
    if limit < 1:
        raise InputError("a list shows at least one item")
    if kind == "orphans":
        return _orphans(db, limit, after)
    if kind == "aside":
        listed = (
            "SELECT message_id, reason, detail, '', '' FROM aside UNION ALL "
            "SELECT message_id, kind || ': ' || reason, dataset_id || ': ' || detail, '', '' FROM actions "
            "WHERE status = 'refused'"
        )
    else:
        listed = (
            "SELECT message_id, protocol, kind, title, publisher FROM others UNION ALL "
            "SELECT message_id, protocol, kind || '/artifact', dataset_id, publisher FROM actions "
            "WHERE status = 'unknown'"
        )
    rows = db.execute(
        f"SELECT m.id, m.txid, m.height, x.* FROM ({listed}) x JOIN messages m ON m.id = x.message_id "  # noqa: S608
        "WHERE m.id > ? ORDER BY m.id LIMIT ?",
        (after, limit + 1),
    ).fetchall()
    items: list[Any] = []
    for _, txid, height, _, *rest in rows[:limit]:
        if kind == "aside":
            items.append(AsideMessage(txid=txid, height=height, reason=rest[0], detail=rest[1]))
        else:
            items.append(
                OtherRecord(txid=txid, height=height, protocol=rest[0], kind=rest[1], title=rest[2], publisher=rest[3])
            )
    return Listing(items=tuple(items), next_after=rows[limit - 1][0] if len(rows) > limit else None)


def _orphans(db: sqlite3.Connection, limit: int, after: int) -> Listing:
    # A group is what shares address, count and the beginning of the reference; it is an orphan while nothing came of
    # it: no record, no other message, no reason to set it aside but that one of its parts came twice.
    groups = db.execute(
        "SELECT p.address, p.last, p.short_reference, min(p.message_id) AS first FROM parts p "
        "GROUP BY p.address, p.last, p.short_reference HAVING first > ? AND NOT max("
        "EXISTS (SELECT 1 FROM record_parts r WHERE r.message_id = p.message_id) "
        "OR EXISTS (SELECT 1 FROM aside a WHERE a.message_id = p.message_id AND a.reason <> ?) "
        "OR EXISTS (SELECT 1 FROM action_parts t WHERE t.message_id = p.message_id) "
        "OR EXISTS (SELECT 1 FROM names n WHERE n.message_id = p.message_id) "
        "OR EXISTS (SELECT 1 FROM others o WHERE o.message_id = p.message_id)) "
        "ORDER BY first LIMIT ?",
        (after, CONFLICTING_PART, limit + 1),
    ).fetchall()
    items = []
    for address, last, short, _ in groups[:limit]:
        rows = db.execute(
            "SELECT p.number, m.txid, m.height, p.first_txid FROM parts p JOIN messages m ON m.id = p.message_id "
            "WHERE p.address = ? AND p.last = ? AND p.short_reference = ? ORDER BY p.number, m.id",
            (address, last, short),
        ).fetchall()
        items.append(
            OrphanedParts(
                publisher=address,
                reference=max((row[3] for row in rows), key=len),
                count=last + 1,
                present=tuple(sorted({row[0] for row in rows})),
                txids=tuple(row[1] for row in rows),
                height=max(row[2] for row in rows),
            )
        )
    return Listing(items=tuple(items), next_after=groups[limit - 1][3] if len(groups) > limit else None)
