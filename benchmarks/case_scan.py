"""The walk over blocks that looks for floData, beside hashing the same blocks and beside the full parse."""

from __future__ import annotations

import hashlib
import random

from benchmarks.measure import Figure, Settings, by_turns, rate
from etdb.flo import (
    Block,
    BlockHeader,
    Transaction,
    TxInput,
    TxOutput,
    build_coinbase,
    encode_block,
    parse_block,
    walk_flo_data,
)

_BLOCKS = 60_000
_DISTINCT = 3_000
_TRANSACTIONS = 190_000
_WITH_TEXT = 0.4  # of the transactions that are not coinbases
_MEAN_TEXT = 420


def make_blocks() -> list[bytes]:
    """Blocks as FLO has them: small, three transactions each on average, some with text."""
    random_ = random.Random(2018)
    script = bytes.fromhex("76a914") + bytes(20) + bytes.fromhex("88ac")
    mean = _TRANSACTIONS / _BLOCKS - 1
    blocks = []
    for height in range(_DISTINCT):
        transactions = [build_coinbase(height + 1, 25 * 10**8, script, b"miner" if random_.random() < 0.3 else b"")]
        for _ in range(int(mean) + (random_.random() < mean % 1)):
            text = random_.randbytes(int(random_.expovariate(1 / _MEAN_TEXT)) % 1040 + 1).hex()[:1040].encode()
            inputs = tuple(
                TxInput(random_.randbytes(32).hex(), 0, random_.randbytes(106))
                for _ in range(random_.choice((1, 1, 2)))
            )
            transactions.append(
                Transaction(
                    inputs=inputs,
                    outputs=(TxOutput(10**6, script), TxOutput(10**7, script)),
                    flo_data=text if random_.random() < _WITH_TEXT else b"",
                )
            )
        header = BlockHeader(
            version=2,
            prev_hash="00" * 32,
            merkle_root="00" * 32,
            time_s=1_400_000_000 + height,
            bits=0x207FFFFF,
            nonce=height,
        )
        blocks.append(encode_block(Block(header=header, transactions=tuple(transactions))))
    return blocks


def run(settings: Settings) -> list[Figure]:
    blocks = make_blocks()
    rounds = _BLOCKS // _DISTINCT

    def walk() -> int:
        return sum(len(list(walk_flo_data(block))) for _ in range(rounds) for block in blocks)

    def parse() -> int:
        return sum(len(parse_block(block).transactions) for block in blocks)

    def hash_all() -> None:
        for _ in range(rounds):
            for block in blocks:
                hashlib.sha256(hashlib.sha256(block).digest()).digest()

    found, parsed = walk(), parse() * rounds
    size = sum(map(len, blocks)) * rounds
    walked, hashed, full = by_turns(
        settings.turns,
        lambda: rate(_BLOCKS, walk),
        lambda: rate(_BLOCKS, hash_all),
        lambda: rate(_DISTINCT, parse),
    )
    note = (
        f"{_BLOCKS:,} blocks ({_DISTINCT:,} different), {parsed:,} transactions, "
        f"{found:,} with text, {size / 1e6:.0f} MB"
    )
    return [
        Figure(
            name="blocks scanned for floData",
            unit="blocks/s",
            ours=walked,
            reference=full,
            reference_name="the full parse (etdb.flo.parse_block)",
            note=note,
        ),
        Figure(
            name="blocks scanned, beside hashing them",
            unit="blocks/s",
            ours=walked,
            reference=hashed,
            reference_name="double SHA-256 of each block, nothing else",
            note=note,
        ),
    ]
