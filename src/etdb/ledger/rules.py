"""What makes a block or a pending transaction acceptable: rules apart from storage.

The consensus rules are those that a full FLO node applies to blocks of P2PKH transactions on regtest; the policy
rules are what nodes relay. ``reason`` uses the nodes' own words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from etdb.errors import RefusedError, VerificationError
from etdb.flo import (
    MAX_FLO_DATA_BYTES,
    MAX_MONEY_SAT,
    Block,
    CannotJudgeError,
    Network,
    Transaction,
    encode_height,
    parse_keys,
    parse_pushes,
    script_address,
    verify_input,
    verify_merkle_root,
    verify_pow,
)
from etdb.ledger.coins import Limits
from etdb.ledger.port import Outpoint

__all__ = [
    "KnownCoin",
    "check_block",
    "check_message",
    "check_policy",
    "check_transaction",
    "median_time_s",
    "signature_operations",
]

MAX_TRANSACTION_BYTES: Final = 100_000
MAX_BLOCK_WEIGHT: Final = 4_000_000
MAX_SIGNATURE_OPERATIONS: Final = 20_000
"""Of a block; nodes count them four times, to 80,000."""
FUTURE_S: Final = 7200
_CHECK_SIGNATURE: Final = frozenset({0xAC, 0xAD})
_CHECK_MULTIPLE: Final = frozenset({0xAE, 0xAF})
_LAST: Final = 0xFFFFFFFF
LOWEST_BLOCK_VERSION: Final = 4


class KnownCoin(msgspec.Struct, frozen=True, kw_only=True):
    """An output as the chain knows it.

    ``height`` is None while its transaction waits for a block; ``is_spent`` is false while only a pending
    transaction spends it.
    """

    amount_sat: int
    script: bytes
    height: int | None
    coinbase: bool
    spent_by: str | None
    is_spent: bool = False


def _refuse(reason: str, message: str, hint: str = "", **fields: object) -> RefusedError:
    return RefusedError(message, hint=hint, reason=reason, **fields)


def check_transaction(
    transaction: Transaction,
    coins: Sequence[KnownCoin | None],
    height: int,
    network: Network,
    *,
    signatures: bool = True,
) -> int:
    """Check a transaction against the coins that it spends, as of a block of ``height``; its fee in satoshi.

    Raises:
        RefusedError: with the reason.
    """
    txid = transaction.txid
    if not transaction.outputs:
        raise _refuse("bad-txns-vout-empty", f"transaction {txid} pays nobody", txid=txid)
    if transaction.witnesses:
        raise _refuse("no-witness-yet", f"transaction {txid} has witnesses; this chain has no segwit", txid=txid)
    if not _is_final(transaction, height):
        raise _refuse("bad-txns-nonfinal", f"transaction {txid} asks to wait for a later block or time", txid=txid)
    paid = 0
    for output in transaction.outputs:
        if not 0 <= output.value_sat <= MAX_MONEY_SAT:
            raise _refuse("bad-txns-vout-toolarge", f"transaction {txid} has an impossible amount", txid=txid)
        paid += output.value_sat
    if paid > MAX_MONEY_SAT:
        raise _refuse("bad-txns-txouttotal-toolarge", f"transaction {txid} pays more than there is", txid=txid)
    spent = [Outpoint(one.txid, one.vout) for one in transaction.inputs]
    if len(set(spent)) != len(spent):
        raise _refuse("bad-txns-inputs-duplicate", f"transaction {txid} spends a coin twice", txid=txid)
    total = 0
    for index, coin in enumerate(coins):
        if coin is None:
            raise _refuse(
                "missing-inputs",
                f"transaction {txid} spends a coin that is not on this chain: {spent[index].txid}:{spent[index].vout}",
                "send the transaction that makes this coin first",
                txid=txid,
            )
        if coin.coinbase and coin.height is not None and height - coin.height < network.coinbase_maturity:
            raise _refuse(
                "bad-txns-premature-spend-of-coinbase",
                f"transaction {txid} spends coins that were mined {height - coin.height} blocks ago",
                f"wait until they are {network.coinbase_maturity} blocks old",
                txid=txid,
            )
        total += coin.amount_sat
        if signatures:
            try:
                verify_input(transaction, index, coin.script, coin.amount_sat)
            except (VerificationError, CannotJudgeError) as error:
                raise _refuse("mandatory-script-verify-flag-failed", str(error), txid=txid, input=index) from error
    if total < paid:
        raise _refuse("bad-txns-in-belowout", f"transaction {txid} pays {paid} satoshi out of {total}", txid=txid)
    return total - paid


def check_policy(transaction: Transaction, size_bytes: int, fee_sat: int, limits: Limits, network: Network) -> None:
    """Check what nodes relay, beyond what blocks may hold.

    Raises:
        RefusedError: with the reason.
    """
    txid = transaction.txid
    if not 1 <= transaction.version <= 2:
        raise _refuse("version", f"transaction {txid} is of version {transaction.version}", txid=txid)
    if size_bytes > MAX_TRANSACTION_BYTES:
        raise _refuse("tx-size", f"transaction {txid} has {size_bytes} bytes", txid=txid)
    check_message(transaction)
    if transaction.version >= 2 and any(_waits(one.sequence) for one in transaction.inputs):
        raise _refuse("non-BIP68-final", f"transaction {txid} asks that its coins be older", txid=txid)
    for output in transaction.outputs:
        if script_address(output.script, network) is None:
            raise _refuse("scriptpubkey", f"transaction {txid} pays to a script that is not relayed", txid=txid)
        if output.value_sat < limits.dust_sat:
            raise _refuse("dust", f"transaction {txid} makes a coin of {output.value_sat} satoshi", txid=txid)
    least = -(-size_bytes * limits.min_relay_sat_per_kb // 1000)
    if fee_sat < least:
        raise _refuse(
            "min relay fee not met",
            f"transaction {txid} pays {fee_sat} satoshi; {least} are the least for its size",
            "raise fee_rate_sat_per_kb under [limits] in etdb.toml",
            txid=txid,
        )


def check_message(transaction: Transaction) -> None:
    """Check the length of a message: nodes relay no longer ones, but not all of them look.

    Raises:
        RefusedError: with the reason.
    """
    txid, size = transaction.txid, len(transaction.flo_data)
    if size > MAX_FLO_DATA_BYTES:
        raise _refuse(
            "flo-data-too-large",
            f"transaction {txid} carries {size} bytes of text; {MAX_FLO_DATA_BYTES} are relayed",
            "send longer messages in parts",
            txid=txid,
        )


def check_block(
    block: Block,
    *,
    size_bytes: int,
    height: int,
    previous_hash: str,
    median_s: int,
    now_s: int,
    network: Network,
    find_coin: Callable[[Outpoint], KnownCoin | None],
    is_checked: Callable[[Transaction], bool],
) -> int:
    """Check a block as the next of the chain; the fees that it collects.

    Args:
        block: what is checked.
        size_bytes: its length as it was read.
        height: where it goes.
        previous_hash: the tip that it must follow.
        median_s: the median time of the eleven blocks before; its time must be later.
        now_s: its time must not be two hours beyond.
        network: whose rules.
        find_coin: an unspent output of the chain as it stands, or None.
        is_checked: whether a transaction's signatures are known to be right already.

    Raises:
        RefusedError: with the reason.
    """
    header = block.header
    name = f"block {header.block_hash}"
    if header.prev_hash != previous_hash:
        raise _refuse("prev-blk-not-found", f"{name} follows {header.prev_hash}, the tip is {previous_hash}")
    if network.retargets is False and header.bits != _limit_bits(network):
        raise _refuse("bad-diffbits", f"{name} has bits {header.bits:08x}")
    if header.version < LOWEST_BLOCK_VERSION:
        raise _refuse("bad-version", f"{name} is of version {header.version}")
    if not median_s < header.time_s <= now_s + FUTURE_S:
        raise _refuse("time-too-old" if header.time_s <= median_s else "time-too-new", f"{name} has a wrong time")
    try:
        verify_pow(header, network)
        verify_merkle_root(block)
    except VerificationError as error:
        raise _refuse("high-hash" if "work" in str(error) else "bad-txnmrklroot", str(error)) from error
    coinbase, *others = block.transactions
    if not coinbase.is_coinbase or any(one.is_coinbase for one in others):
        raise _refuse("bad-cb-missing", f"{name} has not one coinbase, in the first place")
    if not coinbase.outputs:
        raise _refuse("bad-txns-vout-empty", f"the coinbase of {name} pays nobody")
    if not _is_final(coinbase, height):
        raise _refuse("bad-txns-nonfinal", f"the coinbase of {name} asks to wait")
    script = coinbase.inputs[0].script_sig
    if not 2 <= len(script) <= 100 or not script.startswith(encode_height(height)):
        raise _refuse("bad-cb-height", f"the coinbase of {name} does not begin with its height {height}")
    if size_bytes * 4 > MAX_BLOCK_WEIGHT:
        raise _refuse("bad-blk-weight", f"{name} has {size_bytes} bytes")
    if sum(map(signature_operations, block.transactions)) > MAX_SIGNATURE_OPERATIONS:
        raise _refuse("bad-blk-sigops", f"{name} asks for more than {MAX_SIGNATURE_OPERATIONS} signature checks")
    if coinbase.witnesses or any(not 0 <= output.value_sat <= MAX_MONEY_SAT for output in coinbase.outputs):
        raise _refuse("bad-cb-amount", f"the coinbase of {name} has witnesses or an impossible amount")
    made: dict[Outpoint, KnownCoin] = {}
    gone: set[Outpoint] = set()
    fees = 0
    for transaction in others:
        coins: list[KnownCoin | None] = []
        for one in transaction.inputs:
            outpoint = Outpoint(one.txid, one.vout)
            coins.append(None if outpoint in gone else made.get(outpoint) or find_coin(outpoint))
            gone.add(outpoint)
        fees += check_transaction(transaction, coins, height, network, signatures=not is_checked(transaction))
        _note(made, transaction, height, coinbase=False)
    created = sum(output.value_sat for output in coinbase.outputs)
    if created > network.subsidy_sat(height) + fees:
        raise _refuse("bad-cb-amount", f"the coinbase of {name} creates {created} satoshi, more than it may")
    return fees


def signature_operations(transaction: Transaction) -> int:
    """Signature checks that a transaction's own scripts ask for, and those behind a hash that its inputs show.

    Nodes count the latter (BIP 16) only where the coin has that form; looking at every input counts a few too many.
    """
    scripts = [one.script_sig for one in transaction.inputs] + [output.script for output in transaction.outputs]
    return sum(map(_operations, scripts)) + sum(_behind_hash(one.script_sig) for one in transaction.inputs)


def _behind_hash(script_sig: bytes) -> int:
    if script_sig[-1:] not in (b"\xac", b"\xae"):
        return 0
    shown = parse_pushes(script_sig)
    asked = parse_keys(shown[-1]) if shown else None
    return len(asked[1]) if asked else 1


def _operations(script: bytes) -> int:
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return 1  # the form of nearly every output
    count = offset = 0
    while offset < len(script):
        operation = script[offset]
        offset += 1
        if operation < 76:
            offset += operation
        elif operation <= 78:
            width = 1 << (operation - 76)
            offset += width + int.from_bytes(script[offset : offset + width], "little")
        else:
            count += operation in _CHECK_SIGNATURE
            count += 20 * (operation in _CHECK_MULTIPLE)
    return count


def _is_final(transaction: Transaction, height: int) -> bool:
    """Whether it may stand in a block of this height. A lock on time is taken as still closed, whatever the time."""
    if transaction.lock_time < height or all(one.sequence == _LAST for one in transaction.inputs):
        return True
    return transaction.lock_time == 0


def _waits(sequence: int) -> bool:
    """Whether an input asks for a coin of some age (BIP 68)."""
    return not sequence & 0x80000000 and bool(sequence & 0xFFFF)


def median_time_s(times_s: Sequence[int]) -> int:
    """The median of the last blocks' times; 0 before the first."""
    return sorted(times_s)[len(times_s) // 2] if times_s else 0


def _note(made: dict[Outpoint, KnownCoin], transaction: Transaction, height: int, *, coinbase: bool) -> None:
    for vout, output in enumerate(transaction.outputs):
        made[Outpoint(transaction.txid, vout)] = KnownCoin(
            amount_sat=output.value_sat, script=output.script, height=height, coinbase=coinbase, spent_by=None
        )


def _limit_bits(network: Network) -> int:
    """The short form of the easiest target, which every block has where difficulty never changes."""
    size = (network.pow_limit.bit_length() + 7) // 8
    word = network.pow_limit >> 8 * (size - 3)
    return size << 24 | word
