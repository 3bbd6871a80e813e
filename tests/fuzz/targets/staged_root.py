"""A staged dataset's description is refused with one of our errors, or written and read it is the same."""

from __future__ import annotations

import msgspec

from etdb.errors import EtdbError
from etdb.ipfs import cid_of
from etdb.stage import StagedRoot, encode_root, parse_root, root_name

CID = str(cid_of(b"x"))
ROOT = StagedRoot(root=CID, sid="a-1", size_bytes=1, files={"a/b.mrc": CID})


def seeds() -> list[bytes]:
    return [encode_root(ROOT), b"{}", b"[" * 3000, encode_root(msgspec.structs.replace(ROOT, files={}))]


def check(data: bytes) -> None:
    try:
        root = parse_root(data, root_name(CID))
    except EtdbError:
        return
    assert parse_root(encode_root(root), root_name(CID)) == root
    assert root.root == CID
