"""What a node has waiting for a block, mirrored: who spends which coin, and how long the chains of pending ones are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from etdb.errors import FormatError
from etdb.flo import Transaction, parse_transaction
from etdb.ledger.chain_index import ChainUse
from etdb.ledger.port import Outpoint

__all__ = ["Mempool"]

MAX_TRANSACTIONS: Final = 50_000
MAX_BYTES: Final = 256 << 20
"""Of all that is mirrored. What is beyond is known by its id only."""
_FETCHED: Final = 500
"""Asked for at once, so that no more than these are in memory beyond the limit."""
_MAX_ROOTS: Final = 64
"""Lines of pending transactions that may meet in one; nodes allow 25 transactions, some forks 1,250."""
_FULL: Final = 1 << 30

Fetch = Callable[[Sequence[str]], Sequence[bytes | None]]


class Mempool:
    """Pending transactions by id. What the node forgets is forgotten here at the next look."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._raws: dict[str, bytes] = {}
        self._parsed: dict[str, Transaction] = {}
        self._spenders: dict[Outpoint, str] = {}
        self._bytes = 0
        self._uses: dict[str, ChainUse] = {}

    def __contains__(self, txid: str) -> bool:
        return txid in self._ids

    def refresh(self, txids: Iterable[str], fetch: Fetch) -> None:
        """Bring it in line with the node's list.

        Args:
            txids: all that wait there.
            fetch: gives the bytes of some, None for those that are gone meanwhile.
        """
        listed = set(txids)
        if listed == self._ids:
            return
        self._uses.clear()
        for txid in self._ids - listed:
            self._drop(txid)
        self._ids &= listed
        new = [txid for txid in listed if txid not in self._raws][: max(0, MAX_TRANSACTIONS - len(self._raws))]
        for at in range(0, len(new), _FETCHED):
            if self._bytes >= MAX_BYTES:
                break
            self._take(new[at : at + _FETCHED], fetch)
        self._ids = listed  # only now: what a failure kept from us is asked for again

    def _take(self, txids: Sequence[str], fetch: Fetch) -> None:
        for txid, raw in zip(txids, fetch(txids), strict=True):
            if raw is None or self._bytes + len(raw) > MAX_BYTES:
                continue
            try:
                transaction = parse_transaction(raw)
            except FormatError:
                continue
            if transaction.txid == txid:
                self._keep(transaction, raw)

    def add(self, raw: bytes, transaction: Transaction) -> None:
        """A transaction that the node took just now."""
        self._ids.add(transaction.txid)
        self._keep(transaction, raw)
        self._uses.clear()

    def raw(self, txid: str) -> bytes | None:
        """A pending transaction's bytes."""
        return self._raws.get(txid)

    def spender(self, outpoint: Outpoint) -> str | None:
        """The pending transaction that spends a coin."""
        return self._spenders.get(outpoint)

    def made(self, script: bytes) -> list[tuple[Outpoint, int]]:
        """The coins that pending transactions make for a script and that none spends, with their satoshi."""
        return [
            (Outpoint(txid, vout), output.value_sat)
            for txid, transaction in self._parsed.items()
            for vout, output in enumerate(transaction.outputs)
            if output.script == script and Outpoint(txid, vout) not in self._spenders
        ]

    def use(self, txid: str) -> ChainUse:
        """How much of the limits on unconfirmed chains is used where a pending transaction hangs; see ``Coin``."""
        if not self._uses:
            self._count()
        return self._uses.get(txid, ChainUse())

    def _keep(self, transaction: Transaction, raw: bytes) -> None:
        txid = transaction.txid
        if txid in self._raws:
            return
        self._raws[txid] = raw
        self._parsed[txid] = transaction
        self._bytes += len(raw)
        for one in transaction.inputs:
            self._spenders[Outpoint(one.txid, one.vout)] = txid

    def _drop(self, txid: str) -> None:
        raw, transaction = self._raws.pop(txid, None), self._parsed.pop(txid, None)
        if raw is None or transaction is None:
            return
        self._bytes -= len(raw)
        for one in transaction.inputs:
            outpoint = Outpoint(one.txid, one.vout)
            if self._spenders.get(outpoint) == txid:
                del self._spenders[outpoint]

    def _count(self) -> None:
        """The use of all of them. Where lines meet, what they share is counted twice: too much rather than too little.

        Of a transaction's pending ancestors those without pending parents have the most that hangs on them.
        """
        lines: dict[str, tuple[int, int, frozenset[str]]] = {}
        for txid in self._parsed:
            self._trace(txid, lines)
        families: dict[str, tuple[int, int]] = {}
        for txid, (_, _, roots) in lines.items():
            for root in roots:
                count, size = families.get(root, (0, 0))
                families[root] = (count + 1, size + len(self._raws[txid]))
        for txid, (depth, size, roots) in lines.items():
            most = max(families[root][0] for root in roots)
            most_bytes = max(families[root][1] for root in roots)
            self._uses[txid] = ChainUse(max(depth, most), max(size, most_bytes), min(roots))

    def _trace(self, txid: str, lines: dict[str, tuple[int, int, frozenset[str]]]) -> None:
        """Note how many pending transactions lead to one, itself among them, their bytes, and where they begin."""
        stack = [txid]  # no recursion: lines are long
        while stack:
            one = stack.pop()
            if one in lines:
                continue
            parents = {spent.txid for spent in self._parsed[one].inputs if spent.txid in self._parsed}
            missing = [parent for parent in parents if parent not in lines]
            if missing:
                stack += [one, *missing]
                continue
            above = [lines[parent] for parent in parents]
            roots = above[0][2] if len(above) == 1 else frozenset().union(*(line[2] for line in above))
            is_tangle = len(roots) > _MAX_ROOTS  # no honest node's; nothing more may hang there
            if is_tangle:
                roots = frozenset(sorted(roots)[:_MAX_ROOTS])
            lines[one] = (
                _FULL if is_tangle else 1 + sum(line[0] for line in above),
                len(self._raws[one]) + sum(line[1] for line in above),
                roots or frozenset({one}),
            )
