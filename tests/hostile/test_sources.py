"""What a gateway can make a download hold."""

from __future__ import annotations

import hashlib

from tests.hostile.gateway import HostileGateway

from etdb import ipfs
from etdb.blocks import MemoryStore
from etdb.blocks.gateway import GatewayStore
from etdb.download import SourcePool
from etdb.download.datasetrun import MAX_GATHERED_BYTES

PREFIX = b"\x28" + b"\x01\x55\x12\x20"
"""Of a section with a block of four bytes, up to its digest."""


def tiny_blocks(handler) -> None:
    """A right CAR of as many tiny blocks as are read, none of which anybody asked for."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/vnd.ipld.car")
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(ipfs.encode_car_header([ipfs.cid_of(b"root")]))
    for start in range(0, 2_000_000, 10_000):
        pieces = []
        for number in range(start, start + 10_000):
            block = number.to_bytes(4, "big")
            pieces += (PREFIX, hashlib.sha256(block).digest(), block)
        handler.wfile.write(b"".join(pieces))


def test_a_car_of_a_million_tiny_blocks_that_nobody_asked_for(spends):
    root = ipfs.cid_of(b"root")
    gateway = HostileGateway(MemoryStore())
    gateway.replies[str(root)] = tiny_blocks

    def gather() -> bool:
        pool = SourcePool([GatewayStore(gateway.url)]).for_dataset(root)
        pool.gather(MAX_GATHERED_BYTES)
        return pool.has_gathered

    with gateway.listening():
        spends(gather, at_most_mib=40)
