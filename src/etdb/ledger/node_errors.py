"""What can be wrong with a FLO node, each with a name of its own. Messages name the node's URL, never its secrets."""

from __future__ import annotations

from typing import Final

from etdb.errors import LedgerError

__all__ = [
    "NodeAnswerError",
    "NodeAwayError",
    "NodeBehindError",
    "NodeBusyError",
    "NodeCallError",
    "NodeChainError",
    "NodeError",
    "NodeLoginError",
    "NodePrunedError",
    "NodeUnreachableError",
    "shown",
]

_SHOWN_LETTERS: Final = 200


def shown(text: object) -> str:
    """A node's words, fit for a message: printable, and not too many."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 4 * _SHOWN_LETTERS])
    line = " ".join(line.split())
    return line if len(line) <= _SHOWN_LETTERS else line[:_SHOWN_LETTERS] + "..."


class NodeError(LedgerError):
    """A FLO node does not do what it should; ``url`` says which."""

    code = "node"


class NodeAwayError(NodeError):
    """It cannot serve now, and may later without anybody's doing: who follows it waits."""

    code = "node-away"


class NodeUnreachableError(NodeAwayError):
    """It cannot be reached, is silent, or breaks off."""

    code = "node-unreachable"
    http_status = 504


class NodeLoginError(NodeError):
    """It does not let us in, or we have nothing to show."""

    code = "node-login"


class NodeBusyError(NodeAwayError):
    """It is starting, or has too much to do; the same call may work later."""

    code = "node-busy"
    http_status = 503


class NodeAnswerError(NodeError):
    """It answers something that is no answer to the call."""

    code = "node-answer"


class NodeCallError(NodeError):
    """It answers a call with an error: ``rpc_code`` and ``rpc_message`` are its own words."""

    code = "node-call"

    def __init__(self, message: str, *, rpc_code: int, rpc_message: str, hint: str = "", **fields: object) -> None:
        super().__init__(message, hint=hint, rpc_code=rpc_code, rpc_message=rpc_message, **fields)
        self.rpc_code = rpc_code
        self.rpc_message = rpc_message


class NodeChainError(NodeError):
    """Its chain is another one, or breaks the rules of FLO: what it says about headers is not to be believed."""

    code = "node-chain"


class NodeBehindError(NodeAwayError):
    """It has not yet the blocks that it should have."""

    code = "node-behind"
    http_status = 503


class NodePrunedError(NodeError):
    """It has thrown away blocks that are needed."""

    code = "node-pruned"
