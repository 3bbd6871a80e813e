"""The largest block, counts of more than one byte, versions without a text, and what is said of a block that is cut."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from etdb import flo
from etdb.errors import FormatError, VerificationError
from etdb.flo.cursor import Cursor, encode_varint
from etdb.flo.header_rules import HeaderRules

GENESIS = flo.parse_block(flo.REGTEST.genesis_block).header
WITH_WITNESS = flo.Transaction(
    inputs=(flo.TxInput("ab" * 32, 0),),
    outputs=(flo.TxOutput(1, b"\x51"),),
    flo_data=b"text behind a witness",
    witnesses=((b"shown",),),
)


def transaction(tag: int, script_bytes: int = 1, text: bytes = b"", version: int = 2) -> flo.Transaction:
    return flo.Transaction(
        version=version,
        inputs=(flo.TxInput(f"{tag:064x}", 0),),
        outputs=(flo.TxOutput(1, b"\x51" * script_bytes),),
        flo_data=text,
    )


def block_of(*transactions: flo.Transaction) -> flo.Block:
    root = flo.merkle_root([one.txid for one in transactions])
    return flo.Block(msgspec.structs.replace(GENESIS, prev_hash="12" * 32, merkle_root=root), transactions)


def found(block: flo.Block) -> list[tuple[int, str, bytes]]:
    return [(one.position, one.txid, one.flo_data) for one in flo.walk_flo_data(flo.encode_block(block))]


@pytest.mark.parametrize("count", [252, 253, 254])
def test_blocks_of_many_transactions(count):
    last = transaction(count, text=b"last")
    block = block_of(*(transaction(tag) for tag in range(1, count)), last)
    assert found(block) == [(count - 1, last.txid, b"last")]


@pytest.mark.parametrize("size", [252, 253, 254])
def test_scripts_and_texts_where_their_length_gets_wider(size):
    long, after = transaction(1, size, b"x" * size), transaction(2, text=b"after")
    assert found(block_of(long, after)) == [(0, long.txid, b"x" * size), (1, after.txid, b"after")]


def test_the_text_of_a_transaction_with_witnesses():
    raw = flo.encode_block(block_of(transaction(1), WITH_WITNESS, transaction(2, text=b"after")))
    first, second = flo.walk_flo_data(raw)
    assert (first.position, first.txid, first.flo_data) == (1, WITH_WITNESS.txid, b"text behind a witness")
    assert raw[first.offset : first.offset + first.length] == WITH_WITNESS.encode()
    assert second.flo_data == b"after"
    assert flo.scan_block(raw).carriers == (first, second)


@pytest.mark.parametrize(("version", "has_place"), [(1, False), (-(1 << 31) + 2, False), (1 << 23, True), (3, True)])
def test_all_four_bytes_of_a_version_count(version, has_place):
    text = b"told" if has_place else b""
    odd, after = transaction(1, text=text, version=version), transaction(2, text=b"after")
    told = [(0, odd.txid, text)] if has_place else []
    assert found(block_of(odd, after)) == [*told, (1, after.txid, b"after")]


def test_a_block_without_texts_is_named_by_its_header():
    block = block_of(transaction(1), transaction(2))
    scanned = flo.scan_block(flo.encode_block(block))
    assert (scanned.block_hash, scanned.previous_hash) == (block.header.block_hash, "12" * 32)
    assert scanned.carriers == ()


def test_what_is_said_of_a_block_that_is_cut_or_goes_on():
    raw = flo.encode_block(block_of(transaction(1), transaction(2)))
    for data, said in (
        (raw[: flo.HEADER_BYTES], "it ends within transaction 0"),
        (raw[:-1], "it ends within transaction 1"),
        (raw + b"\0\0", "2 bytes follow its end"),
    ):
        with pytest.raises(FormatError, match=said):
            flo.walk_flo_data(data)


def test_the_largest_block_and_one_byte_more():
    around = len(flo.encode_block(block_of(transaction(1, 70_000)))) - 70_000
    largest = block_of(transaction(1, flo.MAX_BLOCK_BYTES - around, b""))
    raw = flo.encode_block(largest)
    assert len(raw) == 4_000_000
    assert flo.parse_block(raw) == largest
    assert flo.walk_flo_data(raw) == []
    longer = flo.encode_block(block_of(transaction(1, flo.MAX_BLOCK_BYTES - around + 1)))
    for read in (flo.parse_block, flo.walk_flo_data):
        with pytest.raises(FormatError, match="4000001 bytes, more than any block may have"):
            read(longer)


def test_the_largest_transaction_and_one_byte_more():
    around = len(transaction(1, 70_000).encode()) - 70_000
    largest = transaction(1, 4_000_000 - around)
    assert flo.parse_transaction(largest.encode()) == largest
    with pytest.raises(FormatError, match="4000001 bytes, more than any block may have"):
        flo.parse_transaction(transaction(1, 4_000_001 - around).encode())


def test_a_transaction_of_nothing_is_read():
    """Neither inputs nor outputs: nodes read it, and no block may have it."""
    empty = flo.Transaction(inputs=(), outputs=(), lock_time=7, flo_data=b"text")
    assert flo.parse_transaction(empty.encode()) == empty


def test_a_count_that_cannot_be_is_refused_before_anything_is_read():
    assert Cursor(b"\x03" + bytes(27), "list").count(9) == 3
    with pytest.raises(FormatError, match="3 items cannot fit into the 26 bytes left"):
        Cursor(b"\x03" + bytes(26), "list").count(9)
    with pytest.raises(FormatError, match="5 items cannot fit into the 4 bytes left"):
        Cursor(b"\x05text", "text").text()
    with pytest.raises(FormatError, match="it ends at byte 2, 3 are needed"):
        Cursor(b"ab", "text").take(3)
    two_outputs = transaction(1).encode()[:46] + b"\x02"
    with pytest.raises(FormatError, match="2 items cannot fit into the 17 bytes left"):
        flo.parse_transaction(two_outputs + bytes(17))


def test_a_hash_may_be_the_target_itself(monkeypatch):
    target = flo.bits_to_target(GENESIS.bits)
    rules = HeaderRules(flo.REGTEST, check_pow=True)
    for number, is_enough in ((target - 1, True), (target, True), (target + 1, False)):
        digest = number.to_bytes(32, "little")
        monkeypatch.setattr(hashlib, "scrypt", lambda *_, shown=digest, **__: shown)
        header = msgspec.structs.replace(GENESIS, nonce=number & 0xFF)
        assert rules.has_work(header.encode(), header.bits) is is_enough
        if is_enough:
            flo.verify_pow(header, flo.REGTEST)
        else:
            with pytest.raises(VerificationError):
                flo.verify_pow(header, flo.REGTEST)


def test_the_hardest_target_takes_half_of_all_tries():
    hardest = msgspec.structs.replace(GENESIS, bits=0x01010000)
    assert hardest.work == 1 << 255


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0xFC, "fc"),
        (0xFD, "fdfd00"),
        (0xFFFF, "fdffff"),
        (0x1_0000, "fe00000100"),
        (0xFFFF_FFFF, "feffffffff"),
        (0x1_0000_0000, "ff0000000001000000"),
    ],
)
def test_a_compact_size_has_so_many_bytes(value, written):
    assert encode_varint(value).hex() == written
