"""Who signed what: floData covered or not, the 0x40 bit that strangers may change, high s, hostile inputs."""

from __future__ import annotations

import base64

import msgspec
import pytest
from coincurve.ecdsa import der_to_cdata, serialize_compact

from etdb import flo
from etdb.errors import FormatError, InputError, VerificationError
from etdb.flo.base58 import encode_base58check

KEY = flo.PrivateKey(b"\x11" * 32)
SCRIPT = flo.address_script(KEY.address(flo.REGTEST), flo.REGTEST)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def unsigned(text: bytes = b"text:hello", version: int = 2) -> flo.Transaction:
    return flo.Transaction(
        version=version,
        inputs=(flo.TxInput("ab" * 32, 1),),
        outputs=(flo.TxOutput(5_000, SCRIPT),),
        flo_data=text,
    )


def with_script(transaction: flo.Transaction, script: bytes) -> flo.Transaction:
    return msgspec.structs.replace(
        transaction, inputs=(msgspec.structs.replace(transaction.inputs[0], script_sig=script),)
    )


def signed_as(transaction: flo.Transaction, hash_type: int, *, with_flo_data: bool) -> flo.Transaction:
    digest = flo.signature_hash(
        transaction, 0, SCRIPT, hash_type & ~flo.SIGHASH_OMIT_FLO_DATA, with_flo_data=with_flo_data
    )
    signature = KEY.sign(digest) + bytes([hash_type])
    return with_script(transaction, flo.push(signature) + flo.push(KEY.public_key.encoded))


@pytest.mark.parametrize("hash_type", [1, 1 | flo.SIGHASH_OMIT_FLO_DATA])
@pytest.mark.parametrize("with_flo_data", [True, False])
def test_either_form_is_taken_whatever_the_bit_says(hash_type, with_flo_data):
    checked = flo.verify_input(signed_as(unsigned(), hash_type, with_flo_data=with_flo_data), 0, SCRIPT)
    assert checked.covers_flo_data is with_flo_data
    assert checked.hash_type == hash_type


def test_a_stranger_changes_the_id_by_the_bit_and_nothing_else():
    ours = flo.sign_all(unsigned(), KEY)
    script = ours.inputs[0].script_sig
    size = script[0]
    foreign = with_script(ours, script[:size] + bytes([script[size] | flo.SIGHASH_OMIT_FLO_DATA]) + script[size + 1 :])
    assert foreign.txid != ours.txid
    assert flo.verify_input(foreign, 0, SCRIPT).covers_flo_data


def test_changed_text_is_noticed_only_where_it_is_covered():
    covered = msgspec.structs.replace(flo.sign_all(unsigned(), KEY), flo_data=b"text:other")
    with pytest.raises(VerificationError):
        flo.verify_input(covered, 0, SCRIPT)
    bare = msgspec.structs.replace(signed_as(unsigned(), 1, with_flo_data=False), flo_data=b"text:other")
    assert not flo.verify_input(bare, 0, SCRIPT).covers_flo_data


def test_an_empty_text_is_covered_like_any_other():
    covered = flo.sign_all(unsigned(b""), KEY)
    assert flo.verify_input(covered, 0, SCRIPT).covers_flo_data
    with pytest.raises(VerificationError):
        flo.verify_input(msgspec.structs.replace(covered, flo_data=b"added"), 0, SCRIPT)


def test_version_1_has_no_text():
    old = flo.sign_all(unsigned(b"", version=1), KEY)
    assert not flo.verify_input(old, 0, SCRIPT).covers_flo_data
    with pytest.raises(InputError):
        unsigned(b"lost", version=1).encode()


def test_a_high_s_is_taken_as_consensus_takes_it():
    transaction = unsigned()
    der = KEY.sign(flo.signature_hash(transaction, 0, SCRIPT, 1))
    compact = serialize_compact(der_to_cdata(der))
    assert int.from_bytes(compact[32:], "big") <= ORDER // 2, "we sign with a low s"
    pieces = b""
    for number in (int.from_bytes(compact[:32], "big"), ORDER - int.from_bytes(compact[32:], "big")):
        data = number.to_bytes(number.bit_length() // 8 + 1, "big")
        pieces += b"\x02" + bytes([len(data)]) + data
    high = b"\x30" + bytes([len(pieces)]) + pieces
    script = flo.push(high + b"\x01") + flo.push(KEY.public_key.encoded)
    assert flo.verify_input(with_script(transaction, script), 0, SCRIPT).covers_flo_data


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"\x00\x00",
        flo.push(b"\x30" * 71) + flo.push(KEY.public_key.encoded),
        flo.push(b"\x30" * 71) + flo.push(b"\x02" + b"\xff" * 32),
        flo.push(b"\x30" * 300) + flo.push(KEY.public_key.encoded),
    ],
)
def test_what_is_no_signature(script):
    with pytest.raises(VerificationError):
        flo.verify_input(with_script(unsigned(), script), 0, SCRIPT)


def test_a_coin_of_another_key():
    other = flo.address_script(flo.PrivateKey(b"\x12" * 32).address(flo.REGTEST), flo.REGTEST)
    with pytest.raises(VerificationError):
        flo.verify_input(flo.sign_all(unsigned(), KEY), 0, other)


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, ORDER.to_bytes(32, "big"), b"\x01" * 31, b""])
def test_numbers_that_are_no_keys(secret):
    with pytest.raises(FormatError):
        flo.PrivateKey(secret)


def test_a_secret_is_not_shown():
    assert "11" * 32 not in repr(KEY)
    wif = KEY.to_wif(flo.REGTEST)
    with pytest.raises(FormatError) as caught:
        flo.PrivateKey.from_wif(wif[:-1] + ("1" if wif[-1] != "1" else "2"), flo.REGTEST)
    assert wif[:-1] not in str(caught.value)


@pytest.mark.parametrize(
    "signature", ["", "é" * 88, "AAAA", "A" * 88, "/" * 87 + "=", "IA" + "/" * 85 + "=", "A" * 1000]
)
def test_message_signatures_that_are_none(signature):
    with pytest.raises(VerificationError):
        flo.verify_message(KEY.address(flo.MAIN), "hello", signature, flo.MAIN)


def test_half_a_character_is_no_message():
    with pytest.raises(FormatError):
        flo.sign_message(KEY, "\ud800")


@pytest.mark.parametrize("net", [flo.MAIN, flo.REGTEST])
def test_a_message_signed_for_a_nested_witness_address(net):
    """Headers 35 to 38: the same key, and the P2SH address of its witness program."""
    data = base64.b64decode(flo.sign_message(KEY, "hello"))
    nested = base64.b64encode(bytes([data[0] + 4]) + data[1:]).decode()
    program = flo.hash160(b"\x00\x14" + KEY.public_key.hash)
    address = encode_base58check(bytes([net.p2sh_prefixes[0]]) + program)
    assert flo.recover_message_address("hello", nested, net) == address
    flo.verify_message(address, "hello", nested, net)
    with pytest.raises(VerificationError):
        flo.verify_message(KEY.address(net), "hello", nested, net)
