"""The port of ledgers: what jobs may ask of a place where messages are kept in order.

Nothing above this room knows what a transaction looks like: jobs see messages, ids, coins and opaque bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

import msgspec

from etdb.errors import RefusedError

__all__ = [
    "BlockRef",
    "Coin",
    "InclusionEvidence",
    "Ledger",
    "LedgerBlock",
    "LedgerMessage",
    "Outpoint",
    "SignedTransaction",
    "TxStatus",
    "one_by_one",
]


class BlockRef(msgspec.Struct, frozen=True):
    """A block's place and id."""

    height: int
    block_hash: str


class LedgerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a block: its transaction's id and place in the block, and who paid for it.

    ``sender`` has the addresses that its inputs show; they are claims until the transaction is verified.
    """

    txid: str
    position: int
    data: bytes
    sender: tuple[str, ...] = ()


class LedgerBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block as jobs see it. ``time_s`` is the miner's word, in Unix seconds."""

    ref: BlockRef
    previous_hash: str
    time_s: int
    messages: tuple[LedgerMessage, ...]


class TxStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says of a transaction: not known, waiting for a block, or in one."""

    txid: str
    state: Literal["unknown", "pending", "confirmed"]
    height: int | None = None
    confirmations: int = 0


class Outpoint(msgspec.Struct, frozen=True):
    """A coin's name: the transaction that made it and its place there."""

    txid: str
    vout: int


class Coin(msgspec.Struct, frozen=True, kw_only=True):
    """A coin that can be spent.

    ``chain_depth`` says how much of the ledger's limit on unconfirmed chains is used up where this coin hangs: the
    unconfirmed transactions that lead to it with its own, or those that share an unconfirmed ancestor with it when
    they are more. ``chain_bytes`` is their size. Coins of one ``family`` (the id of an unconfirmed ancestor) use up
    the limit together; unconfirmed coins without a name are all taken as one family.
    """

    outpoint: Outpoint
    amount_sat: int
    address: str
    confirmations: int = 0
    chain_depth: int = 0
    chain_bytes: int = 0
    family: str = ""
    coinbase: bool = False


class SignedTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """Signed bytes that are ready to send, with the coins that they spend and those that they give back to us."""

    txid: str
    raw: bytes
    fee_sat: int
    spends: tuple[Coin, ...]
    creates: tuple[Coin, ...]


class InclusionEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What proves a transaction's place: its bytes, the block's header, and the Merkle branch between them.

    ``has_work`` is False where blocks cost nothing, so that no header proves anything. ``checked_work_blocks`` is how
    many blocks stand from this one up, itself counted, whose work was checked here along with that of all below them
    down to a known block; 0 as long as it was not checked.
    """

    raw_transaction: bytes
    header: bytes
    position: int
    branch: tuple[bytes, ...]
    height: int
    network: str
    has_work: bool
    checked_work_blocks: int = 0


class Ledger(Protocol):
    """A ledger. Reading never changes it; ``submit`` may be repeated with the same bytes."""

    @property
    def network_name(self) -> str:
        """What the workspace's settings call it."""

    def tip(self) -> BlockRef | None:
        """The newest block."""

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height of the chain that holds now; None above the tip."""

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """Blocks from a height up to the tip, in order."""

    def status(self, txid: str) -> TxStatus:
        """What the ledger knows of a transaction."""

    def raw(self, txid: str) -> bytes:
        """A transaction's bytes, pending or confirmed.

        Raises:
            NotFoundError: the ledger does not know it.
        """

    def spender(self, outpoint: Outpoint) -> str | None:
        """The id of the transaction that spends a coin, pending or confirmed."""

    def evidence(self, txid: str) -> InclusionEvidence:
        """The proof of a confirmed transaction's place.

        Raises:
            NotFoundError: it is in no block.
        """

    def coins(self, address: str) -> list[Coin]:
        """Coins of an address that can be spent now, change of pending transactions too."""

    def submit(self, raw: bytes) -> str:
        """Hand over a transaction; its id. Repeating it changes nothing.

        Raises:
            RefusedError: with the ledger's ``reason``.
        """

    def submit_many(self, raws: Sequence[bytes]) -> list[RefusedError | None]:
        """Hand over several, those that others hang on first; for each why it was refused, None when it was not.

        A refusal does not keep the others from being handed over. When the ledger goes away meanwhile, it may have
        taken some: the same call again tells.
        """

    def settle(self) -> None:
        """Ask that pending transactions be confirmed: a chain of one's own mines, others go their own pace."""

    def close(self) -> None:
        """Let go of files and connections."""


def one_by_one(submit: Callable[[bytes], str], raws: Sequence[bytes]) -> list[RefusedError | None]:
    """``submit_many`` of a ledger to which several at once are no less work than one after the other."""

    def refusal(raw: bytes) -> RefusedError | None:
        try:
            submit(raw)
        except RefusedError as error:
            return error
        return None

    return [refusal(raw) for raw in raws]
