"""A key file of any bytes tells its address or is refused with StorageError, before any work on a passphrase."""

from __future__ import annotations

import tempfile
from pathlib import Path

from etdb.errors import StorageError
from etdb.workspace.keyring import MAX_KEY_FILE_BYTES, Keyring

FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-keys-")


def seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        ring = Keyring(Path(folder), "regtest", scrypt_n=2**14)
        ring.new("lab", "words", entropy=bytes(range(32)))
        made = (Path(folder) / "lab.json").read_bytes()
    return [made, made.replace(b"16384", b"1073741824"), made + b" " * MAX_KEY_FILE_BYTES, b"{}", b"[" * 2000]


def check(data: bytes) -> None:
    (Path(FOLDER.name) / "lab.json").write_bytes(data)
    ring = Keyring(Path(FOLDER.name), "regtest")
    try:
        told = ring.show("lab")
    except StorageError:
        return
    assert len(data) <= MAX_KEY_FILE_BYTES
    assert ring.list() == [told]
