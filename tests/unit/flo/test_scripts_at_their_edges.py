"""Pushes of every width, code separators, what a signature of a rarer type covers, and which reason is told."""

from __future__ import annotations

import msgspec
import pytest

from etdb import flo
from etdb.errors import VerificationError

KEYS = [flo.PrivateKey(bytes([n]) * 32) for n in (1, 2)]
PLAIN = flo.Transaction(
    inputs=(flo.TxInput("ab" * 32, 0), flo.TxInput("cd" * 32, 1)),
    outputs=(flo.TxOutput(5_000, b"\x51"),),
    flo_data=b"text:hello",
)


def shown(script_sig: bytes, *witness: bytes) -> flo.Transaction:
    first = msgspec.structs.replace(PLAIN.inputs[0], script_sig=script_sig)
    return msgspec.structs.replace(PLAIN, inputs=(first, PLAIN.inputs[1]), witnesses=(witness, ()) if witness else ())


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "00"), (1, "01"), (75, "4b"), (76, "4c4c"), (255, "4cff"), (256, "4d0001"), (65_535, "4dffff")],
)
def test_a_push_has_its_shortest_form(size, head):
    data = b"\xab" * size
    assert flo.push(data) == bytes.fromhex(head) + data
    assert flo.parse_pushes(flo.push(data)) == [data]


@pytest.mark.parametrize(
    "script",
    [
        b"\x61" * 34 + b"\xac",
        (b"\x10" + b"\x02" * 16) * 2 + b"\xac",
        b"\x4c\x40" + b"\x04" * 64 + b"\xac",
        b"\x51\x50\xae",
        b"\x50\x50\xae",
        b"\xae",
    ],
)
def test_scripts_that_end_like_those_of_keys(script):
    assert flo.parse_keys(script) is None


@pytest.mark.parametrize(
    ("script", "signed"),
    [
        ("51abac", "51ac"),
        ("abab51ab", "51"),
        ("02abab" + "ab51", "02abab" + "51"),
        ("4c02abab" + "ab51", "4c02abab" + "51"),
        ("4d0200abab" + "ab51", "4d0200abab" + "51"),
        ("4e02000000abab" + "ab51", "4e02000000abab" + "51"),
        ("4f" + "ab51", "4f51"),
        ("ab05abab", "05abab"),
        ("ab4c05abab", "4c05abab"),
    ],
)
def test_code_separators_are_not_signed_and_data_that_looks_like_them_is(script, signed):
    """What is signed is the transaction with this script in the input's place, and the hash type."""
    whole = shown(bytes.fromhex(signed)).encode() + b"\x01\0\0\0"
    assert flo.signature_hash(PLAIN, 0, bytes.fromhex(script), flo.SIGHASH_ALL) == flo.sha256d(whole)


def test_the_number_one_is_signed_where_there_is_nothing_to_sign():
    """As Bitcoin does: an input that is not there, or one of SINGLE without an output of its own."""
    one = b"\x01" + bytes(31)
    assert flo.signature_hash(PLAIN, 2, b"\x51", flo.SIGHASH_ALL) == one
    assert flo.signature_hash(PLAIN, 1, b"\x51", flo.SIGHASH_SINGLE) == one
    assert flo.signature_hash(PLAIN, 1, b"\x51", flo.SIGHASH_ALL) != one
    assert flo.signature_hash(PLAIN, 0, b"\x51", flo.SIGHASH_SINGLE) != one


@pytest.mark.parametrize("value_sat", [0, flo.MAX_MONEY_SAT])
def test_witnesses_of_the_least_and_the_most_that_a_coin_can_hold(value_sat):
    script = flo.Destination(flo.DestinationKind.P2WPKH, KEYS[0].public_key.hash).script
    signed = flo.sign_input(PLAIN, 0, KEYS[0], flo.TxOutput(value_sat, script))
    assert flo.verify_input(signed, 0, script, value_sat).public_key == KEYS[0].public_key


def test_the_hash_type_is_that_of_the_first_signature():
    script = flo.encode_multisig_script(2, [key.public_key for key in KEYS])
    types = (flo.SIGHASH_ALL, flo.SIGHASH_NONE)
    pushes = [
        flo.push(key.sign(flo.signature_hash(PLAIN, 0, script, kind)) + bytes([kind]))
        for key, kind in zip(KEYS, types, strict=True)
    ]
    checked = flo.verify_input(shown(b"\0" + b"".join(pushes)), 0, script)
    assert checked.hash_type == flo.SIGHASH_ALL
    assert checked.covers_flo_data
    assert not checked.covers_everything


def test_the_reason_names_how_many_keys_did_not_sign():
    wrong = flo.push(KEYS[0].sign(b"\x07" * 32) + b"\x01")
    single = flo.encode_key_script(KEYS[0].public_key)
    with pytest.raises(VerificationError, match="the signature is of something else"):
        flo.verify_input(shown(wrong), 0, single)
    several = flo.encode_multisig_script(2, [key.public_key for key in KEYS])
    with pytest.raises(VerificationError, match="not 2 of its keys signed this"):
        flo.verify_input(shown(b"\0" + wrong * 2), 0, several)


def test_a_key_in_the_hybrid_form_is_not_called_wrong():
    """Consensus takes it. Where another key signed, it does not matter."""
    point = flo.PrivateKey(b"\x01" * 32, compressed=False).public_key.encoded
    hybrid = bytes([6 + (point[64] & 1)]) + point[1:]
    for script in (
        b"\x41" + hybrid + b"\xac",
        b"\x51\x41" + hybrid + flo.push(KEYS[1].public_key.encoded) + b"\x52\xae",
    ):
        begin = b"\0" if script[-1] == 0xAE else b""
        by = [flo.push(key.sign(flo.signature_hash(PLAIN, 0, script, 1)) + b"\x01") for key in KEYS]
        with pytest.raises(flo.CannotJudgeError, match="hybrid"):
            flo.verify_input(shown(begin + by[0]), 0, script)
        if begin:
            assert flo.verify_input(shown(begin + by[1]), 0, script).public_key == KEYS[1].public_key
