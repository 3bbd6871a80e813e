"""Is the DAG whole? Blocks come in any order; at the end it is known which of those that belong to it are missing.

That every block is what its CID says, the caller has checked before. What is kept is 32 bytes for each block, and the
bytes of nodes, which are a thousandth of the content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from etdb.errors import FormatError
from etdb.ipfs.cid import DAG_PB, RAW, Cid
from etdb.ipfs.dagpb import PbNode, parse_node
from etdb.ipfs.fileparts import file_parts
from etdb.ipfs.hamt import parse_shard
from etdb.ipfs.unixfs import HAMT_SHARD, parse_unixfs

__all__ = ["ClosureLimits", "DagClosure", "DagCoverage", "DagScope"]

DagScope = Literal["block", "entity", "all"]
"""The block alone; the file, or the directory without what is in it; everything below."""

MAX_SHOWN = 16


class ClosureLimits(Struct, frozen=True, kw_only=True):
    """What the blocks of a stranger may cost.

    Attributes:
        max_blocks: different blocks.
        max_node_bytes: bytes of all different nodes together.
        max_visits: links that are looked at, those of a node again for each place that it has in a file.
    """

    max_blocks: int = 1 << 22
    max_node_bytes: int = 1 << 28
    max_visits: int = 1 << 21


class DagCoverage(Struct, frozen=True, kw_only=True):
    """What came of a DAG.

    Attributes:
        roots: the DAGs that were asked for.
        blocks: different blocks that came.
        repeated: blocks that came again.
        unrelated: different blocks that belong to none of the DAGs.
        missing_blocks: how many different blocks did not come, as far as those that came name them.
        missing: the first of them.
    """

    roots: tuple[Cid, ...]
    blocks: int
    repeated: int
    unrelated: int
    missing_blocks: int
    missing: tuple[Cid, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return self.missing_blocks == 0


class DagClosure:
    """Takes the blocks of one or several DAGs.

    Args:
        roots: where they begin.
        scope: how much of each belongs to it.
        start: with ``entity``, only what the bytes of a file from here need.
        stop: up to here, not included; None for the end.
        limits: what it may cost.
    """

    def __init__(
        self,
        roots: Sequence[Cid],
        scope: DagScope = "all",
        *,
        start: int = 0,
        stop: int | None = None,
        limits: ClosureLimits | None = None,
    ) -> None:
        self.roots = tuple(roots)
        self._scope, self._start, self._stop = scope, start, stop
        self._limits = limits or ClosureLimits()
        self._seen: set[bytes] = set()
        self._nodes: dict[bytes, bytes] = {}
        self._node_bytes = self._repeated = 0

    def take(self, cid: Cid, block: bytes) -> None:
        """Take a block that was checked against its CID. Identity CIDs are no blocks; they change nothing.

        Raises:
            FormatError: more than the limits allow.
        """
        if cid.is_identity:
            return
        is_new = cid.digest not in self._seen
        if is_new and len(self._seen) == self._limits.max_blocks:
            raise FormatError(f"there are more than {self._limits.max_blocks} blocks")
        if cid.codec == DAG_PB and cid.digest not in self._nodes:
            if self._node_bytes + len(block) > self._limits.max_node_bytes:
                raise FormatError(f"the nodes have more than {self._limits.max_node_bytes} bytes")
            self._node_bytes += len(block)
            self._nodes[cid.digest] = bytes(block)
        self._seen.add(cid.digest)
        self._repeated += not is_new

    def result(self) -> DagCoverage:
        """What came and what did not. More blocks may come after it.

        Raises:
            FormatError: a node of the DAG is wrong: no source can mend that; or more than the limits allow.
        """
        found: set[bytes] = set()
        missing: dict[bytes, Cid] = {}
        done: set[tuple[bytes, int, bool]] = set()
        visits = 0
        stack = [(root, 0) for root in reversed(self.roots)]
        while stack:
            cid, offset = stack.pop()
            key = (cid.digest, offset, cid.is_identity)
            if key in done:
                continue
            done.add(key)
            node = self._node(cid, found, missing)
            if node is None:
                continue
            visits += 1 + len(node.links)
            if visits > self._limits.max_visits:
                raise FormatError(f"the DAG has more than {self._limits.max_visits} links")
            below = []
            for child, at in self._children(cid, node, offset):
                if child.codec == RAW:
                    self._node(child, found, missing)
                else:
                    below.append((child, at))
            stack += reversed(below)
        return DagCoverage(
            roots=self.roots,
            blocks=len(self._seen),
            repeated=self._repeated,
            unrelated=len(self._seen - found),
            missing_blocks=len(missing),
            missing=tuple(missing.values())[:MAX_SHOWN],
        )

    def _node(self, cid: Cid, found: set[bytes], missing: dict[bytes, Cid]) -> PbNode | None:
        """The parsed node, or None: it is a leaf, or did not come, or ends the scope."""
        block: bytes | None = cid.digest
        if not cid.is_identity:
            block = self._nodes.get(cid.digest)
            if cid.digest not in self._seen or (cid.codec != RAW and block is None):
                missing.setdefault(cid.digest, cid)
                return None
            found.add(cid.digest)
        if cid.codec == RAW or self._scope == "block":
            return None
        assert block is not None
        return parse_node(block)

    def _children(self, cid: Cid, node: PbNode, offset: int) -> Iterator[tuple[Cid, int]]:
        """The links that belong to the scope, each with the offset of its content in its file where that matters."""
        if self._scope == "all":
            yield from ((link.cid, 0) for link in node.links)
            return
        unixfs = parse_unixfs(node.data)
        if unixfs.is_file:
            for part in file_parts(cid, node, unixfs):
                at = offset + part.offset
                if part.cid is not None and at + part.length > self._start and (self._stop is None or at < self._stop):
                    yield part.cid, at
        elif unixfs.kind == HAMT_SHARD:
            yield from ((link.cid, 0) for link in parse_shard(cid, node, unixfs).links if link.name is None)
