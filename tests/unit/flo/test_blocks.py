"""Work, roots and proofs under attack; numbers at their edges."""

from __future__ import annotations

import msgspec
import pytest

from etdb import flo
from etdb.errors import FormatError, InputError, VerificationError

SCRIPT = flo.hash_script(bytes(20))


def ids(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(1, count + 1)]


def mined(header: flo.BlockHeader) -> flo.BlockHeader:
    return flo.mine(header)


GENESIS = flo.parse_block(flo.REGTEST.genesis_block).header


def test_a_list_that_repeats_its_end_is_refused():
    """CVE-2012-2459: both lists would have the same root."""
    for honest, forged in (([1, 2, 3], [1, 2, 3, 3]), ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 5, 6])):
        root = flo.merkle_root([f"{number:064x}" for number in honest])
        assert len(root) == 64
        with pytest.raises(FormatError):
            flo.merkle_root([f"{number:064x}" for number in forged])
    with pytest.raises(FormatError):
        flo.merkle_root([])


def test_a_proof_for_the_place_of_the_repetition_is_refused():
    root = flo.merkle_root(ids(3))
    honest = flo.make_proof(ids(3), 2)
    flo.verify_proof(honest, root)
    with pytest.raises(VerificationError):
        flo.verify_proof(msgspec.structs.replace(honest, index=3), root)


@pytest.mark.parametrize(
    "change",
    [
        {"index": 1},
        {"index": -1},
        {"index": 1 << 40},
        {"branch": ()},
        {"branch": (b"",) * 3},
        {"branch": (bytes(32),) * 33},
        {"txid": "00" * 32},
        {"txid": "no"},
    ],
)
def test_proofs_that_prove_nothing(change):
    root = flo.merkle_root(ids(5))
    proof = flo.make_proof(ids(5), 0)
    with pytest.raises(VerificationError):
        flo.verify_proof(msgspec.structs.replace(proof, **change), root)


@pytest.mark.parametrize("index", [-1, 5])
def test_a_place_that_a_block_has_not(index):
    with pytest.raises(InputError):
        flo.make_proof(ids(5), index)


@pytest.mark.parametrize(
    ("bits", "target"),
    [
        (0x207FFFFF, 0x7FFFFF << 232),
        (0x1E0FFFF0, 0x0FFFF0 << 216),
        (0x03123456, 0x123456),
        (0x02123456, 0x1234),
        (0x01123456, 0x12),
        (0x04000001, 0x100),
    ],
)
def test_short_targets(bits, target):
    assert flo.bits_to_target(bits) == target


@pytest.mark.parametrize("bits", [0, 0x00123456, 0x01003456, 0x04800001, 0x20FFFFFF, 0x22000100, 0xFF123456])
def test_short_targets_that_are_none(bits):
    with pytest.raises(FormatError):
        flo.bits_to_target(bits)


def test_work_counts_tries():
    assert GENESIS.work == 2
    assert flo.parse_block(flo.MAIN.genesis_block).header.work == (1 << 256) // ((0x0FFFF0 << 216) + 1)


def test_work_is_checked_against_target_and_limit():
    header = msgspec.structs.replace(GENESIS, time_s=GENESIS.time_s + 1)
    good = mined(header)
    flo.verify_pow(good, flo.REGTEST)
    with pytest.raises(VerificationError):
        flo.verify_pow(good, flo.MAIN)  # regtest's target is easier than main's limit
    lazy = good
    while lazy.pow_hash <= flo.bits_to_target(lazy.bits):
        lazy = msgspec.structs.replace(lazy, nonce=lazy.nonce + 1)
    with pytest.raises(VerificationError):
        flo.verify_pow(lazy, flo.REGTEST)


def test_a_changed_value_has_its_own_ids():
    """Ids are remembered in a value, and must not travel into a changed copy."""
    first = flo.build_coinbase(1, 5, SCRIPT)
    assert first.txid != msgspec.structs.replace(first, flo_data=b"x").txid
    assert GENESIS.block_hash != msgspec.structs.replace(GENESIS, nonce=7).block_hash


@pytest.mark.parametrize(
    ("height", "script"),
    [
        (0, "00"),
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),
        (32767, "02ff7f"),
        (32768, "03008000"),
        (6_710_144, "0380" + "6366"),
    ],
)
def test_heights_as_scripts_push_them(height, script):
    assert flo.encode_height(height).hex() == script
    assert flo.build_coinbase(height, 1, SCRIPT).is_coinbase


@pytest.mark.parametrize(
    ("height", "coins"), [(0, 100), (799_999, 100), (800_000, 50), (1_600_000, 25), (64 * 800_000, 0)]
)
def test_subsidy_halves(height, coins):
    assert flo.MAIN.subsidy_sat(height) == coins * flo.COIN


def test_networks_are_found_by_name():
    assert flo.network("regtest") is flo.REGTEST
    with pytest.raises(InputError):
        flo.network("bitcoin")
