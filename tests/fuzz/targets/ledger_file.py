"""A ledger file is refused in our own words, or verified with one form: its sections encode to the very bytes.

Digests are mended first, as who changes a file on purpose would: else nothing behind them is ever reached.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from etdb import flo
from etdb.errors import FormatError, VerificationError
from etdb.ledger import archive_format as form
from etdb.ledger.archive_proofs import join_branches
from etdb.ledger.archive_scan import scan_file

_NAME = Path("fuzzed.etdb-ledger")


def _file(messages: dict[int, bytes]) -> bytes:
    """The network's first block and one that has these messages' transactions, by their places."""
    first = flo.parse_block(flo.REGTEST.genesis_block)
    transactions = [flo.build_coinbase(place + 1, 0, b"", messages.get(place, b"")) for place in range(4)]
    ids = [one.txid for one in transactions]
    header = flo.BlockHeader(
        version=4,
        prev_hash=first.header.block_hash,
        merkle_root=flo.merkle_root(ids),
        time_s=first.header.time_s + 40,
        bits=0x207FFFFF,
        nonce=0,
    ).encode()
    proof = join_branches({place: flo.make_proof(ids, place).branch for place in messages})
    carried = form.CarriedBlock(
        1, tuple(form.CarriedTransaction(place, transactions[place].encode()) for place in sorted(messages)), proof
    )
    stubs = tuple(form.header_stub(one) for one in (first.header.encode(), header))
    out = form.encode_preamble(form.Preamble(network="regtest", start=0, after="00" * 32, messages="all"))
    end = form.encode_end(1, flo.sha256d(header))
    for payload, is_end in ((form.encode_section(form.Section(stubs, (carried,))), False), (end, True)):
        out += form.encode_frame(payload, is_end=is_end) + payload
        out += hashlib.sha256(out).digest()
    return out


def seeds() -> list[bytes]:
    return [_file({0: b"text:a"}), _file({0: b"json:{}", 3: b"x" * 300}), _file({1: b"1", 2: b"2", 3: b"3"})]


def check(data: bytes) -> None:
    data = _mended(data)
    descriptor = os.memfd_create("fuzzed")
    try:
        os.write(descriptor, data)
        checked = scan_file(descriptor, _NAME)
        for one in checked.sections:
            payload = data[one.offset : one.offset + one.length]
            assert form.encode_section(form.parse_section(payload)) == payload
        assert checked.size_bytes == len(data)
    except (FormatError, VerificationError):
        return
    finally:
        os.close(descriptor)


def _mended(data: bytes) -> bytes:
    with contextlib.suppress(FormatError):
        _, offset = form.parse_preamble(data[: form.MAX_PREAMBLE_BYTES])
        out = data[:offset]
        while True:
            frame = data[offset : offset + form.FRAME_BYTES]
            is_end, length = form.parse_frame(frame, offset)
            out += data[offset : offset + form.FRAME_BYTES + length]
            out += hashlib.sha256(out).digest()
            offset += form.FRAME_BYTES + length + form.DIGEST_BYTES
            if is_end:
                return out + data[offset:]
    return data
