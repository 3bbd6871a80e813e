"""A walk over any blocks asks for each once, stays within its limits, and raises our errors only."""

from __future__ import annotations

from tests.fuzz import material

from etdb import ipfs
from etdb.errors import FormatError, VerificationError

LIMITS = ipfs.WalkLimits(max_depth=6, max_links=64, max_nodes=64, max_entries=200, max_leaves=400)


def seeds() -> list[bytes]:
    _, blocks = material.dag()
    nodes = [data for cid, data in blocks.items() if cid.codec == ipfs.DAG_PB]
    inline = ipfs.parse_cid_bytes(b"\x01\x70\x00\x04\x0a\x02\x08\x01")
    loop = ipfs.encode_node([ipfs.PbLink(cid=inline, name="a", tree_size=1)] * 3, ipfs.parse_node(nodes[-1]).data)
    return [*nodes, b"\0".join(nodes), loop]


def check(data: bytes) -> None:
    """The input is taken as the root; every node that it asks for is given the input again, and is refused."""
    root = ipfs.cid_of(data, codec=ipfs.DAG_PB)
    walk = ipfs.DagWalk(root, LIMITS)
    try:
        events = walk.start()
        for _ in range(80):
            wanted = walk.next_wanted
            if wanted is None:
                break
            if wanted.digest != root.digest:
                try:
                    walk.receive(wanted, data)
                except VerificationError:
                    break
                raise AssertionError("bytes were taken that are not what the CID says")
            events += walk.receive(wanted, data)
    except (FormatError, VerificationError):
        return
    assert sum(isinstance(one, ipfs.LeafFound) for one in events) <= 400
