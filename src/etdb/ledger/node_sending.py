"""Transactions into a node: several in one request, and what it says to each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from etdb.flo import Transaction
from etdb.ledger.node_errors import NodeCallError, shown
from etdb.ledger.rpc import RpcClient

__all__ = ["hand_over", "portions"]

MAX_TOGETHER: Final = 64
MAX_TOGETHER_BYTES: Final = 256 << 10
"""Of their bytes; a request is twice as long and a little more."""
_CROWDED: Final = 0.9


def portions(raws: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Those that go into one request, in their order."""
    portion: list[bytes] = []
    size = 0
    for raw in raws:
        if portion and (len(portion) == MAX_TOGETHER or size + len(raw) > MAX_TOGETHER_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(raw)
        size += len(raw)
    if portion:
        yield portion


def hand_over(
    rpc: RpcClient, transactions: Sequence[Transaction], raws: Sequence[bytes], *, is_fcoin: bool
) -> list[str | None]:
    """Give a node transactions, those that others hang on first; its words to each that it refuses.

    Raises:
        NodeError: it is away; it may have taken some.
    """
    if is_fcoin:
        return _into_fcoin(rpc, [one.txid for one in transactions], raws)
    answers = rpc.try_batch([("sendrawtransaction", [raw.hex()]) for raw in raws])
    return [answer.rpc_message if isinstance(answer, NodeCallError) else None for answer in answers]


def _into_fcoin(rpc: RpcClient, txids: Sequence[str], raws: Sequence[bytes]) -> list[str | None]:
    """The way into fcoin, whose ``sendrawtransaction`` answers before it has looked at anything.

    It looks at one transaction after the other, and its ``/broadcast`` answers when it has: so when that has answered
    for the last one, all before it have been looked at too.
    """
    rpc.try_batch([("sendrawtransaction", [raw.hex()]) for raw in raws[:-1]])
    words: list[str | None] = [None] * len(raws)
    words[-1] = _broadcast(rpc, raws[-1])
    for place, is_there in enumerate(_are_waiting(rpc, txids)):
        if is_there or words[place] is not None:
            continue
        if place < len(raws) - 1:
            words[place] = _broadcast(rpc, raws[place])
        # An orphan is kept aside, and it says nothing.
        if words[place] is None and not _are_waiting(rpc, [txids[place]])[0]:
            words[place] = "missing-inputs"
    # Nor does it when it throws one out for another: then what hangs on that one is an orphan, and not by our fault.
    if "missing-inputs" in words and _is_crowded(rpc):
        words = ["mempool full" if one == "missing-inputs" else one for one in words]
    return words


def _broadcast(rpc: RpcClient, raw: bytes) -> str | None:
    answer = rpc.post_json("/broadcast", {"tx": raw.hex()})
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is None:
        return None
    return shown(error.get("message") if isinstance(error, dict) else error)


def _is_crowded(rpc: RpcClient) -> bool:
    """Whether its mempool is as full as fcoin leaves it when it has thrown something out."""
    info = rpc.call("getmempoolinfo")
    used, room = (info.get(name) if isinstance(info, dict) else None for name in ("usage", "maxmempool"))
    return isinstance(used, int) and isinstance(room, int) and used >= room * _CROWDED


def _are_waiting(rpc: RpcClient, txids: Sequence[str]) -> list[bool]:
    answers = rpc.try_batch([("getmempoolentry", [txid]) for txid in txids])
    return [not isinstance(answer, NodeCallError) for answer in answers]
