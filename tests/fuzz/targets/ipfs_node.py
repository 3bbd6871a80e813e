"""A node, its UnixFS data, its shard, its link and its parts are read, or refused with one of our errors."""

from __future__ import annotations

import contextlib

from tests.fuzz import material

from etdb import ipfs
from etdb.errors import FormatError, VerificationError


def seeds() -> list[bytes]:
    _, blocks = material.dag()
    names = [
        ipfs.DirectoryEntry(name=f"{'long' * 60}{number}", cid=ipfs.cid_of(b"x"), tree_size=1) for number in range(1200)
    ]
    shards = ipfs.build_directory(names)
    return [
        *(data for cid, data in blocks.items() if cid.codec == ipfs.DAG_PB),
        *(one.data for one in sorted(shards, key=lambda one: len(one.data))[:4]),
        ipfs.build_symlink("../a/b").data,
        ipfs.encode_node([], ipfs.encode_file_data(3, [1, 2])),
    ]


def check(data: bytes) -> None:
    try:
        node = ipfs.parse_node(data)
        unixfs = ipfs.parse_unixfs(node.data)
    except FormatError:
        return
    cid = ipfs.cid_of(data, codec=ipfs.DAG_PB)
    for read in (ipfs.parse_shard, ipfs.link_target, lambda *given: list(ipfs.file_parts(*given))):
        with contextlib.suppress(FormatError, VerificationError):
            read(cid, node, unixfs)
