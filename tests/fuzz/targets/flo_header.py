"""Any 80 bytes are a header or refused; a chain takes or refuses it with a reason, and goes on from its own state."""

from __future__ import annotations

import contextlib

from etdb import flo
from etdb.errors import FormatError

FIRST = flo.parse_header(flo.REGTEST.genesis_block[: flo.HEADER_BYTES])


def _child(previous: flo.BlockHeader, time_s: int) -> flo.BlockHeader:
    return flo.BlockHeader(
        version=2,
        prev_hash=previous.block_hash,
        merkle_root="11" * 32,
        time_s=time_s,
        bits=previous.bits,
        nonce=0,
    )


def seeds() -> list[bytes]:
    chain = [FIRST]
    for number in range(4):
        chain.append(_child(chain[-1], FIRST.time_s + 40 * (number + 1)))
    rival = _child(chain[2], FIRST.time_s + 500)
    raw = b"".join(one.encode() for one in chain[1:])
    return [chain[1].encode(), raw, raw + rival.encode() + _child(rival, FIRST.time_s + 600).encode()]


def check(data: bytes) -> None:
    chain = flo.HeaderChain(flo.REGTEST, [FIRST], max_side_headers=8)
    for start in range(0, min(len(data), 20 * flo.HEADER_BYTES), flo.HEADER_BYTES):
        raw = data[start : start + flo.HEADER_BYTES]
        try:
            header = flo.parse_header(raw)
        except FormatError:
            assert len(raw) != flo.HEADER_BYTES
            continue
        assert header.encode() == raw
        with contextlib.suppress(FormatError):
            assert flo.target_to_bits(flo.bits_to_target(header.bits)) <= 0xFFFFFFFF
        chain.feed(header, now_s=2_000_000_000)
    kept = chain.state()
    assert flo.HeaderChain.from_state(flo.REGTEST, kept, max_side_headers=8).state() == kept
