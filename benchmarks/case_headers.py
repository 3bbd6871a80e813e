"""Headers linked and judged by every rule but proof of work, beside hashing them twice and nothing else."""

from __future__ import annotations

import hashlib
import random

import msgspec

from benchmarks.measure import Figure, Settings, by_turns, rate
from etdb.flo import HEADER_BYTES, MAIN, BlockHeader, HeaderChain, required_bits

_HEADERS = 200_000
_START = 100
_HEIGHT = 3_000_000
_PIECE = 2_000 * HEADER_BYTES  # what a node sends at once


def make_headers() -> list[BlockHeader]:
    """Headers as the main network's are today: times that jump about 40 s, a new target in each."""
    random_ = random.Random(2026)
    times: list[int] = []
    bits: list[int] = []
    headers: list[BlockHeader] = []
    for number in range(_START + _HEADERS):
        time_s = (times[-1] if times else 1_600_000_000) + 1 + int(random_.expovariate(1 / 39))
        target = required_bits(MAIN, _HEIGHT + number, time_s, times[-10:], bits[-10:]) if number > 10 else 0x1B3CF13F
        assert target is not None
        previous = headers[-1].block_hash if headers else "00" * 32
        headers.append(
            BlockHeader(
                version=0x20000000,
                prev_hash=previous,
                merkle_root=random_.randbytes(32).hex(),
                time_s=time_s,
                bits=target,
                nonce=number,
            )
        )
        times.append(time_s)
        bits.append(target)
    return headers


def run(settings: Settings) -> list[Figure]:
    headers = make_headers()
    start = headers[:_START]
    raw = b"".join(header.encode() for header in headers[_START:])
    network = msgspec.structs.replace(MAIN, checkpoints=())  # made-up headers are not among the known ones

    def link(way: str) -> None:
        chain = HeaderChain(network, start, _HEIGHT + _START - 1)
        take = getattr(chain, way)
        grown = sum(len(take(raw[at : at + _PIECE], now_s=2**32)) for at in range(0, len(raw), _PIECE))
        assert grown == _HEADERS == chain.height - _HEIGHT - _START + 1

    def hash_all() -> None:
        for at in range(0, len(raw), HEADER_BYTES):
            hashlib.sha256(hashlib.sha256(raw[at : at + HEADER_BYTES]).digest()).digest()

    many, one, hashed = by_turns(
        settings.turns,
        lambda: rate(_HEADERS, lambda: link("feed_many")),
        lambda: rate(_HEADERS, lambda: link("feed")),
        lambda: rate(_HEADERS, hash_all),
    )
    return [
        Figure(
            name="headers linked and judged (target, time, version, checkpoints), proof of work apart",
            unit="headers/s",
            ours=many,
            reference=hashed,
            reference_name="each header hashed twice, and nothing else",
            note=f"{_HEADERS:,} headers, one core; one by one (HeaderChain.feed) {one:,.0f} headers/s; "
            "bound by Python's whole numbers (targets, work), and for a fifth by hashing",
        )
    ]
