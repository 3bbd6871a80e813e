"""Inclusion proofs of several transactions of one block, with what they share written once.

Level by level from the leaves up, and from left to right, stands each hash beside the ways that no other way gives.
What is beside follows from the places alone, so a block's proof has exactly one form. Where a row of the tree has an
odd end, its last hash stands beside itself, and is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from etdb.errors import FormatError, VerificationError
from etdb.flo import sha256d

__all__ = ["MAX_DEPTH", "BlockProof", "join_branches", "split_proof"]

MAX_DEPTH: Final = 24
"""Of a block's tree: a block of 4 MB has not 2**17 transactions."""


class BlockProof(msgspec.Struct, frozen=True):
    """The height of a block's tree, and the hashes beside the ways of some of its leaves, in wire order."""

    depth: int
    hashes: tuple[bytes, ...]


def join_branches(branches: Mapping[int, Sequence[bytes]]) -> BlockProof:
    """One proof of several branches of one tree.

    Args:
        branches: of each leaf's place the hashes beside its way, lowest first.

    Raises:
        VerificationError: they are not of one tree.
    """
    depth = len(next(iter(branches.values())))
    beside: dict[tuple[int, int], bytes] = {}
    for place, branch in branches.items():
        if len(branch) != depth or depth > MAX_DEPTH or not 0 <= place < 1 << depth:
            raise VerificationError("the inclusion proofs of one block are not of one tree")
        for level, node in enumerate(branch):
            if beside.setdefault((level, (place >> level) ^ 1), node) != node:
                raise VerificationError("the inclusion proofs of one block contradict each other")
    row = sorted(branches)
    hashes = []
    for level in range(depth):
        known = set(row)
        hashes += [beside[level, place ^ 1] for place in row if place ^ 1 not in known]
        row = sorted({place >> 1 for place in row})
    return BlockProof(depth, tuple(hashes))


def split_proof(leaves: Mapping[int, bytes], proof: BlockProof) -> tuple[bytes, dict[int, tuple[bytes, ...]]]:
    """The root that a proof leads to, and the branch of each leaf.

    Args:
        leaves: the transactions' hashes by their places, in wire order.
        proof: what stands beside their ways.

    Raises:
        FormatError: it has not the form that these places ask for.
    """
    if not leaves or proof.depth > MAX_DEPTH or not all(0 <= place < 1 << proof.depth for place in leaves):
        raise FormatError("a block's proof has places that its depth cannot have")
    row = dict(sorted(leaves.items()))
    given = iter(proof.hashes)
    beside: list[dict[int, bytes]] = []
    for _ in range(proof.depth):
        level, above = {}, {}
        for place, node in row.items():
            other = row.get(place ^ 1)
            if other is None and (other := next(given, None)) is None:
                raise FormatError("a block's proof has too few hashes")
            if place & 1 and other == node:
                raise FormatError("a block's proof repeats a transaction so that the root stays the same")
            level[place] = other
            above[place >> 1] = sha256d(other + node if place & 1 else node + other)
        beside.append(level)
        row = above
    if next(given, None) is not None:
        raise FormatError("a block's proof has too many hashes")
    ways = {place: tuple(level[place >> number] for number, level in enumerate(beside)) for place in leaves}
    return row[0], ways
