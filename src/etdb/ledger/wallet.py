"""The wallet: signs messages into transactions that pay back to their own address. Nothing here talks to a node."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from etdb.errors import InputError, InsufficientFundsError
from etdb.flo import (
    Network,
    PrivateKey,
    Transaction,
    TxInput,
    TxOutput,
    address_script,
    input_key,
    parse_transaction,
    sign_all,
)
from etdb.ledger.coins import (
    ChainFullError,
    Limits,
    SendPlan,
    plan_send,
    select_coins,
    transaction_size,
    wanted_lanes,
)
from etdb.ledger.port import Coin, Outpoint, SignedTransaction

__all__ = ["Wallet", "is_same_payment", "is_signed_by", "payment"]


class Wallet:
    """Coins of one key, as the ledger showed them and as this wallet spent them since.

    Each message spends one coin and gives the change back, so a coin becomes a lane: a chain of transactions that
    hang on each other. Lanes are used evenly, the shallowest first. Ledgers limit what hangs on an unconfirmed
    transaction, all lanes together: so the lanes of a fan-out have their full length only when it is in a block.
    Unconfirmed families are joined only where nothing else pays, and then count as one.

    Args:
        key: signs; its address gets all change.
        network: of the address.
        limits: what the ledger allows and what may be paid.
        coins: as the ledger shows them now.
        first: coins to be spent before all others. A transaction that was given up can still be confirmed as long as
            its coin is free; spending that coin ends it.
    """

    def __init__(
        self,
        key: PrivateKey,
        network: Network,
        limits: Limits,
        coins: Iterable[Coin],
        *,
        first: Iterable[Outpoint] = (),
    ) -> None:
        self._key = key
        self._limits = limits
        self._first = frozenset(first)
        self._coins = {coin.outpoint: coin for coin in coins}
        self._used: dict[str, tuple[int, int]] = {}
        """Of each family of unconfirmed coins: how many transactions it has, and their bytes."""
        for coin in self._coins.values():
            if coin.chain_depth:
                count, size = self._used.get(coin.family, (0, 0))
                self._used[coin.family] = (max(count, coin.chain_depth), max(size, coin.chain_bytes))
        self.address = key.address(network)
        self._script = address_script(self.address, network)

    @property
    def balance_sat(self) -> int:
        """What all coins hold together."""
        return sum(coin.amount_sat for coin in self._coins.values())

    @property
    def coins(self) -> tuple[Coin, ...]:
        """The coins that are left."""
        return tuple(self._coins.values())

    def lanes_wanted(self, transactions: int) -> int:
        """Into how many lanes the coins should be split for this many messages; 0 when they will do."""
        return wanted_lanes(transactions, [self._as_used(coin) for coin in self._coins.values()], self._limits)

    def plan(self, data_sizes: Sequence[int]) -> SendPlan:
        """What messages of these sizes would take: transactions, bytes, fees, a fan-out, blocks."""
        return plan_send(data_sizes, [self._as_used(coin) for coin in self._coins.values()], self._limits)

    def reserve(self, signed: SignedTransaction) -> None:
        """Note a transaction that was signed earlier: its coins are spent, its change is there. Twice is once."""
        for coin in signed.spends:
            self._coins.pop(coin.outpoint, None)
        if signed.creates and signed.creates[0].outpoint not in self._coins:
            self._note(signed.spends, signed.creates, len(signed.raw))

    def fan_out(self, lanes: int, transactions: int) -> SignedTransaction:
        """A transaction that makes ``lanes`` coins, each good for its share of the transactions.

        Raises:
            InsufficientFundsError: the coins do not reach.
        """
        full_fee = self._limits.fee_sat(transaction_size(1, 1, self._limits.data_limit_bytes))
        share = -(-transactions // lanes) * full_fee + self._limits.dust_sat
        return self._build(self._choose(share * lanes, lanes + 1, 0), [share] * lanes, b"")

    def sign(self, data: bytes, *, first: Collection[Outpoint] = ()) -> SignedTransaction:
        """A transaction that carries these bytes.

        Args:
            data: at most ``data_limit_bytes``.
            first: coins to be spent before all others, if they can be.

        Raises:
            InputError: more bytes than a transaction may carry.
            ChainFullError: a block must come first.
            InsufficientFundsError: the coins cannot pay the fee.
        """
        if len(data) > self._limits.data_limit_bytes:
            raise InputError(
                f"{len(data)} bytes of text; a transaction carries at most {self._limits.data_limit_bytes}",
                hint="longer messages are sent in parts",
            )
        size = transaction_size(1, 1, len(data))
        least = self._limits.dust_sat + max(1, self._limits.fee_sat(size))
        room = [coin for coin in self._coins.values() if coin.amount_sat >= least and self._has_room(coin, size)]
        if room:
            return self._build((self._best(room, first),), [], data)
        if self._coins and not any(self._has_room(coin, size) for coin in self._coins.values()):
            raise self._full()
        # Small coins, none of which pays alone: together they may.
        return self._build(self._choose(self._limits.dust_sat, 1, len(data)), [], data)

    def _best(self, coins: Sequence[Coin], first: Collection[Outpoint]) -> Coin:
        """What goes before all others, else the shallowest, of these the richest."""
        for preferred in (first, self._first):
            if preferred:
                coins = [coin for coin in coins if coin.outpoint in preferred] or coins
        depth = min([coin.chain_depth for coin in coins])
        shallowest = [coin for coin in coins if coin.chain_depth == depth]
        return min(shallowest, key=lambda coin: (-coin.amount_sat, coin.outpoint.txid, coin.outpoint.vout))

    def _full(self) -> ChainFullError:
        return ChainFullError(
            f"every coin of {self.address} hangs on as many unconfirmed transactions as the ledger allows",
            hint="wait for a block, or raise max_unconfirmed_chain if your node allows longer chains",
        )

    def _choose(self, target_sat: int, outputs: int, data_bytes: int) -> tuple[Coin, ...]:
        """Coins that pay so much in one transaction: confirmed ones, else with as few families as will do.

        Raises:
            ChainFullError: those that may be joined now do not reach; when a block has come they may.
            InsufficientFundsError: all of them do not.
        """
        size = transaction_size(1, outputs, data_bytes)
        together = [coin for coin in self._coins.values() if not coin.chain_depth]
        families: dict[str, list[Coin]] = {}
        for coin in self._coins.values():
            if coin.chain_depth:
                families.setdefault(coin.family, []).append(coin)
        count = used_bytes = 0
        by_wealth = sorted(families, key=lambda name: -sum(coin.amount_sat for coin in families[name]))
        for name in (None, *by_wealth):
            if name is not None:
                more, more_bytes = self._used[name]
                if (
                    count + more >= self._limits.max_chain
                    or used_bytes + more_bytes + size > self._limits.max_chain_bytes
                ):
                    continue
                count, used_bytes = count + more, used_bytes + more_bytes
                together += families[name]
            try:
                return select_coins(together, target_sat, outputs, data_bytes, self._limits, address=self.address)
            except InsufficientFundsError:
                continue
        # Raises when even all of them do not reach.
        everything = list(self._coins.values())
        select_coins(everything, target_sat, outputs, data_bytes, self._limits, address=self.address)
        raise self._full()

    def _has_room(self, coin: Coin, size_bytes: int) -> bool:
        count, used_bytes = self._used[coin.family] if coin.chain_depth else (0, 0)
        return count < self._limits.max_chain and used_bytes + size_bytes <= self._limits.max_chain_bytes

    def _as_used(self, coin: Coin) -> Coin:
        """A coin with what its whole family has used up by now."""
        if not coin.chain_depth:
            return coin
        count, size = self._used[coin.family]
        return msgspec.structs.replace(coin, chain_depth=count, chain_bytes=size)

    def _note(self, spent: Sequence[Coin], made: Sequence[Coin], size_bytes: int) -> tuple[Coin, ...]:
        """Keep new coins, and what they use up with all that hang together; the coins as they are kept."""
        joined = list(dict.fromkeys(coin.family for coin in spent if coin.chain_depth)) or [made[0].outpoint.txid]
        family = joined[0]
        uses = [self._used.pop(name, (0, 0)) for name in joined]
        self._used[family] = 1 + sum(count for count, _ in uses), size_bytes + sum(size for _, size in uses)
        for coin in list(self._coins.values()) if len(joined) > 1 else ():
            if coin.chain_depth and coin.family in joined:
                self._coins[coin.outpoint] = msgspec.structs.replace(coin, family=family)
        depth = 1 + sum(coin.chain_depth for coin in spent)
        size = size_bytes + sum(coin.chain_bytes for coin in spent)
        kept = tuple(msgspec.structs.replace(coin, family=family, chain_depth=depth, chain_bytes=size) for coin in made)
        self._coins.update((coin.outpoint, coin) for coin in kept)
        return kept

    def _build(self, chosen: Sequence[Coin], amounts: Sequence[int], data: bytes) -> SignedTransaction:
        total = sum(coin.amount_sat for coin in chosen)
        size = transaction_size(len(chosen), len(amounts) + 1, len(data))
        fee = self._limits.fee_sat(size)
        if fee > self._limits.max_fee_sat:
            raise InsufficientFundsError(
                f"one transaction would cost {fee} satoshi, more than the {self._limits.max_fee_sat} that are allowed",
                hint="raise max_fee_sat under [limits] in etdb.toml if that is meant",
            )
        change = total - sum(amounts) - fee
        outputs = [TxOutput(amount, self._script) for amount in amounts]
        if change >= self._limits.dust_sat:
            outputs.append(TxOutput(change, self._script))
        else:
            fee += change  # too little to be a coin: the miner's
        transaction = sign_all(
            Transaction(
                inputs=tuple(TxInput(coin.outpoint.txid, coin.outpoint.vout) for coin in chosen),
                outputs=tuple(outputs),
                flo_data=data,
            ),
            self._key,
        )
        raw = transaction.encode()
        made = [
            Coin(outpoint=Outpoint(transaction.txid, vout), amount_sat=coin.value_sat, address=self.address)
            for vout, coin in enumerate(transaction.outputs)
        ]
        for coin in chosen:
            del self._coins[coin.outpoint]
        creates = self._note(chosen, made, len(raw))
        return SignedTransaction(txid=transaction.txid, raw=raw, fee_sat=fee, spends=tuple(chosen), creates=creates)


def payment(raw: bytes) -> Transaction:
    """A transaction without its signatures: what a stranger cannot change on the way."""
    transaction = parse_transaction(raw)
    inputs = tuple(msgspec.structs.replace(one, script_sig=b"") for one in transaction.inputs)
    return msgspec.structs.replace(transaction, inputs=inputs, witnesses=())


def is_same_payment(first: bytes, second: bytes) -> bool:
    """Whether two transactions differ in nothing but their signatures."""
    return payment(first) == payment(second)


def is_signed_by(raw: bytes, address: str, network: Network) -> bool:
    """Whether a transaction spends a coin of this address, as its inputs show; its signatures are not checked."""
    transaction = parse_transaction(raw)
    shown = (input_key(transaction, index) for index in range(len(transaction.inputs)))
    return any(one is not None and one[1].address(network) == address for one in shown)
