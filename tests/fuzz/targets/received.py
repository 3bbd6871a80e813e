"""A description of a download is refused with one of our errors, or written and read it is the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

from etdb.errors import EtdbError
from etdb.sources.received import RECEIVED_NAME, load_received, store_received

FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-received-")


def seeds() -> list[bytes]:
    return [
        b'{"dataset_id":"'
        + b"ab" * 32
        + b'","root_cid":"bafkqaaa","files":[{"path":"a","cid":"bafkqaaa","size_bytes":0}]}',
        b"{}",
        b"[" * 3000,
    ]


def check(data: bytes) -> None:
    folder = Path(FOLDER.name)
    (folder / RECEIVED_NAME).write_bytes(data)
    try:
        received = load_received(folder)
    except EtdbError:
        return
    store_received(folder, received)
    assert load_received(folder) == received
