"""The sender: the transactions of records, signed here, in the journal before they leave, then given to the ledger.

The order is what makes a crash harmless: sign, store, send, note. Bytes that are stored may be sent any number of
times; bytes that are not stored were never sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from etdb import oip
from etdb.errors import InsufficientFundsError
from etdb.flo import Network, PrivateKey, sign_message
from etdb.ledger import ChainFullError, Ledger, Limits, SignedTransaction, Wallet
from etdb.publish.journal import DatasetEntry, Journal
from etdb.publish.submission import Progress

__all__ = ["Sender"]

_BATCH: Final = 256
"""Transactions that are signed, stored and sent together: one wait for the disk for all of them."""


class Sender:
    """Sends the records of one publisher.

    Args:
        journal: the caller holds the lock that makes this process its only writer.
        ledger: where transactions go.
        key: the publisher's key; it never leaves this process.
        network: whose address form the key is shown in.
        limits: what the ledger allows and what the user is ready to pay.
        wait: called when only another block can help.
    """

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        key: PrivateKey,
        network: Network,
        limits: Limits,
        *,
        progress: Progress = lambda _step, _done, _total: None,
        wait: Callable[[], None] = lambda: time.sleep(5.0),
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._key = key
        self._network = network
        self._limits = limits
        self._progress = progress
        self._wait = wait
        self._unsent: list[tuple[int, int, bytes, SignedTransaction]] = []
        self._complete: list[int] = []
        self.address = key.address(network)
        self.transactions_sent = 0

    def wallet(self) -> Wallet:
        """A wallet over the coins that the ledger shows now."""
        return Wallet(self._key, self._network, self._limits, self._ledger.coins(self.address))

    def split(self, record: bytes) -> oip.Split:
        """The messages of a record, signed as they would be sent."""
        return oip.split(record, self.address, sign=lambda preimage: sign_message(self._key, preimage))

    def send(self, datasets: Sequence[DatasetEntry]) -> None:
        """Sign, store and send every transaction that these records still lack.

        Raises:
            InsufficientFundsError: before anything is signed, when the coins cannot pay for all of it.
            LedgerError: the ledger refuses; what it took is noted, and the same call goes on later.
        """
        lacking = sum(self.split(d.record).count - len(self._journal.parts(d.id)) for d in datasets)
        self._fan_out(lacking)
        wallet = self.wallet()
        for dataset in datasets:
            wallet = self._sign_record(dataset, wallet)
            if len(self._unsent) >= _BATCH:
                self._flush()
        self._flush()

    def submit_stored(self) -> None:
        """Give the ledger every stored transaction that is not noted as taken, in the order of signing."""
        waiting = self._journal.transactions(states=("signed",))
        for number, entry in enumerate(waiting):
            self._progress("send", number, len(waiting))
            self._ledger.submit(entry.signed.raw)
            self._journal.submit(entry)
            self.transactions_sent += 1
        self._progress("send", len(waiting), len(waiting))
        for dataset in self._journal.datasets("prepared"):
            if all(entry.state != "signed" for entry in self._journal.parts(dataset.id)):
                self._journal.send(dataset.id)

    def _fan_out(self, transactions: int) -> None:
        """Split coins into as many lanes as the transactions need side by side, if there are too few."""
        wallet = self.wallet()
        while lanes := wallet.lanes_wanted(transactions):
            try:
                signed = wallet.fan_out(lanes, transactions)
                break
            except InsufficientFundsError:
                # What a former run sent may have used up all that hangs together: the next block frees its coins.
                if not any(coin.chain_depth for coin in wallet.coins):
                    raise
                wallet = self._make_room()
        else:
            return
        self._journal.fan_out(signed)
        self.submit_stored()
        self._ledger.settle()

    def _sign_record(self, dataset: DatasetEntry, wallet: Wallet) -> Wallet:
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
            while True:
                try:
                    signed = wallet.sign(data)
                    break
                except ChainFullError:
                    wallet = self._make_room()
            if number == 0:
                reference = signed.txid
            self._unsent.append((dataset.id, number, data, signed))
        self._complete.append(dataset.id)
        return wallet

    def _make_room(self) -> Wallet:
        """Every lane is as long as the ledger allows: send what there is and let blocks confirm it."""
        self._flush()
        before = self._ledger.tip()
        self._ledger.settle()
        if self._ledger.tip() == before:
            self._wait()
        return self.wallet()

    def _flush(self) -> None:
        if self._unsent or self._complete:
            self._journal.prepare(self._unsent, self._complete)
            self._unsent, self._complete = [], []
        self.submit_stored()
