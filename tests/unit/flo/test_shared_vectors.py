"""The chain's formats against vectors of FLO Core, its forks and its libraries."""

from __future__ import annotations

import hashlib

import pytest

from etdb import flo
from etdb.errors import EtdbError

NETWORKS = {"main": flo.MAIN, "mainnet": flo.MAIN, "testnet": flo.TESTNET, "regtest": flo.REGTEST}


def test_genesis_blocks_and_a_block_with_witnesses(shared_vectors):
    for case in shared_vectors("flo_headers.json")["blocks"]:
        raw = bytes.fromhex(case["block"])
        block = flo.parse_block(raw)
        assert flo.encode_block(block) == raw
        assert block.header.encode().hex() == case["header"]
        assert block.header.block_hash == case["hash"]
        assert f"{block.header.pow_hash:064x}" == case["scrypt_pow"]
        assert f"{flo.bits_to_target(block.header.bits):064x}" == case["target"]
        assert [tx.txid for tx in block.transactions] == case["txids"]
        assert [tx.flo_data.decode() for tx in block.transactions] == case["floData"]
        flo.verify_merkle_root(block)
        flo.verify_pow(block.header, NETWORKS[case["network"]])
        walked = [(tx.txid, tx.flo_data) for tx in flo.walk_flo_data(raw)]
        assert walked == [(tx.txid, tx.flo_data) for tx in block.transactions if tx.flo_data]


def test_scrypt(shared_vectors):
    for case in shared_vectors("flo_scrypt.json")["vectors"]:
        header = flo.parse_header(bytes.fromhex(case["header"]))
        assert f"{header.pow_hash:064x}" == case["scrypt_1024_1_1_256_reversed_hex"]


@pytest.mark.parametrize("group", ["version_lt_2", "version_ge_2"])
def test_signature_hashes(shared_vectors, group):
    for case in shared_vectors("flo_sighash.json")[group]:
        transaction = flo.parse_transaction(bytes.fromhex(case["raw_tx"]))
        digest = flo.signature_hash(
            transaction, case["input"], bytes.fromhex(case["script"]), case["hashtype"] & 0xFFFFFFFF
        )
        assert digest[::-1].hex() == case["sighash"]


def test_transactions_that_floData_builders_signed(shared_vectors):
    vectors = shared_vectors("flo_txs.json")["testnet_builder"]
    key = flo.PrivateKey.from_wif(vectors["wif"], flo.TESTNET)
    script = flo.address_script(vectors["address"], flo.TESTNET)
    assert key.address(flo.TESTNET) == vectors["address"]
    for case in vectors["cases"]:
        transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
        assert transaction.encode().hex() == case["hex"]
        assert transaction.txid == case["txid"]
        assert flo.verify_input(transaction, 0, script).covers_flo_data
        if case["hashtype"] == flo.SIGHASH_ALL:
            assert flo.sign_input(transaction, 0, key).encode().hex() == case["hex"]


def test_real_transactions(shared_vectors):
    vectors = shared_vectors("flo_txs.json")
    real = vectors["mainnet_real_with_text"]
    transaction = flo.parse_transaction(bytes.fromhex(real["hex"]))
    assert transaction.txid == real["txid"]
    assert transaction.flo_data.decode() == real["decoded"]["floData"]
    shown = flo.input_key(transaction, 0)
    assert shown is not None
    assert flo.verify_input(transaction, 0, flo.hash_script(shown[1].hash)).covers_flo_data
    for block in vectors["mainnet_real"]["blocks"]:
        ids = []
        for case in block["txs"]:
            parsed = flo.parse_transaction(bytes.fromhex(case["hex"]))
            assert parsed.txid == case["txid"]
            ids.append(parsed.txid)
        if block.get("merkle_root_computed"):
            assert flo.merkle_root(ids) == block["merkle_root_computed"]
    for case in vectors["tx_valid_version_ge_2"]["cases"]:
        parsed = flo.parse_transaction(bytes.fromhex(case["raw_tx"]))
        assert parsed.txid == case["txid"]
        assert parsed.encode().hex() == case["raw_tx"]


def test_keys(shared_vectors):
    vectors = shared_vectors("flo_keys.json")
    message = hashlib.sha256(hashlib.sha256(b"Very deterministic message").digest()).digest()
    names = ["1", "2", "1C", "2C"]
    for name, case in zip(names, vectors["core"]["keys"], strict=True):
        key = flo.PrivateKey.from_wif(case["wif"], flo.MAIN)
        assert key.address(flo.MAIN) == case["address"]
        assert key.public_key.encoded.hex() == case["public_key"]
        assert key.compressed == case["compressed"]
        compact = key.sign_recoverable(message)
        head = 27 + compact[64] + (4 if key.compressed else 0)
        assert (bytes([head]) + compact[:64]).hex() == vectors["core"]["deterministic_signatures"]["compact"][name]
        assert key.sign(message).hex() == vectors["core"]["deterministic_signatures"]["der"][name[0]]
    with pytest.raises(EtdbError):
        flo.address_script(vectors["core"]["bad_address"], flo.MAIN)


def test_base58_strings(shared_vectors):
    vectors = shared_vectors("flo_base58.json")
    for case in vectors["valid"]:
        net = flo.TESTNET if case["isTestnet"] else flo.MAIN
        if case["isPrivkey"]:
            key = flo.PrivateKey.from_wif(case["string"], net)
            if case["version"] == net.wif_prefixes[0]:
                assert key.to_wif(net) == case["string"]
        elif case["addrType"] == "pubkey":
            wanted = flo.Destination(flo.DestinationKind.P2PKH, bytes.fromhex(case["payload"]))
            assert flo.parse_address(case["string"], net) == wanted
            assert wanted.address(net) == case["string"]
    for text in vectors["invalid"]:
        for net in (flo.MAIN, flo.TESTNET):
            assert not flo.is_address(text, net)
            with pytest.raises(EtdbError):
                flo.PrivateKey.from_wif(text, net)


def test_signed_messages(shared_vectors):
    networks = {"MainNetParams": flo.MAIN, "TestNet3Params": flo.TESTNET, "mainnet": flo.MAIN}
    seen = set()
    for case in shared_vectors("signed_messages.json")["cases"]:
        if case["magic"] != "Florincoin Signed Message:\n":
            continue  # other coins' magic
        net = networks[case["network"]]
        try:
            flo.verify_message(case["address"], case["message"], case["signature"], net)
            valid = True
        except EtdbError:
            valid = False
        assert valid == case["expected_valid"], case["name"]
        seen.add(valid)
    assert seen == {True, False}


def test_what_flo_core_made_on_regtest(shared_vectors):
    vectors = shared_vectors("flo_core_regtest.json")
    key = flo.PrivateKey.from_wif(vectors["wif_regtest"], flo.REGTEST)
    assert key.address(flo.REGTEST) == vectors["address"]
    assert flo.sign_message(key, vectors["message"]) == vectors["signature"]
    transaction = flo.parse_transaction(bytes.fromhex(vectors["hex"]))
    assert transaction.txid == vectors["txid"]
    assert transaction.flo_data.decode() == vectors["floData"]
    block = flo.parse_block(bytes.fromhex(vectors["coinbase_block_hex"]))
    flo.verify_merkle_root(block)
    flo.verify_pow(block.header, flo.REGTEST)
    assert flo.REGTEST.genesis_hash == vectors["genesis"]["hash"]
    assert flo.parse_block(flo.REGTEST.genesis_block).header.block_hash == vectors["genesis"]["hash"]
