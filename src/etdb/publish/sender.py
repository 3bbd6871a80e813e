"""The sender: the transactions of records, signed here, in the journal before they leave, then offered to the ledger.

The order is what makes a crash harmless: sign, store, send, note. Bytes that are stored may be sent any number of
times; bytes that are not stored were never sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from etdb import oip
from etdb.errors import InsufficientFundsError
from etdb.flo import Network, PrivateKey, sign_message
from etdb.ledger import ChainFullError, Coin, Ledger, SignedTransaction, Wallet
from etdb.ledger.wallet import is_signed_by
from etdb.publish.journal import Journal
from etdb.publish.journal_reading import DatasetEntry
from etdb.publish.offering import Offering
from etdb.publish.planning import message_sizes
from etdb.publish.reconcile import know_copies
from etdb.publish.watching import BlockWatch

__all__ = ["Sender"]

_Part = tuple[int, int, bytes, SignedTransaction]

_FIRST_BATCH: Final = 32
"""So many transactions are signed before the ledger has shown that its limits are what is believed of them."""
_DEPOSIT_DEPTH: Final = 6
"""Coins from others are deep enough here, however much deeper a record must be to be final."""
_BATCH: Final = 256
"""Transactions that are signed, stored and sent together: one wait for the disk for all of them."""


class Sender:
    """Sends the records of one publisher.

    Args:
        journal: the caller holds the lock that makes this process its only writer.
        ledger: where transactions go.
        key: the publisher's key; it never leaves this process.
        network: whose address form the key is shown in.
        offering: gives the ledger what is stored.
        watch: knows the chain that the journal is in line with.
        final_depth: of a block that stays.

    Attributes:
        address: the publisher's.
        foreign: transactions of this address that wait for a block and are not the journal's, as they were last seen.
        fee_sat: what everything that this sender signed pays.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        key: PrivateKey,
        network: Network,
        offering: Offering,
        *,
        watch: BlockWatch,
        final_depth: int,
    ) -> None:
        self._watch = watch
        self._journal = journal
        self._ledger = ledger
        self._key = key
        self._network = network
        self._offering = offering
        self._deposit_depth = min(final_depth, _DEPOSIT_DEPTH)
        self._own_foreign: dict[str, bool] = {}
        self._looked_at: set[str] = set()
        self._batch = _FIRST_BATCH
        self._on_the_way_sat = 0
        self.address = key.address(network)
        self.foreign: list[str] = []
        self.fee_sat = 0

    def split(self, record: bytes) -> oip.Split:
        """The messages of a record, signed as they would be sent."""
        return oip.split(record, self.address, sign=lambda preimage: sign_message(self._key, preimage))

    def wallet(self) -> Wallet:
        """A wallet over the coins that the ledger shows now and that are free.

        Not free are coins that a live transaction of the journal spends, whether the ledger knows it now or not, and
        coins from others that are not deep enough: when they are lost, all that hangs on them is.

        Raises:
            ChainFullError: a reorganisation came, so that coins may look free that a final record spent.
        """
        live = self._journal.unsettled(-1)
        spent = {coin.outpoint for entry in live for coin in entry.signed.spends}
        own = {entry.ledger_txid for entry in live}
        coins = self._ledger.coins(self.address)
        if not self._watch.is_still():
            raise ChainFullError("the chain was reorganised", hint="look at it again")
        strange = [coin for coin in coins if coin.confirmations < self._deposit_depth and coin.outpoint.txid not in own]
        self._on_the_way_sat = sum(coin.amount_sat for coin in strange)
        self.foreign = [coin.outpoint.txid for coin in strange if not coin.confirmations and self._is_foreign(coin)]
        free = [coin for coin in coins if coin.outpoint not in spent and coin not in strange]
        makers = {coin.outpoint.txid for coin in free} - own - self._looked_at
        know_copies(self._journal, self._ledger, sorted(makers))
        self._looked_at |= makers
        return Wallet(self._key, self._network, self._offering.limits, free, first=self._journal.void_spends())

    def send(self, datasets: Sequence[DatasetEntry], *, is_waiting: bool) -> bool:
        """Sign, store and offer transactions that these records still lack, as many as the ledger takes now.

        Args:
            datasets: signed records.
            is_waiting: whether transactions wait that the ledger has not taken: their coins come back.

        Returns:
            Whether all of it was signed and taken; if not, a block must come, or the ledger must calm down.

        Raises:
            InsufficientFundsError: before anything is signed, when the coins cannot pay for all of it.
            LedgerError: the ledger is away or refuses; what it took is noted, and the same call goes on later.
        """
        sizes = [size for dataset in datasets for size in self._lacking(dataset)]
        if not sizes:
            return self._store([], [dataset.id for dataset in datasets])
        try:
            wallet = self.wallet()
            if self.foreign or self._offering.is_full:
                return False
            self._verify_means(wallet, sizes)
            if lanes := wallet.lanes_wanted(len(sizes)):
                wallet = self._fan_out(wallet, lanes, len(sizes))
            return self._sign_all(datasets, wallet)
        except ChainFullError:
            return False
        except InsufficientFundsError:
            if is_waiting:
                return False
            raise

    def _lacking(self, dataset: DatasetEntry) -> list[int]:
        live = {entry.part for entry in self._journal.parts(dataset.id)}
        sizes = message_sizes(dataset.record, self.address, self._offering.limits)
        return [size for part, size in enumerate(sizes) if part not in live]

    def _is_foreign(self, coin: Coin) -> bool:
        txid = coin.outpoint.txid
        if self._journal.find_transaction(txid) is not None:
            return False
        if txid not in self._own_foreign:
            self._own_foreign[txid] = is_signed_by(self._ledger.raw(txid), self.address, self._network)
        return self._own_foreign[txid]

    def _verify_means(self, wallet: Wallet, sizes: Sequence[int]) -> None:
        limits = self._offering.limits
        plan = wallet.plan(sizes)
        if self.fee_sat + plan.fee_sat > limits.max_fee_sat:
            raise InsufficientFundsError(
                f"the fees of this run would be {self.fee_sat + plan.fee_sat} satoshi,"
                f" more than the {limits.max_fee_sat} that are allowed",
                hint="raise max_fee_sat under [limits] in etdb.toml if that is meant",
            )
        if plan.fee_sat > wallet.balance_sat:
            way = f"; {self._on_the_way_sat} more are on the way to it" if self._on_the_way_sat else ""
            raise InsufficientFundsError(
                f"{self.address} holds {wallet.balance_sat} satoshi that can be spent now{way};"
                f" {plan.fee_sat} are needed for the fees",
                hint=f"run the same command again when they are {self._deposit_depth} blocks deep"
                if way
                else "send coins to that address, and run the same command again when they are confirmed",
                address=self.address,
                have_sat=wallet.balance_sat,
                need_sat=plan.fee_sat,
            )

    def _fan_out(self, wallet: Wallet, lanes: int, transactions: int) -> Wallet:
        """Split coins into lanes; the wallet over what is there then."""
        try:
            signed = wallet.fan_out(lanes, transactions)
        except InsufficientFundsError:
            return wallet  # they pay for the messages, one after the other, but not for lanes of equal length
        self.fee_sat += signed.fee_sat
        self._journal.fan_out(signed)
        if not self._offer([signed]):
            raise ChainFullError("the ledger does not take more now", hint="wait for a block")
        self._ledger.settle()
        return self.wallet()

    def _sign_all(self, datasets: Sequence[DatasetEntry], wallet: Wallet) -> bool:
        parts: list[_Part] = []
        complete: list[int] = []
        try:
            for dataset in datasets:
                for part in self._sign_record(dataset, wallet):
                    parts.append(part)  # noqa: PERF402 - those before an error are kept
                complete.append(dataset.id)
                if len(parts) >= self._batch:
                    batch, finished = parts, complete
                    parts, complete = [], []
                    if not self._store(batch, finished):
                        return False
        except (ChainFullError, InsufficientFundsError):
            self._store(parts, complete)
            raise
        return self._store(parts, complete)

    def _sign_record(self, dataset: DatasetEntry, wallet: Wallet) -> Iterator[_Part]:
        """The transactions that a record lacks, one by one: what is signed when the coins end is kept."""
        split = self.split(dataset.record)
        live = {entry.part: entry for entry in self._journal.parts(dataset.id)}
        reference = live[0].ledger_txid if 0 in live else ""
        rest: list[bytes] = []
        for number in range(split.count):
            if number in live:
                continue
            if number and not rest:
                rest = split.rest(reference)
            data = rest[number - 1] if number else split.first()
            # Over the coin of what was given up, where it is free: the two can never both be confirmed.
            signed = wallet.sign(data, first=self._journal.void_spends(dataset.id, number))
            if number == 0:
                reference = signed.txid
            self.fee_sat += signed.fee_sat
            yield dataset.id, number, data, signed

    def _store(self, parts: Sequence[_Part], complete: Sequence[int]) -> bool:
        if not parts and not complete:
            return True
        self._journal.prepare(parts, complete)
        return self._offer([signed for _, _, _, signed in parts])

    def _offer(self, signed: Sequence[SignedTransaction]) -> bool:
        limits = self._offering.limits
        new = {one.txid for one in signed}
        stored = self._journal.transactions(states=("signed",))
        held = self._offering.offer([entry for entry in stored if entry.signed.txid in new])
        self._batch = min(_BATCH, 2 * self._batch)
        return not held and self._offering.limits == limits
