"""The walk's short cut for transactions of the usual form, and the scan's checks, beside the full parse."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb import flo
from etdb.errors import FormatError, VerificationError

INPUT_SCRIPTS = st.sampled_from([0, 2, 3, 23, 40, 41, 0x46, 0x47, 0x49, 0x4A, 0x6A, 0x6C, 0x6D, 0x8B, 0xFC, 0xFD, 300])
OUTPUT_SCRIPTS = st.sampled_from([0, 0x16, 0x17, 0x18, 0x19, 0x22, 0x23, 0x43, 0xFD])
TRANSACTIONS = st.builds(
    flo.Transaction,
    version=st.sampled_from([-1, 0, 1, 2, 3, 258]),
    inputs=st.lists(
        st.builds(
            lambda tag, size: flo.TxInput(f"{tag:064x}", 0, bytes([tag]) * size), st.integers(1, 255), INPUT_SCRIPTS
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    outputs=st.lists(
        st.builds(lambda size: flo.TxOutput(5, b"\x02" * size), OUTPUT_SCRIPTS), min_size=1, max_size=4
    ).map(tuple),
    lock_time=st.sampled_from([0, 2, 2**32 - 1]),
)
TEXTS = st.sampled_from([b"", b"x", b"\x02\0\0\0", b"y" * 0xFC, b"z" * 0xFD, b"w" * 1040])


@st.composite
def chains(draw: st.DrawFn) -> list[flo.Block]:
    """Up to three blocks, each behind the other, whose headers commit to their transactions."""
    blocks = []
    previous = "00" * 32
    for time_s in range(draw(st.integers(1, 3))):
        bare = draw(st.lists(TRANSACTIONS, min_size=1, max_size=5, unique_by=lambda one: one.txid))
        transactions = tuple(
            msgspec.structs.replace(one, flo_data=draw(TEXTS)) if one.version >= 2 else one for one in bare
        )
        header = flo.BlockHeader(
            version=2,
            prev_hash=previous,
            merkle_root=flo.merkle_root([one.txid for one in transactions]),
            time_s=time_s,
            bits=0x207FFFFF,
            nonce=0,
        )
        previous = header.block_hash
        blocks.append(flo.Block(header=header, transactions=transactions))
    return blocks


@given(chains())
def test_a_scan_finds_what_the_full_parse_finds(chain: list[flo.Block]) -> None:
    raws = [flo.encode_block(block) for block in chain]
    found = list(flo.scan_blocks(raws, "00" * 32))
    assert [(one.block_hash, one.previous_hash, one.time_s) for one in found] == [
        (block.header.block_hash, block.header.prev_hash, block.header.time_s) for block in chain
    ]
    for one, block, raw in zip(found, chain, raws, strict=True):
        parsed = flo.parse_block(raw)
        assert list(one.carriers) == flo.walk_flo_data(raw)
        assert [(each.position, each.txid, each.flo_data) for each in one.carriers] == [
            (place, each.txid, each.flo_data) for place, each in enumerate(parsed.transactions) if each.flo_data
        ]
        assert parsed == block


@given(chains(), st.data())
def test_one_changed_byte_of_a_transaction_is_seen_where_there_is_text(chain, data) -> None:
    block = chain[0]
    raw = bytearray(flo.encode_block(block))
    place = data.draw(st.integers(flo.HEADER_BYTES + 1, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    had_text = any(one.flo_data for one in block.transactions)
    try:
        found = flo.scan_block(bytes(raw))
    except (FormatError, VerificationError):
        return
    assert not found.carriers
    assert not had_text or not flo.walk_flo_data(bytes(raw))


@given(chains(), st.data())
def test_a_whole_scan_finds_the_same_and_sees_every_changed_byte(chain, data) -> None:
    raw = flo.encode_block(chain[0])
    whole = flo.scan_whole_block(raw)
    assert whole.carriers == [one.position for one in flo.scan_block(raw).carriers]
    assert [flo.display_hex(one) for one in whole.row] == [one.txid for one in chain[0].transactions]
    everywhere = range(len(whole.row))
    assert [whole.transaction(raw, place) for place in everywhere] == [one.encode() for one in chain[0].transactions]
    for place, one in enumerate(chain[0].transactions):
        proof = flo.MerkleProof(txid=one.txid, index=place, branch=tuple(whole.branch(place)))
        flo.verify_proof(proof, chain[0].header.merkle_root)
    changed = bytearray(raw)
    changed[data.draw(st.integers(flo.HEADER_BYTES + 1, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((FormatError, VerificationError)):
        flo.scan_whole_block(bytes(changed))


@given(TRANSACTIONS, st.booleans())
def test_the_spent_coins_are_those_of_the_full_parse(transaction: flo.Transaction, has_witnesses: bool) -> None:
    if has_witnesses:
        transaction = msgspec.structs.replace(transaction, witnesses=((b"w",),) * len(transaction.inputs))
    raw = transaction.encode()
    assert flo.spent_outpoints(raw) == [
        bytes.fromhex(one.txid)[::-1] + one.vout.to_bytes(4, "little") for one in transaction.inputs
    ]
    with pytest.raises(FormatError):
        flo.spent_outpoints(raw[:40])


def make_block(*texts: bytes, previous: str = "00" * 32) -> bytes:
    transactions = tuple(
        flo.Transaction(
            inputs=(flo.TxInput("11" * 32, place, b"\x02" * 0x6B),), outputs=(flo.TxOutput(1, b"s"),), flo_data=text
        )
        for place, text in enumerate(texts)
    )
    header = flo.BlockHeader(
        version=2,
        prev_hash=previous,
        merkle_root=flo.merkle_root([one.txid for one in transactions]),
        time_s=0,
        bits=0x207FFFFF,
        nonce=0,
    )
    return flo.encode_block(flo.Block(header=header, transactions=transactions))


def test_a_block_that_follows_another_is_refused() -> None:
    first = make_block(b"one")
    stray = make_block(b"two", previous="ab" * 32)
    assert [one.carriers[0].flo_data for one in flo.scan_blocks([first])] == [b"one"]
    with pytest.raises(VerificationError, match="follows abab"):
        list(flo.scan_blocks([first, stray]))
    with pytest.raises(VerificationError, match="follows 0000"):
        list(flo.scan_blocks([first], "cd" * 32))


def test_a_header_over_other_transactions_is_refused() -> None:
    here, other = make_block(b"one", b"two"), make_block(b"one", b"six")
    with pytest.raises(VerificationError, match="commits to other transactions"):
        flo.scan_block(here[: flo.HEADER_BYTES] + other[flo.HEADER_BYTES :])


def test_repeated_transactions_behind_the_same_root_are_refused() -> None:
    parsed = flo.parse_block(make_block(b"a", b"b", b"c"))
    repeated = msgspec.structs.replace(parsed, transactions=(*parsed.transactions, parsed.transactions[2]))
    with pytest.raises(FormatError, match="repeats transactions"):
        flo.scan_block(flo.encode_block(repeated))
