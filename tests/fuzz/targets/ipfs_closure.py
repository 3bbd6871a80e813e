"""Whether a DAG is whole is answered for any blocks, within the limits, or they are refused with our errors."""

from __future__ import annotations

from tests.fuzz import material

from etdb import ipfs
from etdb.errors import FormatError, VerificationError
from etdb.ipfs.closure import ClosureLimits

LIMITS = ClosureLimits(max_blocks=16, max_node_bytes=1 << 16, max_visits=500)


def seeds() -> list[bytes]:
    _, blocks = material.dag()
    nodes = [data for cid, data in blocks.items() if cid.codec == ipfs.DAG_PB]
    return [*nodes, *(b"\0\xff\0".join([one, *nodes]) for one in nodes)]


def check(data: bytes) -> None:
    nodes = data.split(b"\0\xff\0")
    root = ipfs.cid_of(nodes[0], codec=ipfs.DAG_PB)
    for scope, start, stop in (("block", 0, None), ("entity", 0, None), ("entity", 3, 9), ("all", 0, None)):
        closure = ipfs.DagClosure([root], scope, start=start, stop=stop, limits=LIMITS)
        try:
            for block in nodes:
                closure.take(ipfs.cid_of(block, codec=ipfs.DAG_PB), block)
            found = closure.result()
        except (FormatError, VerificationError):
            continue
        assert root not in found.missing
        assert found.unrelated < max(1, found.blocks)
