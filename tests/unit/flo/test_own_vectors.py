"""The chain's formats against what npm fcoin makes and flocore-lib agrees with (tests/vectors/flo_fcoin.json)."""

from __future__ import annotations

import itertools

import pytest

from etdb import flo
from etdb.errors import EtdbError, FormatError, VerificationError


@pytest.fixture(scope="module")
def vectors(own_vectors):
    return own_vectors("flo_fcoin.json")


def key_of(case) -> flo.PrivateKey:
    return flo.PrivateKey(bytes.fromhex(case["secret"]), compressed=case["compressed"])


@pytest.mark.parametrize("name", ["main", "testnet", "regtest"])
def test_keys_and_addresses(vectors, name):
    net = flo.network(name)
    for case in vectors["keys"]:
        key = key_of(case)
        assert key.public_key.encoded.hex() == case["public_key"]
        assert key.to_wif(net) == case["wif"][name]
        assert key.address(net) == case["address"][name]
        again = flo.PrivateKey.from_wif(case["wif"][name], net)
        assert again.public_key == key.public_key
        assert again.compressed == case["compressed"]
        script = flo.address_script(case["address"][name], net)
        assert flo.script_address(script, net) == case["address"][name]


def test_keys_of_another_network_are_refused(vectors):
    case = vectors["keys"][0]
    with pytest.raises(EtdbError):
        flo.PrivateKey.from_wif(case["wif"]["main"], flo.REGTEST)
    with pytest.raises(FormatError):
        flo.address_script(case["address"]["main"], flo.REGTEST)


def test_signed_messages(vectors):
    for case in vectors["messages"]:
        key = key_of(case)
        assert flo.message_digest(case["message"]).hex() == case["digest"]
        assert flo.sign_message(key, case["message"]) == case["signature"]
        assert flo.recover_message_address(case["message"], case["signature"], flo.MAIN) == case["address"]
        flo.verify_message(case["address"], case["message"], case["signature"], flo.MAIN)
        with pytest.raises(VerificationError):
            flo.verify_message(case["address"], case["message"] + ".", case["signature"], flo.MAIN)


def test_transactions(vectors):
    for case in vectors["transactions"]:
        transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
        assert transaction.encode().hex() == case["hex"], case["name"]
        assert (transaction.txid, transaction.wtxid) == (case["txid"], case["wtxid"])
        assert transaction.version == case["version"]
        assert transaction.flo_data.hex() == case["flo_data"]


def test_signature_hashes(vectors):
    seen = 0
    for case in vectors["transactions"]:
        transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
        for row in case["signature_hashes"]:
            script = bytes.fromhex(case["previous_scripts"][row["input"]])
            kind = row["hash_type"]
            where = (case["name"], row["kind"], row["input"])
            digest = flo.signature_hash(transaction, row["input"], script, kind)
            assert digest.hex() == row["with_flo_data"], where
            bare = flo.signature_hash(transaction, row["input"], script, kind, with_flo_data=False)
            assert bare.hex() == row["without_flo_data"], where
            marked = flo.signature_hash(transaction, row["input"], script, kind | flo.SIGHASH_OMIT_FLO_DATA)
            assert marked == bare
            seen += 1
    assert seen > 100


def test_signatures_are_made_and_checked(vectors):
    for case in vectors["transactions"]:
        transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
        if transaction.witnesses:  # its coin holds one satoshi more than one FLO: see flo_witness.json for the rest
            script = bytes.fromhex(case["previous_scripts"][0])
            assert flo.verify_input(transaction, 0, script, 100_000_001).covers_flo_data
            continue
        key = key_of(case)
        for index, script in enumerate(case["previous_scripts"]):
            checked = flo.verify_input(transaction, index, bytes.fromhex(script))
            assert checked.public_key == key.public_key
            assert checked.hash_type == case["hash_type"]
            assert checked.covers_flo_data == (transaction.version >= 2)
            assert checked.covers_everything == (case["hash_type"] == flo.SIGHASH_ALL)
        if case["hash_type"] == flo.SIGHASH_ALL:
            assert flo.sign_all(transaction, key) == transaction
            assert flo.sign_input(transaction, 0, key) == transaction


def test_blocks(vectors):
    for case in vectors["blocks"]:
        raw = bytes.fromhex(case["hex"])
        block = flo.parse_block(raw)
        assert flo.encode_block(block) == raw
        header = block.header
        assert flo.parse_header(raw[: flo.HEADER_BYTES]) == header
        assert header.block_hash == case["hash"]
        assert f"{header.pow_hash:064x}" == case["pow_hash"]
        assert (header.prev_hash, header.merkle_root) == (case["previous_hash"], case["merkle_root"])
        assert (header.version, header.time_s) == (case["version"], case["time_s"])
        assert (header.bits, header.nonce) == (case["bits"], case["nonce"])
        assert [one.txid for one in block.transactions] == case["txids"]
        assert [one.flo_data.hex() for one in block.transactions] == case["flo_data"]
        net = flo.network(case["network"])
        flo.verify_pow(header, net)
        flo.verify_merkle_root(block)
        if "height" in case:
            script = block.transactions[0].inputs[0].script_sig
            assert script == flo.encode_height(case["height"]) + b"\0"
        else:
            assert header.block_hash == net.genesis_hash
            assert net.genesis_block == raw
        walked = [(one.txid, one.position, one.flo_data.hex()) for one in flo.walk_flo_data(raw)]
        wanted = zip(case["txids"], range(len(case["txids"])), case["flo_data"], strict=True)
        assert walked == [row for row in wanted if row[2]]


def test_proofs(vectors):
    for case in vectors["blocks"]:
        for index, branch in enumerate(case["branches"]):
            proof = flo.make_proof(case["txids"], index)
            assert [one.hex() for one in proof.branch] == branch
            flo.verify_proof(proof, case["merkle_root"])


def test_links(vectors):
    headers = [
        flo.parse_block(bytes.fromhex(case["hex"])).header for case in vectors["blocks"] if case["network"] == "regtest"
    ]
    for previous, header in itertools.pairwise(headers):
        flo.verify_link(header, previous)
    with pytest.raises(VerificationError):
        flo.verify_link(headers[0], headers[1])
