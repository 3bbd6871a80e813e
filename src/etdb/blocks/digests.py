"""The table of digests: which leaf is where in which file, and the nodes that no file holds. SQLite.

Costly, not precious: it can be made again by reading every file once more. Each thread has its own connection; WAL
lets other processes read while one writes. The leaf index keeps eight bytes of each digest (about 20 bytes a leaf);
the whole digest stands in the file's table, 4,096 digests a row, so a lookup reads one row whatever the file's size.
"""

from __future__ import annotations

import functools
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from msgspec import Struct

from etdb.blocks.hashing import FileState
from etdb.durable import storage_errors
from etdb.errors import StorageError
from etdb.ipfs import DIGEST_BYTES, Cid, FileDag, ImportProfile, IpldBlock, parse_cid_bytes, profile_by_name
from etdb.schema import Schema, is_unchangeable, prepare_schema, reading_uri

__all__ = ["DigestTable", "KnownFile", "LeafPlace", "NewFile"]

LEAVES_A_ROW = 4096
_AGAIN = "move the file away: it is made again by adding the files again"
BUSY_SECONDS = 30.0
MAX_FILES_OF_A_LEAF = 4096
_PLACES_AT_ONCE = 16

_SCRIPT = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    profile TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    root BLOB NOT NULL,
    root_digest BLOB NOT NULL,
    tree_size INTEGER NOT NULL,
    sha256 BLOB,
    UNIQUE (path, profile)
);
CREATE INDEX IF NOT EXISTS files_by_root ON files (root_digest);
CREATE TABLE IF NOT EXISTS digests (
    file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    first_leaf INTEGER NOT NULL,
    digests BLOB NOT NULL,
    UNIQUE (file_id, first_leaf)
);
CREATE TABLE IF NOT EXISTS leaves (
    prefix INTEGER NOT NULL,
    file_id INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    PRIMARY KEY (prefix, file_id, leaf)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (
    digest BLOB PRIMARY KEY,
    block BLOB NOT NULL
);
"""
SCHEMA = Schema(what="the table of digests", version=1, script=_SCRIPT, hint=_AGAIN)


class KnownFile(Struct, frozen=True, kw_only=True):
    """A file as it was when it was hashed."""

    file_id: int
    path: Path
    profile: ImportProfile
    state: FileState
    root: Cid
    tree_size: int
    sha256: bytes | None


class NewFile(Struct, frozen=True, kw_only=True):
    """A file to be taken up: as it was when it was hashed, and all its leaf digests, joined."""

    path: Path
    dag: FileDag
    state: FileState
    sha256: bytes | None
    digests: bytes


class LeafPlace(Struct, frozen=True, kw_only=True):
    """Where a leaf was when its file was hashed."""

    path: Path
    profile: ImportProfile
    state: FileState
    leaf: int


class _Held:
    """A thread's connection, closed when the thread has ended: its own variables are all that holds this."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class DigestTable:
    """The SQLite file. Opening it makes it; it holds no locks between calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._closed = False
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._write_lock, self._reading() as connection:
                prepare_schema(connection, path, SCHEMA, writable=not is_unchangeable(path))
        except BaseException:
            self.close()
            raise

    def file(self, path: Path, profile: ImportProfile) -> KnownFile | None:
        """What is known of a file by its absolute path."""
        with self._reading() as connection:
            row = connection.execute(
                f"{_SELECT_FILE} WHERE path = ? AND profile = ?",
                (str(path), profile.name),
            ).fetchone()
        return _known_file(row) if row else None

    def files_with_root(self, root: Cid) -> list[KnownFile]:
        """All files with this CID."""
        with self._reading() as connection:
            rows = connection.execute(
                f"{_SELECT_FILE} WHERE root_digest = ? ORDER BY id",
                (root.digest,),
            ).fetchall()
        return [_known_file(row) for row in rows]

    def files(self) -> list[KnownFile]:
        """All files, in the order in which they were added."""
        with self._reading() as connection:
            return [_known_file(row) for row in connection.execute(f"{_SELECT_FILE} ORDER BY id").fetchall()]

    def file_digests(self, file_id: int) -> bytes:
        """All leaf digests of a file, joined."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT digests FROM digests WHERE file_id = ? ORDER BY first_leaf", (file_id,)
            ).fetchall()
        return b"".join(row[0] for row in rows)

    def store_file(self, file: NewFile) -> None:
        """Take up a file with its nodes, or replace what was known of it: one transaction."""
        with self._writing() as connection:
            _insert_file(connection, file)

    def set_state(self, file_id: int, state: FileState) -> None:
        """Note a new time or inode of a file whose bytes were found to be the same."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE files SET mtime_ns = ?, inode = ? WHERE id = ?",
                (state.mtime_ns, _signed(state.inode), file_id),
            )

    def store_nodes(self, nodes: Iterable[IpldBlock], files: Iterable[NewFile] = ()) -> None:
        """Keep nodes that no file holds, and wait until they are on the disk with all that was stored before.

        They are the directories of what is published next, and nothing makes them again once that is done.

        Args:
            nodes: what is to be kept.
            files: taken up in the same transaction.
        """
        with self._writing(durable=True) as connection:
            for file in files:
                _insert_file(connection, file)
            _insert_nodes(connection, nodes)

    def node(self, cid: Cid) -> bytes | None:
        """A kept node's bytes; the caller checks them."""
        with self._reading() as connection:
            row = connection.execute("SELECT block FROM nodes WHERE digest = ?", (cid.digest,)).fetchone()
        return bytes(row[0]) if row else None

    def leaf_places(self, cid: Cid) -> Iterator[LeafPlace]:
        """Where this leaf was, the earliest added file first; of a file that repeats it only the first places.

        They are looked up as they are asked for: leaves of zeros are in many files, many times in each.
        """
        file_id, count = -1, _PLACES_AT_ONCE
        for _ in range(MAX_FILES_OF_A_LEAF):
            with self._reading() as connection:
                values = (LEAVES_A_ROW, _prefix(cid.digest), cid.digest, file_id, count)
                rows = connection.execute(_SELECT_PLACES, values).fetchall()
            for _, path, profile, size, mtime_ns, inode, leaf in rows:
                state = _state(size, mtime_ns, inode)
                yield LeafPlace(path=_path(path), profile=profile_by_name(profile), state=state, leaf=leaf)
            if len(rows) < count:
                return
            file_id, count = rows[-1][0], 1

    def has_leaf(self, cid: Cid) -> bool:
        """Whether a file had this leaf."""
        return next(self.leaf_places(cid), None) is not None

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for held in connections:
            held.connection.close()

    def _errors(self) -> AbstractContextManager[None]:
        return storage_errors(self.path, what="the table of digests", damaged=_AGAIN)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            yield self._connection()

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        with self._write_lock, self._errors():
            connection = self._connection()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        held: _Held | None = getattr(self._local, "held", None)
        if self._closed:
            raise StorageError(f"{self.path} was closed", path=str(self.path))
        if held is None:
            # close() runs in another thread than the one that opened the connection.
            is_fixed = is_unchangeable(self.path)
            connection = sqlite3.connect(
                reading_uri(self.path) if is_fixed else self.path.absolute().as_uri(),
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=64,
            )
            if not is_fixed:
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.held = held = _Held(connection)
            with self._lock:
                self._connections.add(held)
        return held.connection


_SELECT_PLACES = (
    "SELECT l.file_id, f.path, f.profile, f.size, f.mtime_ns, f.inode, l.leaf"
    " FROM leaves l JOIN files f ON f.id = l.file_id"
    " JOIN digests d ON d.file_id = l.file_id AND d.first_leaf = (l.leaf / ?1) * ?1"
    " WHERE l.prefix = ?2 AND l.file_id > ?4 AND substr(d.digests, (l.leaf % ?1) * 32 + 1, 32) = ?3"
    " ORDER BY l.file_id, l.leaf LIMIT ?5"
)
_SELECT_FILE = "SELECT id, path, profile, size, mtime_ns, inode, root, tree_size, sha256 FROM files"


def _known_file(row: tuple[int, str, str, int, int, int, bytes, int, bytes | None]) -> KnownFile:
    file_id, path, profile, size, mtime_ns, inode, root, tree_size, sha256 = row
    return KnownFile(
        file_id=file_id,
        path=Path(path),
        profile=profile_by_name(profile),
        state=_state(size, mtime_ns, inode),
        root=parse_cid_bytes(root),
        tree_size=tree_size,
        sha256=sha256,
    )


def _state(size: int, mtime_ns: int, inode: int) -> FileState:
    return FileState(size_bytes=size, mtime_ns=mtime_ns, inode=inode & 0xFFFF_FFFF_FFFF_FFFF)


def _insert_file(connection: sqlite3.Connection, file: NewFile) -> None:
    root, tree_size, profile = file.dag.root, file.dag.tree_size, file.dag.profile
    row_bytes = LEAVES_A_ROW * DIGEST_BYTES
    _forget_file(connection, file.path, profile)
    file_id = connection.execute(
        "INSERT INTO files (path, profile, size, mtime_ns, inode, root, root_digest, tree_size, sha256)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(file.path),
            profile.name,
            file.state.size_bytes,
            file.state.mtime_ns,
            _signed(file.state.inode),
            bytes(root),
            root.digest,
            tree_size,
            file.sha256,
        ),
    ).lastrowid
    connection.executemany(
        "INSERT INTO digests (file_id, first_leaf, digests) VALUES (?, ?, ?)",
        (
            (file_id, at // DIGEST_BYTES, file.digests[at : at + row_bytes])
            for at in range(0, len(file.digests), row_bytes)
        ),
    )
    # Sorted, because rows that arrive in the order of the key touch each page once.
    connection.executemany(
        "INSERT INTO leaves (prefix, file_id, leaf) VALUES (?, ?, ?)",
        sorted((prefix, file_id, leaf) for leaf, prefix in enumerate(_prefixes(file.digests))),
    )
    _insert_nodes(connection, file.dag.nodes())


def _forget_file(connection: sqlite3.Connection, path: Path, profile: ImportProfile) -> None:
    # The leaf index has no second index by file, which would double it: its keys are made from the digests again.
    row = connection.execute(
        "SELECT id FROM files WHERE path = ? AND profile = ?", (str(path), profile.name)
    ).fetchone()
    if row is None:
        return
    for first, digests in connection.execute(
        "SELECT first_leaf, digests FROM digests WHERE file_id = ?", row
    ).fetchall():
        connection.executemany(
            "DELETE FROM leaves WHERE prefix = ? AND file_id = ? AND leaf = ?",
            ((prefix, row[0], first + index) for index, prefix in enumerate(_prefixes(digests))),
        )
    connection.execute("DELETE FROM files WHERE id = ?", row)


def _prefixes(digests: bytes) -> Iterator[int]:
    return (_prefix(digests[at : at + 8]) for at in range(0, len(digests), DIGEST_BYTES))


def _insert_nodes(connection: sqlite3.Connection, nodes: Iterable[IpldBlock]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO nodes (digest, block) VALUES (?, ?)", ((node.cid.digest, node.data) for node in nodes)
    )


@functools.lru_cache(maxsize=1024)  # of a large file, all leaves
def _path(text: str) -> Path:
    return Path(text)


def _prefix(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big", signed=True)


def _signed(value: int) -> int:
    """SQLite's integers are signed; some file systems use inodes of 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value
