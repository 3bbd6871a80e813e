"""A FLO full node as a ledger: FLO Core 0.15.2 and nodes that speak like it, and fcoin.

The node is asked for headers, blocks and what waits in it, and given transactions; what it says is checked here, and
kept. Its wallet is never used. Its words on a transaction (which leave floData out, in fcoin) are not either: bytes
are. See docs/explanation of the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from etdb.errors import FormatError, NotFoundError, RefusedError
from etdb.flo import (
    COIN,
    REGTEST,
    Network,
    Transaction,
    address_script,
    display_hex,
    parse_transaction,
    sha256d,
)
from etdb.ledger.blocksource import BlockSource
from etdb.ledger.headersync import WorkCheck
from etdb.ledger.mempool import Mempool
from etdb.ledger.node_blocks import RpcBlocks
from etdb.ledger.node_checks import NodeReport, check_sending
from etdb.ledger.node_errors import NodeAwayError, NodeCallError, shown
from etdb.ledger.node_following import NodeFollower, Progress
from etdb.ledger.node_sending import hand_over, portions
from etdb.ledger.node_store import NodeStore
from etdb.ledger.port import (
    BlockRef,
    Coin,
    InclusionEvidence,
    LedgerBlock,
    LedgerMessage,
    Outpoint,
    TxStatus,
)
from etdb.ledger.refusals import is_known_already, parse_reason, refusal
from etdb.ledger.rpc import RpcClient
from etdb.ledger.rules import check_message
from etdb.ledger.senders import shown_senders

__all__ = ["FloNode"]

READ_BLOCKS: Final = 500
READ_BYTES: Final = 16 << 20
"""Of their messages, which are in memory at once."""


class FloNode:
    """A node. Implements the port ``Ledger``.

    Args:
        rpc: how it is spoken to.
        network: which network it should be on.
        path: where what is learnt is kept (``node.sqlite``).
        source: where headers and blocks come from, when not from the node itself.
        watch: addresses whose coins are kept from the beginning; others cost a second reading.
        start_height: the first block that is read; 0 for the network's own.
        fresh_s: how long a look at the node is taken for true.
        clock: Unix seconds.
        monotonic: seconds that never go back.
        progress: told ("sync", height read, height of the tip).
    """

    def __init__(
        self,
        rpc: RpcClient,
        network: Network,
        path: Path,
        *,
        source: BlockSource | None = None,
        watch: Iterable[str] = (),
        start_height: int = 0,
        fresh_s: float = 0.5,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        progress: Progress = lambda _step, _done, _total: None,
    ) -> None:
        self._rpc = rpc
        self._network = network
        self._source = source or RpcBlocks(rpc)
        self._store = NodeStore(path, network.genesis_hash)
        self._work = WorkCheck(lambda: NodeStore(path, network.genesis_hash), network)
        self._follower = NodeFollower(
            rpc,
            self._source,
            self._store,
            network,
            start_height=start_height,
            watch=watch,
            fresh_s=fresh_s,
            clock=clock,
            monotonic=monotonic,
            progress=progress,
            work=self._work,
        )
        self._watch = frozenset(watch)

    @property
    def network_name(self) -> str:
        """What the settings call the network."""
        return self._network.name

    @property
    def _mempool(self) -> Mempool:
        return self._follower.mempool

    def close(self) -> None:
        """Let go of the file and of connections."""
        self._work.stop()
        self._source.close()
        self._rpc.close()
        self._store.close()

    def report(self) -> NodeReport:
        """What the node is, where it stands, and what is wrong with it."""
        return self._follower.report()

    def known_tip(self) -> BlockRef | None:
        """The newest block whose header was checked, without a look at the node."""
        return self._store.tip()

    # -- blocks and messages

    def tip(self) -> BlockRef | None:
        """The newest block whose header was checked."""
        self._follower.look()
        return self._store.tip()

    def block_ref(self, height: int) -> BlockRef | None:
        """The block at a height of the chain that holds now; None above the tip and below the first header.

        While the node is away, of the chain that held when it was seen last.
        """
        try:
            self._follower.look()
        except NodeAwayError:
            if self._store.tip() is None:
                raise
        return self._store.block_ref(height)

    def headers(self, start_height: int, count: int) -> list[bytes]:
        """Headers that were checked, from a height on, 80 bytes each; fewer where the chain ends."""
        return self._store.headers(start_height, count)

    def blocks(self, start_height: int) -> Iterator[LedgerBlock]:
        """Blocks from a height up to the tip as it is when this begins; none below where records can begin.

        It ends early when the chain changes meanwhile.
        """
        self._look_and_watch()
        tip = self._store.tip()
        height, previous = max(start_height, self._follower.first_height), ""
        while tip is not None and height <= tip.height:
            while self._store.scanned() < height:
                if not self._follower.scan_some():
                    return
            blocks = self._stored(height, min(READ_BLOCKS, tip.height - height + 1))
            if not blocks:
                return
            for block in blocks:
                if previous and block.previous_hash != previous:
                    return
                yield block
                height, previous = height + 1, block.ref.block_hash

    def _stored(self, height: int, count: int) -> list[LedgerBlock]:
        messages: dict[int, list[LedgerMessage]] = {}
        with self._store.view():
            # Of one moment: another process may go back, and there are headers then whose blocks nobody has read.
            count = max(0, min(count, self._store.scanned() - height + 1))
            kept, count = self._store.messages(height, count, READ_BYTES)
            raws = self._store.headers(height, count)
        for one in kept:
            transaction = parse_transaction(one.raw)
            messages.setdefault(one.height, []).append(
                LedgerMessage(
                    txid=one.txid,
                    position=one.position,
                    data=transaction.flo_data,
                    sender=shown_senders(transaction, self._network),
                )
            )
        if not raws:
            return []
        # Each follows the one before, so all hashes but the last stand in the next header.
        hashes = [display_hex(raw[4:36]) for raw in raws] + [display_hex(sha256d(raws[-1]))]
        return [
            LedgerBlock(
                ref=BlockRef(block_height, block_hash),
                previous_hash=previous,
                time_s=int.from_bytes(raw[68:72], "little"),
                messages=tuple(messages.get(block_height, ())),
            )
            for block_height, (raw, (previous, block_hash)) in enumerate(
                zip(raws, pairwise(hashes), strict=True), height
            )
        ]

    def _look_and_watch(self) -> None:
        self._follower.look()
        self._follower.watch(self._watch)

    def _catch_up(self) -> None:
        self._follower.watch(self._watch)
        self._follower.catch_up()

    def _catch_up_if_there(self) -> NodeAwayError | None:
        """Catch up; the error when the node is away, and what was read before has to do."""
        try:
            self._catch_up()
        except NodeAwayError as error:
            return error
        return None

    # -- transactions

    def status(self, txid: str) -> TxStatus:
        """What is known of a transaction: those with messages, of watched addresses, and those that wait."""
        self._catch_up()
        height = self._store.place(txid)
        tip = self._store.tip()
        if height is not None and tip is not None:
            depth = tip.height - height + 1
            return TxStatus(txid=txid, state="confirmed", height=height, confirmations=depth)
        return TxStatus(txid=txid, state="pending" if txid in self._mempool else "unknown")

    def raw(self, txid: str) -> bytes:
        """A transaction's bytes; those that are not kept here are asked from the node."""
        away = self._catch_up_if_there()
        kept = self._store.transaction(txid)
        if kept is not None:
            return kept.raw
        if away is not None:
            raise away
        pending = self._mempool.raw(txid)
        if pending is not None:
            return pending
        try:
            raw = bytes.fromhex(self._rpc.call("getrawtransaction", txid))
            if parse_transaction(raw).txid == txid:
                return raw
        except (NodeCallError, FormatError, TypeError, ValueError):
            pass
        raise self._not_found(txid)

    def spender(self, outpoint: Outpoint) -> str | None:
        """Who spends a coin, of the transactions that are kept and those that wait."""
        self._catch_up()
        return self._store.spender(outpoint) or self._mempool.spender(outpoint)

    def evidence(self, txid: str) -> InclusionEvidence:
        """The proof of a transaction's place, from what is kept here: so without the node too."""
        away = self._catch_up_if_there()
        with self._store.view():
            kept = self._store.transaction(txid)
            header = self._store.header(kept.height) if kept else None
            checked = self._store.work_checked()
        if kept is None or header is None:
            raise away or self._not_found(txid)
        return InclusionEvidence(
            raw_transaction=kept.raw,
            header=header,
            position=kept.position,
            branch=kept.branch,
            height=kept.height,
            network=self._network.name,
            has_work=self._network is not REGTEST,
            checked_work_blocks=max(0, checked - kept.height + 1),
        )

    def _not_found(self, txid: str) -> NotFoundError:
        return NotFoundError(
            f"neither the node at {self._rpc.url} nor what was read of its chain has transaction {shown(txid)[:64]}",
            hint="a node with -txindex=1 knows all of them",
            txid=shown(txid)[:64],
        )

    # -- coins, and sending

    def coins(self, address: str) -> list[Coin]:
        """Coins of an address that can be spent in the next block, those of pending transactions too."""
        script = address_script(address, self._network)
        self._follower.look()
        self._follower.watch({address, *self._watch})
        self._follower.catch_up()
        tip = self._store.tip()
        height = tip.height if tip else 0
        coins = []
        for one in self._store.unspent(address):
            depth = height - one.height + 1
            is_ripe = not one.coinbase or depth >= self._network.coinbase_maturity
            if is_ripe and self._mempool.spender(one.outpoint) is None:
                coins.append(
                    Coin(
                        outpoint=one.outpoint,
                        amount_sat=one.amount_sat,
                        address=address,
                        confirmations=depth,
                        coinbase=one.coinbase,
                    )
                )
        for outpoint, amount_sat in self._mempool.made(script):
            use = self._mempool.use(outpoint.txid)
            if self._store.place(outpoint.txid) is None:
                coins.append(
                    Coin(
                        outpoint=outpoint,
                        amount_sat=amount_sat,
                        address=address,
                        chain_depth=use.depth,
                        chain_bytes=use.bytes,
                        family=use.family,
                    )
                )
        return sorted(coins, key=lambda coin: (coin.outpoint.txid, coin.outpoint.vout))

    def submit(self, raw: bytes) -> str:
        """Hand a transaction to the node, which passes it on.

        Raises:
            FormatError: not a transaction.
            RefusedError: with the reason, in the words of all ledgers here; ``words`` are the node's.
            NodeBehindError: the node is not fit to judge it.
        """
        (refused,) = self.submit_many([raw])
        if refused is not None:
            raise refused
        return parse_transaction(raw).txid

    def submit_many(self, raws: Sequence[bytes]) -> list[RefusedError | None]:
        """Hand over several, in few requests; see the port. Raises as ``submit``, but for refusals."""
        return [answer for portion in portions(raws) for answer in self._submit_portion(portion)]

    def _submit_portion(self, raws: Sequence[bytes]) -> list[RefusedError | None]:
        transactions = [parse_transaction(raw) for raw in raws]
        answers: list[RefusedError | None] = [_message_refused(one) for one in transactions]
        self._catch_up()
        new = [at for at, one in enumerate(transactions) if answers[at] is None and not self._is_known(one.txid)]
        if not new:
            return answers
        tip = self._store.tip()
        if self._follower.info is not None:
            check_sending(self._follower.info, tip.height if tip else 0, self._rpc.url)
        is_fcoin = self._follower.is_fcoin
        words = hand_over(self._rpc, [transactions[at] for at in new], [raws[at] for at in new], is_fcoin=is_fcoin)
        refused = {at: said for at, said in zip(new, words, strict=True) if said is not None}
        for at in new:
            if at not in refused:
                self._mempool.add(raws[at], transactions[at])
        if refused:
            self._follower.look(anew=True)
            self._follower.catch_up()
        for at, said in refused.items():
            one = transactions[at]
            if not is_known_already(parse_reason(said)) and not self._is_known(one.txid):
                answers[at] = refusal(one.txid, said, self._rpc.url, rival=self._rival(one))
        return answers

    def _is_known(self, txid: str) -> bool:
        return txid in self._mempool or self._store.place(txid) is not None

    def _rival(self, transaction: Transaction) -> str | None:
        for one in transaction.inputs:
            outpoint = Outpoint(one.txid, one.vout)
            spender = self._store.spender(outpoint) or self._mempool.spender(outpoint)
            if spender is not None and spender != transaction.txid:
                return spender
        return None

    def relay_fee_sat_per_kb(self) -> int:
        """What a transaction must pay for 1,000 bytes so that the node takes it now; 0 when it does not say."""
        asked = [("getnetworkinfo", "relayfee"), ("getmempoolinfo", "mempoolminfee")]
        said = [(self._rpc.call(method), name) for method, name in asked]
        rates = [info.get(name) for info, name in said if isinstance(info, dict)]
        return max((round(one * COIN) for one in rates if isinstance(one, (int, float)) and 0 <= one < 1000), default=0)

    def settle(self) -> None:
        """Nothing to do: blocks come when they come."""


def _message_refused(transaction: Transaction) -> RefusedError | None:
    """Why no node that keeps the rules takes its message."""
    try:
        check_message(transaction)
    except RefusedError as error:
        return error
    return None
