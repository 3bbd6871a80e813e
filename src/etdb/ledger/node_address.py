"""In which blocks an address stands, from nodes that keep an index of addresses: then not all blocks are read again.

The index only says where to look. Coins are taken from the blocks themselves, which are checked.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from etdb.ledger.node_errors import NodeAnswerError, NodeCallError
from etdb.ledger.rpc import RpcClient

__all__ = ["fetch_address_heights"]

_PAGE: Final = 100
"""What fcoin gives at most in one answer."""
_MAX_PAGES: Final = 10_000


def fetch_address_heights(rpc: RpcClient, address: str, *, is_fcoin: bool) -> list[int] | None:
    """The heights of the blocks that pay an address or spend its coins, lowest first; None without such an index."""
    return _from_fcoin(rpc, address) if is_fcoin else _from_deltas(rpc, address)


def _from_deltas(rpc: RpcClient, address: str) -> list[int] | None:
    """By ``getaddressdeltas``, which nodes with bitcore's patches have (``-addressindex``)."""
    try:
        rows = rpc.call("getaddressdeltas", {"addresses": [address]})
    except NodeCallError:
        return None
    if not isinstance(rows, list):
        return None
    heights = [row.get("height") if isinstance(row, dict) else None for row in rows]
    return sorted({height for height in heights if isinstance(height, int) and height >= 0})


def _from_fcoin(rpc: RpcClient, address: str) -> list[int] | None:
    """By ``/tx/address/``, page by page, if the node has the index that it needs (``--index-address``)."""
    about = rpc.get_json("/")
    index = _at(about, "indexes", "addr")
    chain_height = _at(about, "chain", "height")
    if _at(index, "enabled") is not True or _at(index, "height") != chain_height:
        return None
    heights: set[int] = set()
    after: dict[str, str] = {}
    for _ in range(_MAX_PAGES):
        page = rpc.get_json(f"/tx/address/{quote(address, safe='')}", limit=_PAGE, **after)
        if not isinstance(page, list):
            raise _nonsense(rpc)
        for row in page:
            height = _at(row, "height")
            if not isinstance(height, int):
                raise _nonsense(rpc)
            if height >= 0:  # -1 waits for a block
                heights.add(height)
        if len(page) < _PAGE:
            return sorted(heights)
        last = _at(page[-1], "hash")
        if not isinstance(last, str):
            raise _nonsense(rpc)
        after = {"after": last}
    return None


def _at(document: Any, *names: str) -> Any:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _nonsense(rpc: RpcClient) -> NodeAnswerError:
    return NodeAnswerError(
        f"the node at {rpc.url} answers with something else than the transactions of an address",
        hint="look at the node's log",
        url=rpc.url,
    )
