"""Checks of the databases: whole, and of this version."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from etdb.blocks.digests import SCHEMA as DIGESTS_SCHEMA
from etdb.catalogue.schema import SCHEMA as CATALOGUE_SCHEMA
from etdb.counting import counted
from etdb.doctor.finding import Finding, Found, NotChecked, Patient, keep_beside, set_aside
from etdb.durable import NotAllowedError, storage_errors, sync_folder
from etdb.errors import LockedError, StorageError
from etdb.ledger.chain_index import SCHEMA as CHAIN_SCHEMA
from etdb.publish.journal import SCHEMA as JOURNAL_SCHEMA
from etdb.schema import OldVersionError, Schema, prepare_schema, reading_uri

__all__ = ["check_stores"]

_MOST_PROBLEMS: Final = 3
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite#_%' ESCAPE '#'"


class _Store(Struct, frozen=True):
    path: Path
    schema: Schema
    made_again_by: str
    """Empty when nothing makes it again."""


def check_stores(patient: Patient) -> Found:
    """Each database that is there: SQLite's own check of pages, indexes and references, and the version."""
    workspace = patient.workspace
    stores = (
        _Store(workspace.journal_path, JOURNAL_SCHEMA, ""),
        _Store(workspace.digests_path, DIGESTS_SCHEMA, "publishing the same folders again, which reads the files"),
        _Store(workspace.chain_folder / "index.sqlite", CHAIN_SCHEMA, "the next command, from the block files"),
        _Store(workspace.catalogue_path, CATALOGUE_SCHEMA, "etdb index, from the ledger"),
    )
    there = [store for store in stores if store.path.exists()]
    if not there:
        yield NotChecked("stores", "there is none yet")
    for store in there:
        yield from _check_store(patient, store)


def _check_store(patient: Patient, store: _Store) -> Found:
    try:
        problems = _problems(store)
    except OldVersionError as error:
        yield (
            Finding(
                check="stores",
                severity="note",
                where=patient.name(store.path),
                what=error.message,
                advice="the next command that writes it brings it up",
            ),
            None,
        )
        return
    except (LockedError, NotAllowedError) as error:  # says nothing of what is in it
        where, what = patient.name(store.path), f"not checked: {error.message}"
        yield Finding(check="stores", severity="error", where=where, what=what, advice=error.hint), None
        yield NotChecked("stores", error.message)
        return
    except StorageError as error:
        problems = [error.message]
    if not problems:
        return
    mend: Callable[[], str]
    if store.made_again_by:
        repair, mend = f"set it aside; it is made again by {store.made_again_by}", lambda: _put_aside(store)
    else:
        repair, mend = "write all its rows anew, if all of them can be read", lambda: _salvage(store)

    yield (
        Finding(
            check="stores",
            severity="error",
            where=patient.name(store.path),
            what=f"{store.schema.what} is damaged: {'; '.join(problems[:_MOST_PROBLEMS])}",
            repair=repair,
            advice="" if store.made_again_by else "a backup of it is better than what can be read of it",
            is_loss=not store.made_again_by,
        ),
        mend,
    )


def _problems(store: _Store) -> list[str]:
    with (
        storage_errors(store.path, what=store.schema.what, damaged=""),
        closing(_connect(store.path)) as database,
    ):
        prepare_schema(database, store.path, store.schema, writable=False)
        said = [str(row[0]) for row in database.execute("PRAGMA integrity_check(10)")]
        problems = [] if said == ["ok"] else said
        problems += [f"a row of {row[0]} refers to nothing" for row in database.execute("PRAGMA foreign_key_check")]
    return problems


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(reading_uri(path), uri=True, isolation_level=None)


def _put_aside(store: _Store) -> str:
    return f"kept as {set_aside(store.path).name}; made again by {store.made_again_by}"


def _salvage(store: _Store) -> str:
    """A new file with all rows of the old one; one with rows missing would publish again what is published."""
    fresh = store.path.with_name(f".{store.path.name}.salvaged.tmp")
    fresh.unlink(missing_ok=True)
    count = 0
    try:
        with (
            storage_errors(store.path, what=store.schema.what, damaged="put back a copy from a backup"),
            closing(_connect(store.path)) as old,
            closing(sqlite3.connect(fresh, isolation_level=None)) as new,
        ):
            prepare_schema(new, fresh, store.schema, writable=True)
            new.execute("BEGIN")
            for (table,) in new.execute(_TABLES).fetchall():
                rows = old.execute(f'SELECT * FROM "{table}" NOT INDEXED').fetchall()  # noqa: S608 - our own names
                count += len(rows)
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    new.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)  # noqa: S608 - our own names
            new.execute("COMMIT")
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    kept = keep_beside(store.path)
    fresh.replace(store.path)  # at no moment is there no journal: without one all would be published again
    sync_folder(store.path.parent)
    return f"{counted(count, 'row')} read and written anew; the damaged file is kept as {kept.name}"
