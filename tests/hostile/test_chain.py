"""Blocks, transactions and headers with lying counts, ids that strangers change, and headers without end."""

from __future__ import annotations

import random

import msgspec
import pytest
from tests.fuzz import material

from etdb import flo
from etdb.errors import EtdbError, FormatError, VerificationError
from etdb.testing.ledger import malleated
from etdb.trust import Outcome, check_transaction_signatures

HEADER = material.block()[: flo.HEADER_BYTES]
MOST = b"\xff" * 9
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def outpoint(script: bytes = b"\x00") -> bytes:
    return bytes(36) + script + b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    "tail",
    [
        MOST,
        b"\xfe\xff\xff\xff\xff",
        b"\x01\x02\0\0\0" + MOST,
        b"\x01\x02\0\0\0\x01" + bytes(36) + MOST,
        b"\x01\x02\0\0\0\x01" + outpoint() + MOST,
        b"\x01\x02\0\0\0\x01" + outpoint() + b"\x01" + bytes(8) + MOST,
        b"\x01\x02\0\0\0\x01" + outpoint() + b"\x01" + bytes(8) + b"\0" + bytes(4) + MOST,
        b"\x01\x02\0\0\0\0\x01\x01" + outpoint() + b"\x01" + bytes(8) + b"\0" + MOST,
        b"\xff" + (60_000).to_bytes(8, "little") + b"\x02\0\0\0",
        b"\xfd\x01\x00" + b"\x02\0\0\0",
    ],
    ids=[
        *("transactions", "transactions-32", "inputs", "script", "outputs", "output-script", "flo-data", "witness"),
        *("cut-off", "long-form-of-one"),
    ],
)
def test_counts_that_lie(spends, tail):
    """A count is only believed as far as there are bytes for it."""

    def read() -> list[str]:
        ends = []
        for parse in (flo.parse_block, flo.walk_flo_data, flo.scan_block):
            try:
                parse(HEADER + tail)
            except EtdbError as error:
                ends.append(type(error).__name__)
        return ends

    assert spends(read, at_most_mib=2).result == ["FormatError"] * 3


@pytest.mark.crash  # seconds
@pytest.mark.parametrize("kind", ["transactions", "inputs", "outputs", "text"])
def test_a_block_filled_to_the_limit_with_one_thing(spends, kind):
    """What 4 MB can unfold to: the scan keeps places only, the full parse a value for each."""
    empty = b"\x02\0\0\0\x01" + outpoint() + b"\x01" + bytes(9) + bytes(4) + b"\0"
    room = flo.MAX_BLOCK_BYTES - 200
    if kind == "transactions":
        count = room // len(empty)
        body = b"\xfe" + count.to_bytes(4, "little") + empty * count
    elif kind == "inputs":
        count = room // 41
        body = b"\x01\x02\0\0\0\xfe" + count.to_bytes(4, "little") + outpoint() * count + b"\x01" + bytes(14)
    elif kind == "outputs":
        count = room // 9
        body = b"\x01\x02\0\0\0\x01" + outpoint() + b"\xfe" + count.to_bytes(4, "little") + bytes(9 * count + 5)
    else:
        body = b"\x01" + empty[:-1] + b"\xfe" + room.to_bytes(4, "little") + b"t" * room
    block = HEADER + body
    assert len(block) <= flo.MAX_BLOCK_BYTES
    walked = spends(lambda: len(flo.walk_flo_data(block)), at_most_mib=12)
    assert walked.result == (kind == "text")
    parsed = spends(lambda: len(flo.parse_block(block).transactions), at_most_mib=160)
    assert parsed.error is None or isinstance(parsed.error, FormatError)


def test_a_block_that_repeats_transactions_behind_its_root():
    """CVE-2012-2459: the same root, another list."""
    for count in (3, 6, 7):
        texts = [b"text:%d" % number for number in range(count - 1)]
        block = flo.parse_block(material.block(*texts))
        repeated = count - (count & ~(count & -count))
        doubled = msgspec.structs.replace(block, transactions=block.transactions + block.transactions[-repeated:])
        assert flo.merkle_root([one.txid for one in block.transactions]) == block.header.merkle_root
        with pytest.raises((FormatError, VerificationError)):
            flo.scan_block(flo.encode_block(doubled))
        with pytest.raises(FormatError):
            flo.merkle_root([one.txid for one in doubled.transactions])


def forms_of(raw: bytes) -> dict[str, bytes]:
    """The same payment as strangers can write it: each has another id."""
    signed = flo.parse_transaction(raw)
    signature, key = flo.parse_pushes(signed.inputs[0].script_sig) or (b"", b"")
    der, kind = signature[:-1], signature[-1:]
    r_end = 4 + der[3]
    r, s = der[4:r_end], int.from_bytes(der[r_end + 2 :], "big")
    high = (CURVE_ORDER - s).to_bytes(33, "big").lstrip(b"\0")
    high = b"\0" + high if high[0] & 0x80 else high

    def with_signature(made: bytes) -> bytes:
        script = flo.push(made) + flo.push(key)
        one = msgspec.structs.replace(signed.inputs[0], script_sig=script)
        return msgspec.structs.replace(signed, inputs=(one, *signed.inputs[1:])).encode()

    def sequence(first: bytes, second: bytes) -> bytes:
        body = b"\x02" + bytes([len(first)]) + first + b"\x02" + bytes([len(second)]) + second
        return b"\x30" + bytes([len(body)]) + body

    return {
        "0x40 bit": malleated(raw),
        "high s": with_signature(sequence(r, high) + kind),
        "zeros before r": with_signature(sequence(b"\0\0" + r, der[r_end + 2 :]) + kind),
        "bytes behind": with_signature(der + b"\0" + kind),
        "long length": with_signature(b"\x30\x81" + der[1:] + kind),
    }


def test_ids_that_strangers_change_prove_the_same_or_nothing():
    """The text, the coins and the publisher are what they were, or the claim fails; the id may be another."""
    raw = flo.sign_all(material.transaction(b"text:signed"), material.KEY).encode()
    for name, form in forms_of(raw).items():
        parsed = flo.parse_transaction(form)
        assert parsed.txid != flo.parse_transaction(raw).txid, name
        found = check_transaction_signatures([(form, b"text:signed")], material.ADDRESS, flo.REGTEST)
        if found.outcome is Outcome.HELD:
            assert (parsed.flo_data, parsed.outputs) == (b"text:signed", flo.parse_transaction(raw).outputs)
        stranger = flo.PrivateKey(b"\x09" * 32).address(flo.REGTEST)
        wrong = check_transaction_signatures([(form, b"text:signed")], stranger, flo.REGTEST)
        assert wrong.outcome is Outcome.FAILED
        other = msgspec.structs.replace(parsed, flo_data=b"text:forged").encode()
        wrong = check_transaction_signatures([(other, b"text:forged")], material.ADDRESS, flo.REGTEST)
        assert wrong.outcome is Outcome.FAILED, name


@pytest.mark.crash  # seconds
def test_headers_without_end(spends):
    """5,000 headers of a stranger, in branches that all end in nothing: only so many are kept."""
    first = flo.parse_header(flo.REGTEST.genesis_block[: flo.HEADER_BYTES])
    choose = random.Random(1)

    def child(of: flo.BlockHeader, time_s: int) -> flo.BlockHeader:
        return flo.BlockHeader(
            version=4,
            prev_hash=of.block_hash,
            merkle_root=choose.randbytes(32).hex(),
            time_s=time_s,
            bits=of.bits,
            nonce=0,
        )

    best = [first]
    for number in range(60):
        best.append(child(best[-1], first.time_s + 60 * (number + 1)))

    def feed() -> tuple[int, int, int]:
        chain = flo.HeaderChain(flo.REGTEST, [first], max_side_headers=500)
        for header in best[1:]:
            chain.feed(header, now_s=2_000_000_000)
        for _ in range(5_000):
            fork = choose.randrange(50)
            chain.feed(child(best[fork], best[fork].time_s + 30), now_s=2_000_000_000)
        return chain.height, chain.side_headers, len(chain.state())

    cost = spends(feed, at_most_mib=4)
    height, aside, kept = cost.result
    assert height == 60
    assert aside <= 500
    assert kept < 80 * 700


@pytest.mark.parametrize("lie", ["time before the median", "time of tomorrow", "easier target", "no such parent"])
def test_a_header_that_lies_changes_nothing(lie):
    first = flo.parse_header(flo.REGTEST.genesis_block[: flo.HEADER_BYTES])
    chain = flo.HeaderChain(flo.REGTEST, [first])
    now_s = first.time_s + 10_000
    fields = {"version": 4, "prev_hash": first.block_hash, "merkle_root": "11" * 32, "bits": first.bits, "nonce": 0}
    wrong = {
        "time before the median": {"time_s": first.time_s - 1},
        "time of tomorrow": {"time_s": now_s + 86_400},
        "easier target": {"time_s": first.time_s + 60, "bits": 0x2100FFFF},
        "no such parent": {"time_s": first.time_s + 60, "prev_hash": "22" * 32},
    }[lie]
    (event,) = chain.feed(flo.BlockHeader(**{**fields, **wrong}), now_s=now_s)
    assert isinstance(event, flo.Refused)
    assert (chain.height, chain.side_headers) == (0, 0)
