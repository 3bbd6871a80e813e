"""Rules whose loss no other test would notice."""

from __future__ import annotations

import msgspec
import pytest

from etdb import flo
from etdb.errors import FormatError, VerificationError
from etdb.flo.cursor import Cursor, encode_varint

OWNER, STRANGER = flo.PrivateKey(b"\x01" * 32), flo.PrivateKey(b"\x02" * 32)


def test_a_right_signature_of_a_key_that_does_not_own_the_coin():
    script = flo.hash_script(OWNER.public_key.hash)
    plain = flo.Transaction(inputs=(flo.TxInput("ab" * 32, 0),), outputs=(flo.TxOutput(1, script),), flo_data=b"t")
    digest = flo.signature_hash(plain, 0, script, flo.SIGHASH_ALL)
    for key, owns in ((OWNER, True), (STRANGER, False)):
        shown = flo.push(key.sign(digest) + bytes([flo.SIGHASH_ALL])) + flo.push(key.public_key.encoded)
        inputs = (msgspec.structs.replace(plain.inputs[0], script_sig=shown),)
        signed = msgspec.structs.replace(plain, inputs=inputs)
        if owns:
            assert flo.verify_input(signed, 0, script).covers_flo_data
        else:
            with pytest.raises(VerificationError, match="does not own the coin"):
                flo.verify_input(signed, 0, script)


@pytest.mark.parametrize("length", [0, 1, 32, 34, 64, 66])
def test_keys_have_33_or_65_bytes(length):
    with pytest.raises(FormatError):
        flo.PublicKey(b"\x02" * length)


def test_numbers_of_every_width():
    for value in (0, 0xFC, 0xFD, 0xFFFF, 0x10000, 0xFFFF_FFFF, 0x1_0000_0000, 2**64 - 1):
        assert Cursor(encode_varint(value), "a number").varint() == value
    for data in (b"\xfd\xfc\x00", b"\xfe\xff\xff\x00\x00", b"\xff\xff\xff\xff\xff\x00\x00\x00\x00"):
        with pytest.raises(FormatError):
            Cursor(data, "a number").varint()


def test_a_block_beyond_the_limit_is_not_walked():
    with pytest.raises(FormatError):
        flo.walk_flo_data(flo.REGTEST.genesis_block + bytes(flo.MAX_BLOCK_BYTES))
