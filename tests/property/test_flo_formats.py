"""Properties of the chain's formats: round trips, the walk equals the full parse, every proof proves its place only."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etdb import flo
from etdb.errors import FormatError, VerificationError
from etdb.flo.base58 import decode_base58check, encode_base58check
from etdb.flo.cursor import Cursor
from etdb.flo.transactions import _read_any, _read_usual

NETWORKS = st.sampled_from([flo.MAIN, flo.TESTNET, flo.REGTEST])
SECRETS = st.integers(1, 2**255).map(lambda number: number.to_bytes(32, "big"))
KEYS = st.builds(lambda secret, compressed: flo.PrivateKey(secret, compressed=compressed), SECRETS, st.booleans())
TXIDS = st.binary(min_size=32, max_size=32).map(bytes.hex)
SCRIPTS = st.one_of(st.binary(max_size=40), st.binary(min_size=250, max_size=260))
INPUTS = st.builds(flo.TxInput, TXIDS, st.integers(0, 2**32 - 1), SCRIPTS, st.integers(0, 2**32 - 1))
OUTPUTS = st.builds(flo.TxOutput, st.integers(-(2**63), 2**63 - 1), SCRIPTS)
TEXTS = st.one_of(st.just(b""), st.binary(max_size=40), st.binary(min_size=250, max_size=260))


@st.composite
def transactions(draw) -> flo.Transaction:
    version = draw(st.sampled_from([2, 2, 2, 1, 3, 0, -1, 2**31 - 1, -(2**31), 258]))
    inputs = draw(st.lists(INPUTS, min_size=1, max_size=3))
    witnesses = ()
    if draw(st.integers(0, 3)) == 0:
        witnesses = tuple(tuple(draw(st.lists(st.binary(max_size=6), max_size=3))) for _ in inputs)
    return flo.Transaction(
        version=version,
        inputs=tuple(inputs),
        outputs=tuple(draw(st.lists(OUTPUTS, max_size=3))),
        lock_time=draw(st.integers(0, 2**32 - 1)),
        flo_data=draw(TEXTS) if version >= 2 else b"",
        witnesses=witnesses if any(witnesses) else (),
    )


HEADERS = st.builds(
    flo.BlockHeader,
    version=st.integers(-(2**31), 2**31 - 1),
    prev_hash=TXIDS,
    merkle_root=TXIDS,
    time_s=st.integers(0, 2**32 - 1),
    bits=st.integers(0, 2**32 - 1),
    nonce=st.integers(0, 2**32 - 1),
)
BLOCKS = st.builds(flo.Block, HEADERS, st.lists(transactions(), min_size=1, max_size=4).map(tuple))


@given(transactions(), st.binary(max_size=3), st.binary(max_size=8), st.data())
def test_the_quick_reading_of_a_transaction_equals_the_general_one(transaction, before, behind, data):
    raw = bytearray(before + transaction.encode() + behind)
    if data.draw(st.booleans(), label="damaged"):
        raw[data.draw(st.integers(len(before), len(raw) - 1))] = data.draw(
            st.sampled_from([0, 1, 0xFC, 0xFD, 0xFE, 255])
        )
    raw = bytes(raw[: data.draw(st.integers(len(before), len(raw)))] if data.draw(st.booleans(), label="cut") else raw)
    cursor = Cursor(raw, "transaction", len(before))
    quick = _read_usual(raw, len(before))
    if quick is not None:
        assert (_read_any(cursor), cursor.offset) == quick


def test_the_quick_reading_takes_the_usual_form():
    usual = flo.Transaction(
        inputs=(flo.TxInput("ab" * 32, 1, bytes(107)),) * 2,
        outputs=(flo.TxOutput(5, bytes(25)),),
        flo_data=bytes(1040),
    )
    for flo_data in (b"", b"a", bytes(252), bytes(253), bytes(1040)):
        one = msgspec.structs.replace(usual, flo_data=flo_data)
        assert _read_usual(one.encode(), 0) == (one, len(one.encode()))


@given(transactions())
def test_transactions_round_trip(transaction):
    raw = transaction.encode()
    again = flo.parse_transaction(raw)
    assert again == transaction
    assert again.encode() == raw
    bare = transaction.encode(witnesses=False)
    digest = hashlib.sha256(hashlib.sha256(bare).digest()).digest()
    assert again.txid == digest[::-1].hex()
    assert (again.wtxid == again.txid) == (not transaction.witnesses)


@given(HEADERS)
def test_headers_round_trip(header):
    assert len(header.encode()) == flo.HEADER_BYTES
    assert flo.parse_header(header.encode()) == header


@given(BLOCKS)
def test_the_walk_finds_what_the_full_parse_finds(block):
    raw = flo.encode_block(block)
    assert flo.parse_block(raw) == block
    wanted = [
        (position, one.txid, one.flo_data, one.encode())
        for position, one in enumerate(block.transactions)
        if one.flo_data
    ]
    found = [
        (one.position, one.txid, one.flo_data, raw[one.offset : one.offset + one.length])
        for one in flo.walk_flo_data(raw)
    ]
    assert found == wanted


@settings(max_examples=300)
@given(BLOCKS, st.data())
def test_the_walk_and_the_full_parse_refuse_the_same(block, data):
    """Cut, lengthen or change the bytes: both take them, or both refuse them, and what both take they read alike."""
    raw = bytearray(flo.encode_block(block))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(flo.HEADER_BYTES, len(raw) - 1)) if len(raw) > flo.HEADER_BYTES else None
        change = data.draw(st.sampled_from(["cut", "add", "set"]))
        if change == "add" or place is None:
            raw += data.draw(st.binary(min_size=1, max_size=12))
        elif change == "cut":
            del raw[place:]
        else:
            raw[place] = data.draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFC, 0xFD, 0xFE, 0xFF]))
    try:
        parsed = flo.parse_block(bytes(raw))
    except FormatError:
        with pytest.raises(FormatError):
            list(flo.walk_flo_data(bytes(raw)))
        return
    found = [(one.position, one.txid, one.flo_data) for one in flo.walk_flo_data(bytes(raw))]
    assert found == [(n, one.txid, one.flo_data) for n, one in enumerate(parsed.transactions) if one.flo_data]


@given(st.lists(TXIDS, min_size=1, max_size=20, unique=True), st.data())
def test_a_proof_proves_its_place_only(ids, data):
    root = flo.merkle_root(ids)
    index = data.draw(st.integers(0, len(ids) - 1))
    proof = flo.make_proof(ids, index)
    flo.verify_proof(proof, root)
    wrong = data.draw(
        st.sampled_from(
            [
                {"index": proof.index ^ 1},
                {"index": proof.index + (1 << len(proof.branch))},
                {"txid": hashlib.sha256(bytes.fromhex(ids[index])).hexdigest()},
                {"branch": (*proof.branch, bytes(32))},
            ]
        )
    )
    if wrong == {"index": proof.index ^ 1} and not proof.branch:
        wrong = {"branch": (bytes(32),)}
    with pytest.raises(VerificationError):
        flo.verify_proof(msgspec.structs.replace(proof, **wrong), root)


@given(st.binary(max_size=60))
def test_base58check_round_trips(payload):
    text = encode_base58check(payload)
    if payload:
        assert decode_base58check(text) == payload
    else:
        with pytest.raises(FormatError):
            decode_base58check(text)


@given(KEYS, NETWORKS)
def test_keys_round_trip(key, net):
    again = flo.PrivateKey.from_wif(key.to_wif(net), net)
    assert again.public_key == key.public_key
    address = key.address(net)
    assert flo.is_address(address, net)
    assert flo.script_address(flo.address_script(address, net), net) == address


DESTINATIONS = st.one_of(
    st.builds(
        flo.Destination,
        st.sampled_from([flo.DestinationKind.P2PKH, flo.DestinationKind.P2SH, flo.DestinationKind.P2WPKH]),
        st.binary(min_size=20, max_size=20),
    ),
    st.builds(flo.Destination, st.just(flo.DestinationKind.P2WSH), st.binary(min_size=32, max_size=32)),
    st.builds(
        flo.Destination,
        st.just(flo.DestinationKind.LATER_WITNESS),
        st.binary(min_size=2, max_size=40),
        st.integers(1, 16),
    ),
)


@given(DESTINATIONS, NETWORKS)
def test_destinations_round_trip(where, net):
    assert flo.parse_address(where.address(net), net) == where
    assert flo.script_destination(where.script) == where
    if where.kind is not flo.DestinationKind.LATER_WITNESS:
        assert flo.address_script(where.address(net), net) == where.script
        assert flo.script_address(where.script, net) == where.address(net)


@given(DESTINATIONS, NETWORKS, st.data())
def test_a_wrong_letter_is_noticed(where, net, data):
    address = where.address(net)
    place = data.draw(st.integers(0, len(address) - 1))
    letter = data.draw(st.sampled_from("023456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"))
    changed = address[:place] + letter + address[place + 1 :]
    if changed != address:
        with pytest.raises(FormatError):
            flo.parse_address(changed, net)


@given(KEYS, NETWORKS, st.one_of(st.text(max_size=400), st.binary(max_size=400)))
def test_messages_are_signed_and_recovered(key, net, message):
    try:
        data = message if isinstance(message, bytes) else message.encode()
    except UnicodeEncodeError:
        return
    signature = flo.sign_message(key, message)
    assert flo.recover_message_address(data, signature, net) == key.address(net)
    with pytest.raises(VerificationError):
        flo.verify_message(key.address(net), data + b".", signature, net)


@given(KEYS, st.lists(INPUTS, min_size=1, max_size=3), st.lists(OUTPUTS, min_size=1, max_size=3), TEXTS, st.data())
def test_what_we_sign_is_covered_to_the_last_byte(key, inputs, outputs, text, data):
    script = flo.hash_script(key.public_key.hash)
    signed = flo.sign_all(flo.Transaction(inputs=tuple(inputs), outputs=tuple(outputs), flo_data=text), key)
    for index in range(len(inputs)):
        checked = flo.verify_input(signed, index, script)
        assert checked.covers_flo_data
        assert checked.covers_everything
    changed = data.draw(
        st.sampled_from(
            [
                {"flo_data": text + b"."},
                {"lock_time": 1},
                {"version": 3},
                {"outputs": (*signed.outputs, flo.TxOutput(1, b""))},
            ]
        )
    )
    with pytest.raises(VerificationError):
        flo.verify_input(msgspec.structs.replace(signed, **changed), 0, script)


@given(
    SECRETS.map(flo.PrivateKey),
    st.lists(st.tuples(INPUTS, st.sampled_from(["p2pkh", "p2pk", "p2wpkh", "nested"])), min_size=1, max_size=4),
    TEXTS,
    st.integers(0, flo.MAX_MONEY_SAT),
)
def test_coins_of_every_kind_in_one_transaction(key, spent, text, value_sat):
    program = flo.Destination(flo.DestinationKind.P2WPKH, key.public_key.hash)
    scripts = {
        "p2pkh": flo.hash_script(key.public_key.hash),
        "p2pk": flo.encode_key_script(key.public_key),
        "p2wpkh": program.script,
        "nested": flo.nested_destination(program).script,
    }
    coins = [flo.TxOutput(value_sat, scripts[kind]) for _, kind in spent]
    plain = flo.Transaction(
        inputs=tuple(msgspec.structs.replace(one, script_sig=b"") for one, _ in spent),
        outputs=(flo.TxOutput(1, b""),),
        flo_data=text,
    )
    signed = flo.sign_all(plain, key, coins)
    assert flo.parse_transaction(signed.encode()) == signed
    for index, coin in enumerate(coins):
        assert flo.verify_input(signed, index, coin.script, value_sat).covers_flo_data
        changed = msgspec.structs.replace(signed, flo_data=text + b".")
        with pytest.raises(VerificationError):
            flo.verify_input(changed, index, coin.script, value_sat)
