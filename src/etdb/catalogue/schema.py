"""The catalogue's tables.

Everything that is a function of the ledger hangs on a block and goes with it: deleting blocks is the whole rollback.
A record hangs on the message that completed it, so that it is gone as soon as one of its parts is. Observations hang
on nothing: they are not a function of the ledger.
"""

from __future__ import annotations

from typing import Final

from etdb.catalogue.fields import FIELDS
from etdb.schema import Schema

__all__ = ["DERIVED_TABLES", "FOLD_TABLES", "SCHEMA"]


_TYPES: Final = {"integer": "INTEGER", "number": "REAL", "date": "TEXT"}
_COLUMNS: Final = ",\n    ".join(
    f"{field.column} {_TYPES[field.kind]}"
    for field in FIELDS
    if field.column and field.column not in {"size_bytes", "height"}
)

_SCRIPT: Final = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    block_hash TEXT NOT NULL,
    time_s INTEGER NOT NULL
) STRICT;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    height INTEGER NOT NULL REFERENCES blocks ON DELETE CASCADE,
    position INTEGER NOT NULL,
    txid TEXT NOT NULL,
    sender TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (height, position)
) STRICT;
CREATE INDEX messages_txid ON messages (txid);

CREATE TABLE parts (
    message_id INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    address TEXT NOT NULL,
    last INTEGER NOT NULL,
    short_reference TEXT NOT NULL,
    number INTEGER NOT NULL,
    first_txid TEXT NOT NULL
) STRICT;
CREATE INDEX parts_group ON parts (address, last, short_reference, number, first_txid);

CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    dataset_id TEXT NOT NULL UNIQUE,
    message_id INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    height INTEGER NOT NULL,
    publisher TEXT NOT NULL,
    sid TEXT NOT NULL,
    location TEXT NOT NULL,
    title_key TEXT NOT NULL,
    species_key TEXT NOT NULL,
    microscopist_key TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    {_COLUMNS},
    signature TEXT NOT NULL,
    claims TEXT NOT NULL,
    document BLOB NOT NULL,
    owner TEXT NOT NULL,             -- the address whose key counts
    revision INTEGER NOT NULL DEFAULT 1,
    revision_id TEXT NOT NULL,       -- the first transaction of the newest message that counts
    content_id TEXT NOT NULL,        -- likewise, of the newest that made the content
    is_withdrawn INTEGER NOT NULL DEFAULT 0,
    artifact BLOB                    -- JSON with all edits; NULL while it is as it was published
) STRICT;
CREATE INDEX records_withdrawn ON records (id) WHERE is_withdrawn;
CREATE INDEX records_message ON records (message_id);
CREATE INDEX records_sid ON records (publisher, sid);
CREATE INDEX records_location ON records (location);
CREATE INDEX records_title ON records (title_key, id);
CREATE INDEX records_date ON records (acquired_on, id);
CREATE INDEX records_size ON records (size_bytes, id);

CREATE TABLE record_parts (
    record_id INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    number INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (record_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_parts_message ON record_parts (message_id);

-- Messages about a record, whether they count or not, and also before there is such a record.
CREATE TABLE actions (
    first_txid TEXT PRIMARY KEY,
    message_id INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    dataset_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    signed_by TEXT NOT NULL,         -- who signed all its parts; empty when it has none
    protocol TEXT NOT NULL,
    publisher TEXT NOT NULL,
    status TEXT NOT NULL,            -- counts, refused, unknown
    reason TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX actions_dataset ON actions (dataset_id);
CREATE INDEX actions_message ON actions (message_id);
CREATE INDEX actions_status ON actions (status, message_id);

CREATE TABLE action_parts (
    first_txid TEXT NOT NULL REFERENCES actions ON DELETE CASCADE,
    number INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (first_txid, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX action_parts_message ON action_parts (message_id);

-- Of records that more than one message made.
CREATE TABLE revisions (
    record_id INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    number INTEGER NOT NULL,
    revision_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    message_id INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    signed_by TEXT NOT NULL,
    owner TEXT NOT NULL,
    timestamp_s INTEGER NOT NULL,
    reason TEXT NOT NULL,
    changes TEXT NOT NULL,
    signature TEXT NOT NULL,
    claims TEXT NOT NULL,
    PRIMARY KEY (record_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX revisions_id ON revisions (revision_id);
CREATE INDEX revisions_message ON revisions (message_id);

CREATE TABLE names (
    message_id INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    timestamp_s INTEGER NOT NULL
) STRICT;
CREATE INDEX names_address ON names (address, message_id);

CREATE TABLE terms (
    record_id INTEGER NOT NULL REFERENCES records ON DELETE CASCADE,
    field TEXT NOT NULL,
    folded TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (record_id, field, folded)
) STRICT, WITHOUT ROWID;
CREATE INDEX terms_value ON terms (field, folded, value, record_id);

-- Text comes split already (etdb.catalogue.text); "ascii" only cuts at spaces what is given to it.
CREATE VIRTUAL TABLE search USING fts5(title, names, body, pieces, joined, tokenize='ascii', prefix='1 2');
CREATE TRIGGER records_search AFTER DELETE ON records BEGIN DELETE FROM search WHERE rowid = old.id; END;

CREATE TABLE aside (
    message_id INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TABLE others (
    message_id INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    protocol TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    publisher TEXT NOT NULL
) STRICT;

CREATE TABLE observations (
    dataset_id TEXT NOT NULL,
    claim TEXT NOT NULL,
    source TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    time_s INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, claim, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE manifests (
    dataset_id TEXT PRIMARY KEY,
    cid TEXT NOT NULL,
    source TEXT NOT NULL,
    time_s INTEGER NOT NULL,
    document BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""  # noqa: S608  # our own names

SCHEMA: Final = Schema(
    what="the catalogue",
    version=3,  # 2: scheme and count of tilts, dose of a tilt; 3: what was said about records
    script=_SCRIPT,
    application_id=0x65746462,  # "etdb"
    is_free=True,
    hint="bring it up with: etdb index",
)

DERIVED_TABLES: Final = (
    *("revisions", "action_parts", "actions", "names"),
    *("parts", "records", "record_parts", "terms", "search", "aside", "others"),
)
"""What is a function of ``messages``, in an order in which it can be emptied."""

FOLD_TABLES: Final = ("blocks", "messages", *DERIVED_TABLES)
"""What is a function of the ledger: two catalogues of one ledger hold the same here."""
