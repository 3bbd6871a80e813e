"""No branch made of any bytes leads from an id to another block's root; what a block's own tree gives leads there."""

from __future__ import annotations

from tests.fuzz import material

from etdb import flo
from etdb.errors import EtdbError

TXIDS = [transaction.txid for transaction in flo.parse_block(material.block(b"text:a", b"text:b")).transactions]
ROOT = flo.merkle_root(TXIDS)


def seeds() -> list[bytes]:
    """The place, whose id, and the branch."""
    proofs = [flo.make_proof(TXIDS, place) for place in range(len(TXIDS))]
    found = [bytes([proof.index, proof.index]) + b"".join(proof.branch) for proof in proofs]
    return [*found, b"\0\0", found[0][:-1], found[-1] + bytes(32)]


def check(data: bytes) -> None:
    place, which, branch = int.from_bytes(data[:1]), int.from_bytes(data[1:2]) % len(TXIDS), data[2:]
    pieces = tuple(branch[at : at + 32] for at in range(0, len(branch), 32))
    txid = TXIDS[which]
    try:
        flo.verify_proof(flo.MerkleProof(txid=txid, index=place, branch=pieces), ROOT)
    except EtdbError:
        assert (place, pieces) != (which, flo.make_proof(TXIDS, which).branch)
    else:
        assert flo.make_proof(TXIDS, place).branch == pieces
        assert TXIDS[place] == txid
