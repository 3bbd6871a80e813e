"""The scan of blocks for floData, beside the full parse of the same blocks; scrypt by itself."""

from __future__ import annotations

import hashlib
import random

from benchmarks.measure import Figure, Settings, by_turns, rate
from etdb.flo import (
    HEADER_BYTES,
    Block,
    BlockHeader,
    Transaction,
    TxInput,
    TxOutput,
    build_coinbase,
    encode_block,
    merkle_root,
    parse_block,
    parse_header,
    scan_blocks,
)

_BLOCKS = 60_000
_DISTINCT = 3_000
_PROOFS = 3_000
_TRANSACTIONS = 190_000
_MEAN_TEXT = 420
# Where text stands: in 2 of 5 transactions and 3 of 10 coinbases, so in 3 of 4 blocks; or in 1 of 4 blocks.
_OFTEN = (0.4, 0.3)
_SELDOM = (0.1, 0.05)


def make_blocks(with_text: float, miners: float) -> list[bytes]:
    """A chain of blocks as FLO has them: small, three transactions each on average, some with text."""
    random_ = random.Random(2018)
    script = bytes.fromhex("76a914") + bytes(20) + bytes.fromhex("88ac")
    mean = _TRANSACTIONS / _BLOCKS - 1
    blocks: list[bytes] = []
    previous = "00" * 32
    for height in range(_DISTINCT):
        transactions = [build_coinbase(height + 1, 25 * 10**8, script, b"miner" if random_.random() < miners else b"")]
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
                    flo_data=text if random_.random() < with_text else b"",
                )
            )
        header = BlockHeader(
            version=2,
            prev_hash=previous,
            merkle_root=merkle_root([one.txid for one in transactions]),
            time_s=1_400_000_000 + height,
            bits=0x207FFFFF,
            nonce=height,
        )
        previous = header.block_hash
        blocks.append(encode_block(Block(header=header, transactions=tuple(transactions))))
    return blocks


def run(settings: Settings) -> list[Figure]:
    return [figure for share in (_OFTEN, _SELDOM) for figure in _measure(settings, make_blocks(*share))] + [
        _scrypt(settings)
    ]


def _measure(settings: Settings, blocks: list[bytes]) -> list[Figure]:
    rounds = _BLOCKS // _DISTINCT

    def scan() -> int:
        return sum(len(block.carriers) for _ in range(rounds) for block in scan_blocks(blocks))

    def parse() -> int:
        return sum(len(parse_block(block).transactions) for block in blocks)

    def hash_all() -> None:
        for _ in range(rounds):
            for block in blocks:
                hashlib.sha256(hashlib.sha256(block).digest()).digest()

    found, parsed = scan(), parse() * rounds
    share = sum(1 for block in scan_blocks(blocks) if block.carriers) / len(blocks)
    size = sum(map(len, blocks)) * rounds
    scanned, full, hashed = by_turns(
        settings.turns,
        lambda: rate(_BLOCKS, scan),
        lambda: rate(_DISTINCT, parse),
        lambda: rate(_BLOCKS, hash_all),
    )
    name = f"blocks scanned to their floData, links and Merkle roots checked, text in {share:.0%} of blocks"
    note = (
        f"{_BLOCKS:,} blocks ({_DISTINCT:,} different), {parsed:,} transactions, {found:,} with text, "
        f"{size / 1e6:.0f} MB, one core; aim 100,000 blocks/s; "
        f"hashing each block whole, and nothing else, goes at {hashed:,.0f} blocks/s; bound by walking through the "
        "bytes in Python, and for a quarter by SHA-256 of small pieces"
    )
    reference = "the full parse (etdb.flo.parse_block), nothing checked"
    return [Figure(name=name, unit="blocks/s", ours=scanned, reference=full, reference_name=reference, note=note)]


def _scrypt(settings: Settings) -> Figure:
    raw = make_blocks(*_SELDOM)[0][:HEADER_BYTES]

    def ours() -> None:
        for _ in range(_PROOFS):
            _ = parse_header(raw).pow_hash

    def bare() -> None:
        for _ in range(_PROOFS):
            hashlib.scrypt(raw, salt=raw, n=1024, r=1, p=1, dklen=32)

    proved, hashed = by_turns(settings.turns, lambda: rate(_PROOFS, ours), lambda: rate(_PROOFS, bare))
    return Figure(
        name="proofs of work checked (scrypt), apart from the scan",
        unit="headers/s",
        ours=proved,
        reference=hashed,
        reference_name="hashlib.scrypt of the same 80 bytes",
        note="one core; bound by scrypt itself",
    )
