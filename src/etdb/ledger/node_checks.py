"""What a node says of itself, and what is wrong with that."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from etdb.errors import InputError
from etdb.flo import MAIN, REGTEST, TESTNET, Network
from etdb.ledger.node_errors import (
    NodeAnswerError,
    NodeBehindError,
    NodeCallError,
    NodeChainError,
    NodeError,
    NodePrunedError,
    shown,
)
from etdb.ledger.rpc import RpcClient

__all__ = [
    "ChainInfo",
    "NodeReport",
    "check_network",
    "check_pruned",
    "check_sending",
    "find_problems",
    "parse_chain_info",
    "peers_offset_s",
    "software",
]

_BEHIND_BLOCKS: Final = 6
"""A node that knows of so many headers more than it has blocks is still catching up."""
_OLD_TIP_S: Final = 4 * 3600
"""360 blocks' worth: a chain whose newest block is older stands still, or its node does."""
_MOST_OFFSET_S: Final = 10 * 365 * 86_400
_FCOIN: Final = re.compile(r"[bf]coin", re.IGNORECASE)


class ChainInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What ``getblockchaininfo`` says. Nodes that do not tell how many headers they know have as many as blocks."""

    blocks: int
    headers: int
    tip_hash: str
    is_downloading: bool
    prune_height: int | None


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """A node as it stands. ``height`` is of the newest block that was checked, ``scanned`` of the newest that was read.

    ``work_checked`` is of the newest block whose proof of work was checked too, with that of all below it.
    ``clock_ahead_s`` is by how much the clock here is ahead of the node's, as far as its answers tell, and
    ``peers_offset_s`` by how much the node's peers are ahead of the node, as far as it says; 0 when they do not.
    ``problems`` are sentences, each with what to do next; none when all is well.
    """

    url: str
    software: str
    network: str
    blocks: int
    headers: int
    height: int
    scanned: int
    work_checked: int
    is_downloading: bool
    prune_height: int | None
    clock_ahead_s: int = 0
    peers_offset_s: int = 0
    problems: tuple[str, ...]


def software(rpc: RpcClient) -> tuple[str, bool]:
    """What the node is, and whether it is fcoin: that one has doors of its own."""
    info = rpc.call("getnetworkinfo")
    name = shown(info.get("subversion", "")) if isinstance(info, dict) else ""
    return name, bool(_FCOIN.search(name))


def peers_offset_s(rpc: RpcClient) -> int:
    """By how many seconds the node's peers are ahead of it, in the middle; 0 when it does not say."""
    info = rpc.call("getnetworkinfo")
    offset = info.get("timeoffset", 0) if isinstance(info, dict) else 0
    return offset if isinstance(offset, int) and abs(offset) < _MOST_OFFSET_S else 0


def parse_chain_info(info: Any, url: str) -> ChainInfo:
    """Read ``getblockchaininfo``.

    Raises:
        NodeAnswerError: it is something else.
    """
    if isinstance(info, dict):
        blocks, tip_hash = info.get("blocks"), info.get("bestblockhash")
        headers, pruned = info.get("headers", blocks), info.get("pruneheight")
        if isinstance(blocks, int) and isinstance(tip_hash, str) and isinstance(headers, int):
            return ChainInfo(
                blocks=blocks,
                headers=headers,
                tip_hash=tip_hash,
                is_downloading=info.get("initialblockdownload") is True,
                prune_height=(pruned if isinstance(pruned, int) else 0) if info.get("pruned") else None,
            )
    raise NodeAnswerError(
        f"the node at {url} answers getblockchaininfo with something else than it should",
        hint="is it a FLO full node?",
        url=url,
    )


def check_network(rpc: RpcClient, wanted: Network) -> None:
    """Hold the node's first block to the network's.

    Raises:
        NodeChainError: another one: the node is of another network, or no FLO node at all.
    """
    try:
        genesis = rpc.call("getblockhash", 0)
    except NodeCallError as error:
        raise _no_flo(rpc, wanted, f"it has no first block: {error.rpc_message}") from error
    if genesis == wanted.genesis_hash:
        return
    for other in (MAIN, TESTNET, REGTEST):
        if genesis == other.genesis_hash:
            raise NodeChainError(
                f"the node at {rpc.url} is on {other.name}; this workspace is on {wanted.name}",
                hint=f"start a node on {wanted.name}, or set url under [node] in etdb.toml to one",
                url=rpc.url,
                network=other.name,
            )
    raise _no_flo(rpc, wanted, f"its first block is {shown(genesis)[:64]}")


def check_sending(info: ChainInfo, height: int, url: str) -> None:
    """Whether a node is fit to be given transactions: one that lags knows neither coins nor rivals.

    Raises:
        NodeBehindError: it is behind.
    """
    if info.is_downloading or info.headers - info.blocks >= _BEHIND_BLOCKS or info.blocks < height:
        goal = max(info.headers, height)
        has = f"it has {info.blocks} blocks of {goal}" if goal > info.blocks else "its newest block is old, it looks on"
        raise NodeBehindError(
            f"the node at {url} is behind: {has}",
            hint="wait until it has caught up, then run the same command",
            url=url,
            blocks=info.blocks,
            headers=goal,
        )


def check_pruned(info: ChainInfo, height: int, url: str) -> None:
    """Whether a node still has the block that is to be read next.

    Raises:
        NodePrunedError: it has thrown it away.
    """
    if info.prune_height is not None and height < info.prune_height:
        raise NodePrunedError(
            f"the node at {url} is pruned: it has thrown away the blocks below {info.prune_height}, {height} is needed",
            hint="start it without `prune` and with -reindex, give its block files, or use another node",
            url=url,
            prune_height=info.prune_height,
        )


def find_problems(info: ChainInfo, *, height: int, next_height: int, age_s: int, url: str) -> tuple[str, ...]:
    """What is wrong with a node.

    Args:
        info: what it says.
        height: of the newest block that was checked.
        next_height: of the block that is to be read next.
        age_s: seconds since the newest block; negative when it is from the future.
        url: the node's.
    """
    problems = []
    for check, at in ((check_sending, height), (check_pruned, next_height)):
        try:
            check(info, at, url)
        except (NodeError, InputError) as error:
            problems.append(f"{error.message}; {error.hint}")
    if age_s > _OLD_TIP_S:
        problems.append(
            f"the newest block of {url} is {age_s // 3600} hours old; is the node connected to others, "
            "and the clock of this machine right?"
        )
    return tuple(problems)


def _no_flo(rpc: RpcClient, wanted: Network, why: str) -> NodeChainError:
    return NodeChainError(
        f"the node at {rpc.url} is not on FLO's {wanted.name}: {why}",
        hint="is it a node of another coin? Set url under [node] in etdb.toml to a FLO node",
        url=rpc.url,
    )
