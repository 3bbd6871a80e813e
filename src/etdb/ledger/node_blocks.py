"""Headers and blocks from a node: batches of JSON-RPC, or binary REST where the node gives it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from etdb.errors import NotFoundError
from etdb.flo import HEADER_BYTES, MAX_BLOCK_BYTES, display_hex
from etdb.ledger import node_ahead
from etdb.ledger.blocksource import MAX_HEADERS
from etdb.ledger.node_ahead import BlocksAhead, Request
from etdb.ledger.node_errors import NodeAnswerError, NodeCallError, NodeError
from etdb.ledger.port import BlockRef
from etdb.ledger.rpc import Call, RpcClient

__all__ = ["RpcBlocks"]

_ASKED_BYTES: Final = 2 << 20
"""How much a request for blocks should bring; the blocks before say how many those are."""
MAX_LANES: Final = 12
"""Requests under way at the same time. FLO Core works on four (``rpcthreads``) and lets sixteen wait; fcoin works on
all, and with twelve gives a third more blocks in a second than with eight."""
_PATIENCE_S: Final = 0.2
"""How long the end waits for each request that nobody wants any more."""
MAX_LANE_ANSWER_BYTES: Final = 10 << 20
"""Of one answer with blocks: what the largest block takes as hex, and some more."""
_FEW_BLOCKS: Final = 16
_MANY_BLOCKS: Final = 500
_LEAST_AHEAD: Final = 1_000
"""Fewer blocks are asked for in the usual way: by their headers."""
_NO_BLOCK: Final = frozenset({-1, -5, -8})
"""What nodes answer for a block or a height that they do not have: FLO Core -5 and -8, fcoin -1."""


class RpcBlocks:
    """A node as a ``BlockSource``.

    Args:
        rpc: the node.
        rest: whether to try binary REST (``-rest``) for headers and blocks; without it they come as hex.
    """

    def __init__(self, rpc: RpcClient, *, rest: bool = True) -> None:
        self._rpc = rpc
        self._rest: bool | None = None if rest else False
        self._at_once = _FEW_BLOCKS
        self._lanes: list[RpcClient] = []
        self._ahead: BlocksAhead | None = None
        self._kept: dict[str, bytes] = {}
        """The blocks of headers that were given with them, by their hashes."""
        self._has_heights: bool | None = None
        """Whether the node gives blocks by height, as fcoin does; None until it was asked."""

    @property
    def where(self) -> str:
        """The node's URL."""
        return self._rpc.url

    def tip(self) -> BlockRef:
        """The newest block."""
        height = self._height()
        return BlockRef(height, self._hash(self._rpc.call("getblockhash", height)))

    def headers(self, start_height: int, count: int, *, with_blocks: bool = False) -> list[bytes]:
        """Headers from a height on."""
        if count > 1:
            self._kept = {}
        if with_blocks and count > 1:
            raws = self._headers_with_blocks(start_height, min(count, MAX_HEADERS))
            if raws:
                return raws
        self._leave_ahead()
        if count > 1:
            count = min(count, MAX_HEADERS, self._height() - start_height + 1)
        if count > 1 and self._rest is not False:
            found = self._headers_by_rest(start_height, count)
            if found is not None:
                return found
        calls = [("getblockhash", [height]) for height in range(start_height, start_height + count)]
        hashes: list[str] = []
        for answer in self._rpc.try_batch(calls):
            if isinstance(answer, NodeCallError):
                if answer.rpc_code not in _NO_BLOCK:
                    raise answer
                break  # above the tip
            if answer is None:
                break  # fcoin's way to say so
            hashes.append(self._hash(answer))
        raws = []
        for answer in self._spread([("getblockheader", [one, False]) for one in hashes]):
            if isinstance(answer, NodeCallError):
                if answer.rpc_code not in _NO_BLOCK:
                    raise answer
                break  # the chain changed between the two questions
            raw = self._bytes("getblockheader", answer, HEADER_BYTES)
            if len(raw) != HEADER_BYTES:
                raise self._nonsense("getblockheader", answer)
            raws.append(raw)
        return raws

    def blocks(self, hashes: Sequence[str]) -> Iterator[bytes]:
        """Whole blocks, in the order asked."""
        missing = [one for one in hashes if one not in self._kept]
        if len(missing) < len(hashes):
            found = self._kept | dict(zip(missing, self.blocks(missing), strict=True))
            yield from (found[one] for one in hashes)
            return
        if len(hashes) <= _FEW_BLOCKS:
            yield from self._blocks(self._rpc, hashes)
            return
        coming: deque[Request[list[bytes]]] = deque()
        lanes = self._open_lanes()
        asked = requests = 0
        share = _share(len(hashes))
        while asked < len(hashes) or coming:
            while asked < len(hashes) and len(coming) < MAX_LANES:
                part = hashes[asked : asked + min(self._at_once, share)]
                # The lane of the oldest request is free by now: they are waited for in turn.
                lane = lanes[requests % MAX_LANES]
                coming.append(Request(functools.partial(self._blocks, lane, part)))
                asked, requests = asked + len(part), requests + 1
            raws = coming.popleft().result()
            mean = sum(map(len, raws)) // len(raws) or 1
            # Hex takes twice the room. At the most twice as many as before: one large block says little of the next.
            self._at_once = max(1, min(_MANY_BLOCKS, 2 * self._at_once, _ASKED_BYTES // (2 * mean)))
            yield from raws

    def close(self) -> None:
        """Close the connections; the client can be used again."""
        self._rpc.close()
        self._leave_ahead()
        self._kept = {}
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.retire(_PATIENCE_S)

    def _open_lanes(self) -> list[RpcClient]:
        while len(self._lanes) < MAX_LANES:
            self._lanes.append(self._rpc.another(max_answer_bytes=MAX_LANE_ANSWER_BYTES))
        return self._lanes

    def _spread(self, calls: Sequence[Call]) -> list[Any]:
        """``try_batch`` of many calls, in several requests at once."""
        if len(calls) <= _MANY_BLOCKS:
            return self._rpc.try_batch(calls)
        share = _share(len(calls))
        parts = [calls[at : at + share] for at in range(0, len(calls), share)]
        requests = [
            Request(functools.partial(lane.try_batch, part))
            for lane, part in zip(self._open_lanes(), parts, strict=False)
        ]
        return [answer for request in requests for answer in request.result()]

    def _headers_with_blocks(self, start_height: int, count: int) -> list[bytes]:
        """Headers whose blocks are kept for the next question; none where there is no such way, or no more of it."""
        ahead = self._ahead
        try:
            if ahead is None or ahead.next_height != start_height:
                last = self._height() - node_ahead.BURIED
                if last - start_height < _LEAST_AHEAD:
                    return []
                self._leave_ahead()
                self._look_for_doors(start_height)
                ahead = self._ahead = BlocksAhead(start_height, last, self._open_lanes(), self._blocks_at)
            taken = ahead.take(count)
        except (NotFoundError, NodeCallError):
            return []  # a pruned node perhaps: who asks in the usual way is told
        self._kept = {display_hex(block_hash): raw for block_hash, raw in taken}
        return [raw[:HEADER_BYTES] for _, raw in taken]

    def _leave_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.end()
        self._ahead = None

    def _look_for_doors(self, height: int) -> None:
        """Learn by which of its doors a node gives blocks soonest."""
        if self._rest is None:
            self._headers_by_rest(height, 2)
        if self._has_heights is None:
            (answer,) = self._rpc.try_batch([("getblockbyheight", [height, 0])])
            self._has_heights = isinstance(answer, str)

    def _blocks_at(self, rpc: RpcClient, start_height: int, count: int) -> list[bytes]:
        """Whole blocks of the node's chain, from a height on."""
        heights = range(start_height, start_height + count)
        if not self._has_heights or self._rest:
            return self._blocks(rpc, [self._hash(one) for one in rpc.batch([("getblockhash", [at]) for at in heights])])
        answers = rpc.batch([("getblockbyheight", [height, 0]) for height in heights])
        raws = [self._bytes("getblockbyheight", answer, MAX_BLOCK_BYTES) for answer in answers]
        for raw, answer in zip(raws, answers, strict=True):
            if len(raw) < HEADER_BYTES:
                raise self._nonsense("getblockbyheight", answer)
        return raws

    def _blocks(self, rpc: RpcClient, hashes: Sequence[str]) -> list[bytes]:
        if self._rest:
            found = [rpc.get_bytes(f"/rest/block/{one}.bin") for one in hashes]
            if all(raw is not None for raw in found):
                return [raw for raw in found if raw is not None]
        raws: list[bytes] = []
        for one, answer in zip(hashes, rpc.try_batch([("getblock", [one, 0]) for one in hashes]), strict=True):
            if isinstance(answer, NodeCallError) and answer.rpc_code in _NO_BLOCK:
                raise NotFoundError(
                    f"the node at {self.where} does not have block {one}: {answer.rpc_message}",
                    hint="is it pruned? A full node without `prune` is needed",
                    url=self.where,
                    block_hash=one,
                ) from answer
            if isinstance(answer, NodeCallError):
                raise answer
            raws.append(self._bytes("getblock", answer, MAX_BLOCK_BYTES))
        return raws

    def _headers_by_rest(self, start_height: int, count: int) -> list[bytes] | None:
        try:
            first = self._rpc.call("getblockhash", start_height)
        except NodeCallError as error:
            if error.rpc_code in _NO_BLOCK:
                return []
            raise
        if first is None:
            return []
        try:
            found = self._rpc.get_bytes(f"/rest/headers/{count}/{self._hash(first)}.bin")
        except NodeError:
            if self._rest is not None:
                raise
            found = None  # a node may do anything with a path that it does not know
        if found is None or len(found) % HEADER_BYTES or not found:
            self._rest = False
            return None
        self._rest = True
        return [found[at : at + HEADER_BYTES] for at in range(0, len(found), HEADER_BYTES)][:count]

    def _height(self) -> int:
        height = self._rpc.call("getblockcount")
        if not isinstance(height, int) or height < 0:
            raise self._nonsense("getblockcount", height)
        return height

    def _hash(self, value: Any) -> str:
        if isinstance(value, str) and len(value) == 64:
            try:
                return bytes.fromhex(value).hex()
            except ValueError:
                pass
        raise self._nonsense("getblockhash", value)

    def _bytes(self, method: str, value: Any, most: int) -> bytes:
        if isinstance(value, str) and len(value) <= 2 * most:
            try:
                return bytes.fromhex(value)
            except ValueError:
                pass
        raise self._nonsense(method, value)

    def _nonsense(self, method: str, value: Any) -> NodeAnswerError:
        return NodeAnswerError(
            f"the node at {self.where} answers {method} with something else than it should: {str(value)[:40]!r}",
            hint="is it a FLO full node?",
            url=self.where,
        )


def _share(count: int) -> int:
    """Of so many, how many a lane gets."""
    return -(-count // MAX_LANES)
