"""Addresses, keys and signatures as texts: the longest that is read, and which reason is told."""

from __future__ import annotations

import base64
import itertools

import pytest

from etdb import flo
from etdb.errors import FormatError, VerificationError
from etdb.flo.base58 import decode_base58check, encode_base58check
from etdb.flo.bech32 import decode_witness_address, encode_witness_address, is_witness_program


def test_the_longest_text_of_base58():
    payloads = [bytes(size) + bytes([tag]) for size in range(118, 124) for tag in range(1, 9)]
    texts = {len(encode_base58check(payload)): payload for payload in payloads}
    assert decode_base58check(encode_base58check(texts[128])) == texts[128]
    with pytest.raises(FormatError, match="129 letters"):
        decode_base58check(encode_base58check(texts[129]))


def test_a_letter_outside_the_alphabet_is_counted_from_one():
    with pytest.raises(FormatError, match="letter 3 is not of its alphabet"):
        decode_base58check("110111111")


def test_the_longest_witness_address():
    """BIP 173: ninety letters."""
    program = b"\xa5" * 40
    longest = encode_witness_address("f" * 18, 1, program)
    assert len(longest) == 90
    assert decode_witness_address(longest, "f" * 18) == (1, program)
    with pytest.raises(FormatError, match="91 letters"):
        decode_witness_address(encode_witness_address("f" * 19, 1, program), "f" * 19)


def test_a_program_of_a_wrong_length_is_named_with_its_version():
    with pytest.raises(FormatError, match="21 bytes in version 0"):
        decode_witness_address(encode_witness_address("flo", 0, b"\xff" * 21), "flo")
    assert not is_witness_program(-1, bytes(20))
    assert is_witness_program(0, bytes(20))


@pytest.mark.parametrize("compressed", [True, False])
def test_a_key_in_the_hybrid_form_is_no_key(compressed):
    """It names both coordinates and whether the second is odd; no wallet has written it."""
    point = flo.PrivateKey(b"\x05" * 32, compressed=False).public_key.encoded
    hybrid = bytes([6 + (point[64] & 1)]) + point[1:]
    with pytest.raises(FormatError, match="not a public key: 65 bytes"):
        flo.PublicKey(hybrid)
    assert flo.PrivateKey(b"\x05" * 32, compressed=compressed).public_key.hash == flo.hash160(
        point if not compressed else bytes([2 + (point[64] & 1)]) + point[1:33]
    )


@pytest.mark.parametrize(("letters", "said"), [(128, "not 65 bytes"), (129, "129 letters")])
def test_the_longest_signature_of_a_message(letters, said):
    with pytest.raises(FormatError, match=said):
        flo.recover_message_address("text", "A" * letters, flo.MAIN)


def test_the_fourth_number_of_each_kind_of_key():
    """A signature whose r is beyond the curve's order has recovery number 3; heads 30 and 34 tell the keys apart."""

    def recovered(head: int, r: int) -> str | None:
        signature = bytes([head]) + r.to_bytes(32, "big") + (7).to_bytes(32, "big")
        try:
            return flo.recover_message_address("text", base64.b64encode(signature).decode(), flo.MAIN)
        except VerificationError:
            return None

    r = next(r for r in itertools.count(1) if recovered(30, r))
    assert recovered(30, r) != recovered(34, r)
