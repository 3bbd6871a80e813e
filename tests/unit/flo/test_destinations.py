"""Addresses and scripts of every kind, against npm fcoin, BIP 173 and BIP 350; what is refused."""

from __future__ import annotations

import pytest

from etdb import flo
from etdb.errors import FormatError, InputError
from etdb.flo.base58 import encode_base58check
from etdb.flo.bech32 import decode_witness_address, encode_witness_address

NETWORKS = {"main": flo.MAIN, "testnet": flo.TESTNET, "regtest": flo.REGTEST}
KEY = flo.PrivateKey(b"\x31" * 32)

# The valid and invalid addresses of BIP 350, with the scripts that it gives.
VALID = {
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4": "0014751e76e8199196d454941c45d1b3a323f1433bd6",
    "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7": (
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262"
    ),
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y": (
        "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6"
    ),
    "BC1SW50QGDZ25J": "6002751e",
    "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs": "5210751e76e8199196d454941c45d1b3a323",
    "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy": (
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"
    ),
    "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c": (
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"
    ),
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0": (
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    ),
}
INVALID = (
    "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
    "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
    "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
    "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
    "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
    "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
    "bc1pw5dgrnzv",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
    "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",
    "bc1gmk9yu",
    "bc1",
    "bc1qqqqqq",
    "bc1" + "q" * 88,
)


@pytest.mark.parametrize(("address", "script"), VALID.items())
def test_witness_addresses_of_the_bip(address, script):
    prefix = address[:2].lower()
    version, program = decode_witness_address(address, prefix)
    assert bytes([version and 0x50 + version, len(program)]) + program == bytes.fromhex(script)
    assert encode_witness_address(prefix, version, program) == address.lower()


@pytest.mark.parametrize("address", INVALID)
@pytest.mark.parametrize("prefix", ["bc", "tb"])
def test_witness_addresses_that_are_none(address, prefix):
    with pytest.raises(FormatError):
        decode_witness_address(address, prefix)


def test_every_letter_counts():
    address = encode_witness_address("flo", 0, bytes(range(20)))
    for place in range(len(address)):
        for letter in {"q", "p", "b", "1", "é", "Q"} - {address[place]}:
            with pytest.raises(FormatError):
                flo.parse_address(address[:place] + letter + address[place + 1 :], flo.MAIN)


def test_destinations_of_fcoin(own_vectors):
    for case in own_vectors("flo_witness.json")["destinations"]:
        wanted = flo.Destination(flo.DestinationKind(case["kind"]), bytes.fromhex(case["hash"]))
        script = bytes.fromhex(case["script"])
        assert wanted.script == script
        assert flo.script_destination(script) == wanted
        for name, address in case["address"].items():
            net = NETWORKS[name]
            assert flo.parse_address(address, net) == wanted
            assert flo.address_script(address, net) == script
            # On the test networks fcoin writes the other one of the two first letters that FLO Core reads.
            if case["kind"] != "p2sh" or name == "main":
                assert wanted.address(net) == address
                assert flo.script_address(script, net) == address
            if case["kind"] in {"p2wpkh", "p2wsh"}:
                assert flo.parse_address(address.upper(), net) == wanted


@pytest.mark.parametrize("net", NETWORKS.values())
def test_both_first_letters_of_a_script_address(net):
    wanted = flo.Destination(flo.DestinationKind.P2SH, b"\x07" * 20)
    addresses = {encode_base58check(bytes([prefix]) + wanted.hash) for prefix in net.p2sh_prefixes}
    assert len(addresses) == 2
    assert wanted.address(net) in addresses
    assert {flo.parse_address(address, net) for address in addresses} == {wanted}


@pytest.mark.parametrize("version", [1, 2, 16])
@pytest.mark.parametrize("size", [2, 20, 32, 40])
def test_later_witness_versions_are_named_and_not_paid_to(version, size):
    later = flo.Destination(flo.DestinationKind.LATER_WITNESS, b"\x05" * size, version)
    address = later.address(flo.MAIN)
    assert flo.parse_address(address, flo.MAIN) == later
    assert flo.script_destination(later.script) == later
    assert flo.script_address(later.script, flo.MAIN) is None
    with pytest.raises(InputError):
        flo.address_script(address, flo.MAIN)


@pytest.mark.parametrize(
    ("kind", "size", "version"),
    [
        ("p2pkh", 19, 0),
        ("p2sh", 32, 0),
        ("p2wpkh", 32, 0),
        ("p2wsh", 20, 0),
        ("p2pkh", 20, 1),
        ("later witness", 20, 0),
        ("later witness", 1, 1),
        ("later witness", 41, 1),
        ("later witness", 20, 17),
        ("later witness", 20, -1),
    ],
)
def test_destinations_that_are_none(kind, size, version):
    with pytest.raises(FormatError):
        flo.Destination(flo.DestinationKind(kind), bytes(size), version)


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"\x6a\x04text",
        b"\x00\x13" + bytes(19),
        b"\x00\x15" + bytes(21),
        b"\x51\x01\x00",
        b"\x51\x29" + bytes(41),
        b"\x61\x14" + bytes(20),
        b"\x00\x14" + bytes(21),
        b"\xa9\x14" + bytes(20) + b"\x88",
        b"\x76\xa9\x14" + bytes(20) + b"\x88\xad",
        flo.encode_key_script(KEY.public_key),
    ],
)
def test_scripts_without_an_address(script):
    assert flo.script_destination(script) is None
    assert flo.script_address(script, flo.MAIN) is None


def test_addresses_of_other_networks_are_refused():
    for kind, size in (("p2pkh", 20), ("p2sh", 20), ("p2wpkh", 20), ("p2wsh", 32)):
        where = flo.Destination(flo.DestinationKind(kind), bytes(size))
        for net in NETWORKS.values():
            assert flo.is_address(where.address(net), net)
            for other in NETWORKS.values():
                if other.p2pkh_prefix != net.p2pkh_prefix:
                    assert not flo.is_address(where.address(net), other)
    assert not flo.is_address(flo.Destination(flo.DestinationKind.P2WPKH, bytes(20)).address(flo.TESTNET), flo.REGTEST)


def test_scripts_that_name_keys():
    keys = [flo.PrivateKey(bytes([n]) * 32, compressed=bool(n % 2)).public_key for n in range(1, 17)]
    for key in keys:
        assert flo.parse_keys(flo.encode_key_script(key)) == (1, (key.encoded,))
    for count in (1, 2, 3, 16):
        for needed in {1, count}:
            script = flo.encode_multisig_script(needed, keys[:count])
            assert flo.parse_keys(script) == (needed, tuple(key.encoded for key in keys[:count]))
            for place in (0, len(script) - 2, len(script) - 1):
                assert flo.parse_keys(script[:place] + b"\x61" + script[place + 1 :]) is None
    for needed, count in ((0, 1), (2, 1), (1, 17), (0, 0)):
        with pytest.raises(InputError):
            flo.encode_multisig_script(needed, (keys * 2)[:count])
    for script in (b"", b"\xac", b"\xae", b"\x51\x51\xae", b"\x21" + bytes(32) + b"\xac", b"\x51\x02ab\x51\xae"):
        assert flo.parse_keys(script) is None


def test_a_key_owns_its_addresses():
    program = flo.Destination(flo.DestinationKind.P2WPKH, KEY.public_key.hash)
    own = {KEY.address(flo.MAIN), program.address(flo.MAIN), flo.nested_destination(program).address(flo.MAIN)}
    assert len(own) == 3
    other = flo.PrivateKey(b"\x32" * 32).public_key
    for address in own:
        assert flo.owns_address(KEY.public_key, address, flo.MAIN)
        assert not flo.owns_address(other, address, flo.MAIN)
        assert not flo.owns_address(KEY.public_key, address, flo.TESTNET)
    assert not flo.owns_address(KEY.public_key, "noise", flo.MAIN)
