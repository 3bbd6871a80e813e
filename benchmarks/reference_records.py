"""What nobody can leave out of publishing and indexing records, and nothing else; also as a process of its own."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import tempfile
from pathlib import Path

from coincurve import PrivateKey, PublicKey

from benchmarks.measure import rate

_TEXT = (
    "Vitreous ice, flagellum and chemoreceptor array visible, pili at one pole, storage granules near the other. " * 3
)


def sign_and_commit(path: Path, transactions: int) -> None:
    """Two signatures and a durable commit for each transaction."""
    path.unlink(missing_ok=True)
    key = PrivateKey(bytes(31) + b"\x01")
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table sent (raw blob)")
    for number in range(transactions):
        raw = number.to_bytes(4, "big") * 320
        digest = hashlib.sha256(raw).digest()
        key.sign_recoverable(digest, hasher=None)
        key.sign(digest, hasher=None)
        database.execute("insert into sent values (?)", (raw,))
    database.close()


def check_and_insert(path: Path, transactions: int) -> None:
    """A signature's check and a row of full text for each transaction."""
    path.unlink(missing_ok=True)
    digest = hashlib.sha256(b"record").digest()
    signature = PrivateKey(bytes(31) + b"\x01").sign_recoverable(digest, hasher=None)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("create virtual table found using fts5(text)")
    database.execute("begin")
    for _ in range(transactions):
        PublicKey.from_signature_and_message(signature, digest, hasher=None)
        database.execute("insert into found values (?)", (_TEXT,))
    database.execute("commit")
    database.close()


if __name__ == "__main__":
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "reference.sqlite"
        rates = [rate(1, lambda work=work: work(path, count)) for work in (sign_and_commit, check_and_insert)]
    print(json.dumps({"sign_s": 1 / rates[0], "check_s": 1 / rates[1]}))
