"""Coins of every kind: what fcoin signed, what we sign, what a stranger changed, and what cannot be judged."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from etdb import flo
from etdb.errors import InputError, VerificationError

KEY = flo.PrivateKey(b"\x11" * 32)
OTHER = flo.PrivateKey(b"\x12" * 32)
OLD = flo.PrivateKey(b"\x11" * 32, compressed=False)
WITNESS = flo.Destination(flo.DestinationKind.P2WPKH, KEY.public_key.hash)
NESTED = flo.nested_destination(WITNESS)
COINS = {
    "p2pkh": flo.hash_script(KEY.public_key.hash),
    "p2pk": flo.encode_key_script(KEY.public_key),
    "p2wpkh": WITNESS.script,
    "p2sh_p2wpkh": NESTED.script,
}
VALUE_SAT = 70_000


def unsigned(inputs: int = 1, version: int = 2) -> flo.Transaction:
    return flo.Transaction(
        version=version,
        inputs=tuple(flo.TxInput(f"{number + 1:064x}", number) for number in range(inputs)),
        outputs=(flo.TxOutput(5_000, COINS["p2pkh"]), flo.TxOutput(6_000, NESTED.script)),
        flo_data=b"text:hello" if version >= 2 else b"",
    )


def shown(transaction: flo.Transaction, script_sig: bytes, *witness: bytes) -> flo.Transaction:
    one = msgspec.structs.replace(transaction.inputs[0], script_sig=script_sig)
    return msgspec.structs.replace(transaction, inputs=(one,), witnesses=(witness,) if witness else ())


def legacy(script: bytes, *keys: flo.PrivateKey) -> list[bytes]:
    digest = flo.signature_hash(unsigned(), 0, script, flo.SIGHASH_ALL)
    return [key.sign(digest) + bytes([flo.SIGHASH_ALL]) for key in keys]


@pytest.fixture(scope="module")
def vectors(own_vectors):
    return own_vectors("flo_witness.json")


def test_owners(vectors):
    for case in vectors["owners"]:
        key = flo.PrivateKey(bytes.fromhex(case["secret"]), compressed=case["compressed"]).public_key
        assert flo.encode_key_script(key).hex() == case["p2pk_script"]
        assert flo.hash_script(key.hash).hex() == case["p2pkh_script"]
        if case["compressed"]:
            program = flo.Destination(flo.DestinationKind.P2WPKH, key.hash)
            assert program.script.hex() == case["p2wpkh_script"]
            assert flo.nested_destination(program).script.hex() == case["p2sh_p2wpkh_script"]


def test_what_witnesses_sign(vectors):
    seen = 0
    for case in vectors["hashes"]:
        transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
        for row in case["rows"]:
            arguments = (transaction, row["input"], bytes.fromhex(row["script_code"]), row["value_sat"])
            digest = flo.witness_signature_hash(*arguments, row["hash_type"])
            assert digest.hex() == row["with_flo_data"], (case["name"], row["kind"])
            bare = flo.witness_signature_hash(*arguments, row["hash_type"], with_flo_data=False)
            assert bare.hex() == row["without_flo_data"], (case["name"], row["kind"])
            seen += 1
    assert seen == 6 * 7 * 3


def test_what_fcoin_signed(vectors):
    names = set()
    for case in vectors["spends"]:
        transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
        assert transaction.encode().hex() == case["hex"]
        assert (transaction.txid, transaction.wtxid) == (case["txid"], case["wtxid"])
        assert transaction.flo_data.hex() == case["flo_data"]
        for index, coin in enumerate(case["spends"]):
            script = bytes.fromhex(coin["script"])
            checked = flo.verify_input(transaction, index, script, coin["value_sat"])
            signers = {
                flo.PrivateKey(bytes.fromhex(one["secret"]), compressed=one["compressed"]).public_key
                for one in coin["signers"]
            }
            assert set(checked.public_keys) == signers
            assert checked.public_key in signers
            assert checked.hash_type == case["hash_type"]
            assert checked.covers_flo_data == (transaction.version >= 2)
            assert checked.covers_everything == (case["hash_type"] == flo.SIGHASH_ALL)
            for changed in ({"flo_data": b"other"}, {"lock_time": 8}, {"version": transaction.version + 1}):
                if transaction.version < 2 and "flo_data" in changed:
                    continue
                with pytest.raises(VerificationError):
                    flo.verify_input(msgspec.structs.replace(transaction, **changed), index, script, coin["value_sat"])
        names.add(case["name"])
    assert len(names) == len(vectors["spends"]) == 11 + 1 + 6 + 2


def test_we_sign_the_same_bytes(vectors):
    """Whatever one key owns: RFC 6979 leaves no choice, so the transactions are equal to the last byte."""
    seen = 0
    for case in vectors["spends"]:
        transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
        if case["hash_type"] != flo.SIGHASH_ALL or "multisig" in case["name"] or case["name"] == "all together":
            continue
        bare = msgspec.structs.replace(
            transaction,
            inputs=tuple(msgspec.structs.replace(one, script_sig=b"") for one in transaction.inputs),
            witnesses=(),
        )
        [signer] = case["spends"][0]["signers"]
        key = flo.PrivateKey(bytes.fromhex(signer["secret"]), compressed=signer["compressed"])
        coins = [flo.TxOutput(one["value_sat"], bytes.fromhex(one["script"])) for one in case["spends"]]
        assert flo.sign_all(bare, key, coins) == transaction, case["name"]
        for index, coin in enumerate(coins):
            bare = flo.sign_input(bare, index, key, coin)
        assert bare == transaction, case["name"]
        seen += 1
    assert seen == 6 + 1 + 2


@pytest.mark.parametrize("kinds", list(itertools.permutations(COINS, 2)))
def test_inputs_of_two_kinds_in_one_transaction(kinds):
    coins = [flo.TxOutput(VALUE_SAT + n, COINS[kind]) for n, kind in enumerate(kinds)]
    signed = flo.sign_all(unsigned(2), KEY, coins)
    assert flo.parse_transaction(signed.encode()) == signed
    for index, coin in enumerate(coins):
        checked = flo.verify_input(signed, index, coin.script, coin.value_sat)
        assert checked.covers_flo_data
        assert checked.public_keys == (KEY.public_key,)
    half = flo.sign_input(flo.sign_input(unsigned(2), 1, KEY, coins[1]), 0, KEY, coins[0])
    assert half == signed


def test_a_witness_signs_the_amount():
    for kind in ("p2wpkh", "p2sh_p2wpkh"):
        signed = flo.sign_input(unsigned(), 0, KEY, flo.TxOutput(VALUE_SAT, COINS[kind]))
        with pytest.raises(VerificationError):
            flo.verify_input(signed, 0, COINS[kind], VALUE_SAT + 1)
        with pytest.raises(flo.CannotJudgeError):
            flo.verify_input(signed, 0, COINS[kind])
    signed = flo.sign_input(unsigned(), 0, KEY, flo.TxOutput(VALUE_SAT, COINS["p2pk"]))
    assert flo.verify_input(signed, 0, COINS["p2pk"]).covers_flo_data


def test_the_bit_of_a_witness_leaves_nothing_out():
    """FLO Core hashes the 0x40 bit of a witness's hash type, tries the other value too, and always covers the text."""
    plain, code = unsigned(), flo.hash_script(KEY.public_key.hash)
    for kind, shown_type in itertools.product((0x01, 0x41), repeat=2):
        digest = flo.witness_signature_hash(plain, 0, code, VALUE_SAT, kind)
        signed = shown(plain, b"", KEY.sign(digest) + bytes([shown_type]), KEY.public_key.encoded)
        checked = flo.verify_input(signed, 0, WITNESS.script, VALUE_SAT)
        assert checked.covers_flo_data
        assert checked.covers_everything
        assert checked.hash_type == shown_type
        assert signed.txid == plain.txid, "a witness has no part in the id"
    bare = flo.witness_signature_hash(plain, 0, code, VALUE_SAT, 1, with_flo_data=False)
    with pytest.raises(VerificationError):
        flo.verify_input(
            shown(plain, b"", KEY.sign(bare) + b"\1", KEY.public_key.encoded), 0, WITNESS.script, VALUE_SAT
        )


def test_single_without_an_output_of_its_own():
    transaction = msgspec.structs.replace(unsigned(3), outputs=())
    digests = {flo.witness_signature_hash(transaction, 2, b"", 1, kind) for kind in (2, 3, 0x82, 0x83)}
    assert len(digests) == 4
    assert flo.witness_signature_hash(transaction, 0, b"", 1, 1) != flo.witness_signature_hash(
        transaction, 0, b"", 1, 3
    )


@pytest.mark.parametrize(("index", "value_sat"), [(-1, 1), (1, 1), (0, -1), (0, flo.MAX_MONEY_SAT + 1)])
def test_what_no_witness_can_sign(index, value_sat):
    with pytest.raises(InputError):
        flo.witness_signature_hash(unsigned(), index, b"", value_sat, 1)


def test_what_we_do_not_sign():
    for coin in (
        flo.TxOutput(1, flo.hash_script(OTHER.public_key.hash)),
        flo.TxOutput(1, flo.encode_key_script(OTHER.public_key)),
        flo.TxOutput(1, flo.Destination(flo.DestinationKind.P2WSH, bytes(32)).script),
        flo.TxOutput(1, b""),
    ):
        with pytest.raises(InputError):
            flo.sign_input(unsigned(), 0, KEY, coin)
    with pytest.raises(InputError):
        flo.sign_input(unsigned(), 1, KEY)
    with pytest.raises(InputError):
        flo.sign_all(unsigned(2), KEY, [flo.TxOutput(1, COINS["p2pkh"])])
    program = flo.Destination(flo.DestinationKind.P2WPKH, OLD.public_key.hash)
    for script in (program.script, flo.nested_destination(program).script):
        with pytest.raises(InputError):
            flo.sign_input(unsigned(), 0, OLD, flo.TxOutput(1, script))


def test_several_keys_sign_in_their_order():
    keys = [flo.PrivateKey(bytes([n]) * 32) for n in (1, 2, 3)]
    script = flo.encode_multisig_script(2, [key.public_key for key in keys])
    for first, second in itertools.permutations(keys, 2):
        one, two = legacy(script, first, second)
        signed = shown(unsigned(), b"\0" + flo.push(one) + flo.push(two))
        if keys.index(first) < keys.index(second):
            checked = flo.verify_input(signed, 0, script)
            assert checked.public_keys == (first.public_key, second.public_key)
        else:
            with pytest.raises(VerificationError):
                flo.verify_input(signed, 0, script)
    [one] = legacy(script, keys[0])
    for pushes in (flo.push(one) * 2, flo.push(one) + b"\0", flo.push(one)):
        with pytest.raises(VerificationError):
            flo.verify_input(shown(unsigned(), b"\0" + pushes), 0, script)


def test_a_text_that_one_of_several_leaves_out_is_not_covered():
    keys = [flo.PrivateKey(bytes([n]) * 32) for n in (1, 2)]
    script = flo.encode_multisig_script(2, [key.public_key for key in keys])
    [one] = legacy(script, keys[0])
    two = keys[1].sign(flo.signature_hash(unsigned(), 0, script, 1, with_flo_data=False)) + b"\1"
    signed = shown(unsigned(), b"\0" + flo.push(one) + flo.push(two))
    assert not flo.verify_input(signed, 0, script).covers_flo_data


def test_a_key_in_a_script_that_is_no_point():
    script = b"\x51" + flo.push(b"\2" + b"\xff" * 32) + flo.push(KEY.public_key.encoded) + b"\x52\xae"
    [one] = legacy(script, KEY)
    assert flo.verify_input(shown(unsigned(), b"\0" + flo.push(one)), 0, script).public_key == KEY.public_key


SIGNATURE, KEY_BYTES = legacy(COINS["p2pkh"], KEY)[0], KEY.public_key.encoded
P2PKH_SHOWN = flo.push(SIGNATURE) + flo.push(KEY_BYTES)
REDEEM = flo.encode_key_script(KEY.public_key)
BEHIND = flo.Destination(flo.DestinationKind.P2SH, flo.hash160(REDEEM)).script
LATER = flo.Destination(flo.DestinationKind.LATER_WITNESS, bytes(32), 1).script
PROGRAM = WITNESS.script


@pytest.mark.parametrize(
    ("script", "script_sig", "witness"),
    [
        (COINS["p2pkh"], P2PKH_SHOWN + b"\x61", ()),
        (COINS["p2pkh"], b"\x51" + P2PKH_SHOWN, ()),
        (COINS["p2pkh"], b"\1a" + P2PKH_SHOWN, ()),
        (COINS["p2pk"], b"\0" + flo.push(SIGNATURE), ()),
        (b"\x51", b"", ()),
        (b"\x6a\x04text", P2PKH_SHOWN, ()),
        (LATER, b"", ()),
        (flo.encode_multisig_script(1, [KEY.public_key]), b"\1a" + flo.push(SIGNATURE), ()),
        (BEHIND, b"\x51" + flo.push(REDEEM), ()),
        (flo.Destination(flo.DestinationKind.P2SH, flo.hash160(BEHIND)).script, flo.push(BEHIND), ()),
        (flo.Destination(flo.DestinationKind.P2SH, flo.hash160(b"\x51")).script, b"\1\x51", ()),
    ],
)
def test_what_cannot_be_judged_is_not_called_wrong(script, script_sig, witness):
    with pytest.raises(flo.CannotJudgeError) as caught:
        flo.verify_input(shown(unsigned(), script_sig, *witness), 0, script, VALUE_SAT)
    assert not isinstance(caught.value, VerificationError)
    assert caught.value.fields == {"txid": shown(unsigned(), script_sig, *witness).txid, "input": 0}


@pytest.mark.parametrize(
    ("script", "script_sig", "witness"),
    [
        (COINS["p2pkh"], b"", ()),
        (COINS["p2pkh"], flo.push(SIGNATURE), ()),
        (COINS["p2pkh"], b"\0" + flo.push(KEY_BYTES), ()),
        (COINS["p2pkh"], P2PKH_SHOWN, (b"a",)),
        (COINS["p2pk"], b"\0", ()),
        (BEHIND, b"", ()),
        (BEHIND, flo.push(SIGNATURE), ()),
        (BEHIND, flo.push(REDEEM), ()),
        (NESTED.script, b"", (SIGNATURE, KEY_BYTES)),
        (NESTED.script, flo.push(PROGRAM), ()),
        (NESTED.script, b"\x4c" + flo.push(PROGRAM), (SIGNATURE, KEY_BYTES)),
        (PROGRAM, b"\0", (SIGNATURE, KEY_BYTES)),
        (PROGRAM, b"", ()),
        (PROGRAM, b"", (KEY_BYTES,)),
        (PROGRAM, b"", (b"a", SIGNATURE, KEY_BYTES)),
        (PROGRAM, b"", (SIGNATURE, OTHER.public_key.encoded)),
        (PROGRAM, b"", (SIGNATURE, KEY_BYTES)),
        (flo.Destination(flo.DestinationKind.P2WSH, bytes(32)).script, b"", (SIGNATURE, REDEEM)),
        (flo.Destination(flo.DestinationKind.P2WSH, bytes(32)).script, b"", ()),
    ],
)
def test_what_is_wrong(script, script_sig, witness):
    with pytest.raises(VerificationError):
        flo.verify_input(shown(unsigned(), script_sig, *witness), 0, script, VALUE_SAT)


def test_a_key_that_is_shown_is_seen():
    for kind, script in COINS.items():
        signed = flo.sign_input(unsigned(), 0, KEY, flo.TxOutput(VALUE_SAT, script))
        seen = flo.input_key(signed, 0)
        if kind == "p2pk":
            assert seen is None
        else:
            assert seen is not None
            assert seen[1] == KEY.public_key
    assert flo.input_key(shown(unsigned(), b"\1a", SIGNATURE, KEY_BYTES), 0) is None
