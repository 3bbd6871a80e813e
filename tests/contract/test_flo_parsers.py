"""One contract for all parsers of the chain's formats: exactly these bytes or FormatError, and nothing else escapes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb import flo
from etdb.errors import FormatError, VerificationError

KEY = flo.PrivateKey(b"\x21" * 32)
SCRIPT = flo.address_script(KEY.address(flo.REGTEST), flo.REGTEST)
PLAIN = flo.sign_all(
    flo.Transaction(
        inputs=(flo.TxInput("cd" * 32, 3), flo.TxInput("ce" * 32, 0)),
        outputs=(flo.TxOutput(1, SCRIPT), flo.TxOutput(2, b"")),
        flo_data=b"text:" + bytes(range(256)),
    ),
    KEY,
)
WITNESS = flo.Transaction(
    inputs=(flo.TxInput("cd" * 32, 3), flo.TxInput("ce" * 32, 0)),
    outputs=(flo.TxOutput(1, b"\x00\x14" + bytes(20)),),
    flo_data=b"text:seen",
    witnesses=((b"a", b"bc"), ()),
)
OLD = flo.Transaction(version=1, inputs=PLAIN.inputs, outputs=PLAIN.outputs)
NEGATIVE = flo.Transaction(version=-1, inputs=PLAIN.inputs, outputs=PLAIN.outputs)
BLOCK = flo.Block(
    flo.parse_block(flo.REGTEST.genesis_block).header,
    (flo.build_coinbase(1, 5, SCRIPT, b"text:miner"), PLAIN, WITNESS, OLD, NEGATIVE),
)


class Parser(NamedTuple):
    parse: Callable[[bytes], Any]
    encode: Callable[[Any], bytes] | None
    samples: tuple[bytes, ...]


def walked(block: bytes) -> list[flo.FloDataTx]:
    return list(flo.walk_flo_data(block))


PARSERS = {
    "parse_header": Parser(flo.parse_header, flo.BlockHeader.encode, (BLOCK.header.encode(),)),
    "parse_transaction": Parser(
        flo.parse_transaction, flo.Transaction.encode, tuple(one.encode() for one in BLOCK.transactions)
    ),
    "parse_block": Parser(flo.parse_block, flo.encode_block, (flo.encode_block(BLOCK), flo.MAIN.genesis_block)),
    "parse_header_state": Parser(flo.parse_header_state, flo.encode_header_state, (flo.HeaderChain(flo.MAIN).state(),)),
    "walk_flo_data": Parser(walked, None, (flo.encode_block(BLOCK), flo.MAIN.genesis_block)),
    "scan_block": Parser(flo.scan_block, None, (flo.MAIN.genesis_block,)),
    "PublicKey": Parser(
        flo.PublicKey,
        lambda key: key.encoded,
        (KEY.public_key.encoded, flo.PrivateKey(b"\x21" * 32, compressed=False).public_key.encoded),
    ),
}
SAMPLES = [(name, sample) for name, parser in PARSERS.items() for sample in parser.samples]


OTHERS = {"parse_pushes", "parse_keys", "parse_address"}
"""Parsers of what may be something else as well, and of text: below."""


def test_every_parser_stands_in_the_table():
    assert {name for name in flo.__all__ if name.startswith("parse_")} - OTHERS <= PARSERS.keys()


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_sample_is_read_and_written_again(name, sample):
    parser = PARSERS[name]
    value = parser.parse(sample)
    if parser.encode is not None:
        assert parser.encode(value) == sample


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_every_beginning_is_refused(name, sample):
    for size in range(len(sample)):
        with pytest.raises(FormatError):
            PARSERS[name].parse(sample[:size])


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_nothing_may_follow(name, sample):
    for tail in (b"\0", b"\1", b"\xff", sample):
        with pytest.raises(FormatError):
            PARSERS[name].parse(sample + tail)


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_every_byte_changed(name, sample):
    """A changed byte gives another value with these very bytes, or FormatError (a scan: also other transactions)."""
    parser = PARSERS[name]
    for place in range(len(sample)):
        for value in (0, 1, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF):
            changed = sample[:place] + bytes([value]) + sample[place + 1 :]
            try:
                parsed = parser.parse(changed)
            except FormatError:
                continue
            except VerificationError:
                assert name == "scan_block"
                continue
            if parser.encode is not None:
                assert parser.encode(parsed) == changed


@given(name=st.sampled_from(sorted(PARSERS)), data=st.binary(max_size=300))
def test_noise(name, data):
    parser = PARSERS[name]
    try:
        parsed = parser.parse(data)
    except FormatError:
        return
    if parser.encode is not None:
        assert parser.encode(parsed) == data


@pytest.mark.parametrize("count", ["fc", "fdffff", "feffffffff", "ffffffffffffffffff"])
def test_counts_that_promise_too_much_cost_nothing(count):
    header = BLOCK.header.encode()
    for data in (
        header + bytes.fromhex(count),
        header + b"\x01\x02\0\0\0" + bytes.fromhex(count),
        header + b"\x01" + PLAIN.encode()[:-262] + bytes.fromhex(count),
    ):
        for parse in (flo.parse_block, walked):
            with pytest.raises(FormatError):
                parse(data)


def test_a_compact_size_has_one_form():
    raw = PLAIN.encode()
    longer = raw[:4] + b"\xfd\x02\x00" + raw[5:]
    with pytest.raises(FormatError):
        flo.parse_transaction(longer)
    with pytest.raises(FormatError):
        walked(BLOCK.header.encode() + b"\x01" + longer)


def test_larger_than_any_block():
    for parse in (flo.parse_block, flo.parse_transaction, walked):
        with pytest.raises(FormatError):
            parse(bytes(4_000_001))


TEXTS: dict[str, Callable[[str], Any]] = {
    "parse_address": lambda text: flo.parse_address(text, flo.MAIN),
    "parse_address with its prefix": lambda text: flo.parse_address("flo1" + text, flo.MAIN),
    "from_wif": lambda text: flo.PrivateKey.from_wif(text, flo.MAIN),
    "internal_bytes": flo.internal_bytes,
    "message signature": lambda text: flo.recover_message_address("m", text, flo.MAIN),
}


@given(name=st.sampled_from(sorted(TEXTS)), text=st.text(max_size=130))
def test_texts_that_are_noise(name, text):
    with pytest.raises(FormatError):
        TEXTS[name](text)


@given(st.binary(max_size=120))
def test_pushes(script):
    items = flo.parse_pushes(script)
    if items is not None:
        assert sum(map(len, items)) <= len(script)


@given(st.one_of(st.binary(max_size=70), st.binary(max_size=70).map(lambda part: b"\x51\x21" + part + b"\x51\xae")))
def test_scripts_that_are_noise(script):
    """A script is read as what writes it again to the byte, or as nothing."""
    where = flo.script_destination(script)
    if where is not None:
        assert where.script == script
    asked = flo.parse_keys(script)
    if asked is not None:
        needed, keys = asked
        assert 1 <= needed <= len(keys)
        assert sum(map(len, keys)) < len(script)


@given(st.binary(max_size=90), st.lists(st.binary(max_size=80), max_size=4), st.sampled_from(range(6)))
def test_inputs_that_are_noise(script_sig, witness, place):
    """Whatever an input shows for whatever coin: a named error, or its signature."""
    spent = (
        SCRIPT,
        flo.encode_key_script(KEY.public_key),
        flo.Destination(flo.DestinationKind.P2SH, flo.hash160(script_sig[1:])).script,
        flo.Destination(flo.DestinationKind.P2WPKH, KEY.public_key.hash).script,
        flo.Destination(flo.DestinationKind.P2WSH, hashlib.sha256(witness[-1] if witness else b"").digest()).script,
        script_sig,
    )[place]
    shown = flo.Transaction(
        inputs=(flo.TxInput("cd" * 32, 3, script_sig),),
        outputs=PLAIN.outputs,
        witnesses=(tuple(witness),) if witness else (),
    )
    flo.input_key(shown, 0)
    with pytest.raises((VerificationError, flo.CannotJudgeError)):
        flo.verify_input(shown, 0, spent, 5)


@given(st.binary(max_size=400), st.sampled_from(["feed", "feed_many"]))
def test_headers_that_are_noise(data, feed):
    """Whatever comes in: a chain that is on its first block stays there, and says so once a header."""
    chain = flo.HeaderChain(flo.REGTEST)
    events = getattr(chain, feed)(data)
    assert len(events) == len(data) // flo.HEADER_BYTES
    assert all(isinstance(event, flo.Refused) for event in events)
    assert chain.tip_hash == flo.REGTEST.genesis_hash


def test_blocks_and_witnesses_that_are_empty():
    for parse in (flo.parse_block, walked):
        with pytest.raises(FormatError):
            parse(BLOCK.header.encode() + b"\0")
    raw = WITNESS.encode()
    stacks = bytes.fromhex("02" + "0161" + "026263" + "00")
    assert raw.count(stacks) == 1
    with pytest.raises(FormatError):
        flo.parse_transaction(raw.replace(stacks, b"\0\0"))


@pytest.mark.parametrize("version", [-(2**31), -2, -1, 0, 1])
def test_the_walk_knows_the_versions_without_text(version):
    old = flo.Transaction(version=version, inputs=PLAIN.inputs, outputs=PLAIN.outputs)
    block = flo.Block(BLOCK.header, (old, PLAIN))
    assert [(one.position, one.txid) for one in walked(flo.encode_block(block))] == [(1, PLAIN.txid)]


@pytest.mark.parametrize("push", ["05", "4c05", "4d0500", "4e05000000"])
def test_pushes_of_every_width(push):
    assert flo.parse_pushes(bytes.fromhex(push) + b"hello") == [b"hello"]
    assert flo.parse_pushes(bytes.fromhex(push) + b"hell") is None
