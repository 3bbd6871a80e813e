"""Merkle trees of transaction ids: the root, and the proof that one id is in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from etdb.errors import FormatError, InputError, VerificationError
from etdb.flo.hashes import display_hex, internal_bytes, sha256d

__all__ = ["MerkleProof", "make_proof", "make_proofs", "merkle_root", "verify_proof"]

_MAX_DEPTH: Final = 32


class MerkleProof(msgspec.Struct, frozen=True, kw_only=True):
    """That a transaction stands at ``index`` of a block: the hashes beside its way up, lowest first."""

    txid: str
    index: int
    branch: tuple[bytes, ...]


def merkle_root(txids: Sequence[str]) -> str:
    """The root of a block's transaction ids.

    Raises:
        FormatError: none, or two neighbours are equal at the end of a row: such a list has the root of a shorter one
            (CVE-2012-2459), so nodes refuse it.
    """
    if not txids:
        raise FormatError("a block without transactions has no Merkle root")
    return display_hex(row_root([internal_bytes(txid) for txid in txids]))


def row_root(row: Sequence[bytes]) -> bytes:
    """The root above a row of at least one hash, in the order of the wire.

    Raises:
        FormatError: as ``merkle_root``.
    """
    while len(row) > 1:
        row = _next_row(row)
    return row[0]


def make_proof(txids: Sequence[str], index: int) -> MerkleProof:
    """The proof that ``txids[index]`` is in the block of these ids.

    Raises:
        InputError: the block has no such place.
        FormatError: as ``merkle_root``.
    """
    (proof,) = make_proofs(txids, (index,))
    return proof


def make_proofs(txids: Sequence[str], indexes: Sequence[int]) -> list[MerkleProof]:
    """As :func:`make_proof`, for several places of one block, whose tree is built once."""
    for index in indexes:
        if not 0 <= index < len(txids):
            raise InputError(f"a block of {len(txids)} transactions has no place {index}")
    if not indexes:
        return []
    _, branches = row_branches([internal_bytes(txid) for txid in txids], indexes)
    return [
        MerkleProof(txid=txids[index], index=index, branch=branch)
        for index, branch in zip(indexes, branches, strict=True)
    ]


def row_branches(row: Sequence[bytes], places: Iterable[int]) -> tuple[bytes, list[tuple[bytes, ...]]]:
    """The root above a row of at least one hash, and the branches of some of its places, in the order of the wire.

    Raises:
        FormatError: as ``merkle_root``.
    """
    rows = tree_rows(row)
    return rows[-1][0], [tuple(tree_branch(rows, place)) for place in places]


def tree_rows(row: Sequence[bytes]) -> list[Sequence[bytes]]:
    """All rows of the tree above a row of at least one hash, from this one up to the root alone.

    Raises:
        FormatError: as ``merkle_root``.
    """
    rows = [row]
    while len(row) > 1:
        row = _next_row(row)
        rows.append(row)
    return rows


def tree_branch(rows: Sequence[Sequence[bytes]], place: int) -> list[bytes]:
    """The branch of a place in the lowest of a tree's rows, in the order of the wire."""
    branch = []
    for level in rows[:-1]:
        beside = place ^ 1
        branch.append(level[beside] if beside < len(level) else level[place])
        place >>= 1
    return branch


def verify_proof(proof: MerkleProof, root: str) -> None:
    """Check a proof against a block's Merkle root.

    Raises:
        VerificationError: it leads elsewhere, or is not of a form that a block can have.
    """
    node = internal_bytes(proof.txid)
    if len(proof.branch) > _MAX_DEPTH or not 0 <= proof.index < 1 << len(proof.branch):
        raise VerificationError(f"the proof of {proof.txid} has a place that its depth cannot have", txid=proof.txid)
    place = proof.index
    for beside in proof.branch:
        if len(beside) != 32 or (place & 1 and beside == node):
            raise VerificationError(f"the proof of {proof.txid} is not of a block's form", txid=proof.txid)
        node = sha256d(beside + node if place & 1 else node + beside)
        place >>= 1
    if display_hex(node) != root:
        raise VerificationError(
            f"transaction {proof.txid} is not in the block with Merkle root {root}", txid=proof.txid
        )


def _next_row(row: Sequence[bytes]) -> list[bytes]:
    parents = []
    for place in range(1, len(row), 2):
        left, right = row[place - 1], row[place]
        if left == right:
            raise FormatError("a block repeats transactions so that its Merkle root stays the same")
        parents.append(sha256(sha256(left + right).digest()).digest())
    if len(row) & 1:
        parents.append(sha256(sha256(row[-1] + row[-1]).digest()).digest())
    return parents
