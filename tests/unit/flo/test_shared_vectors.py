"""The chain's formats against vectors of FLO Core, its forks and its libraries: every file, every key of it."""

from __future__ import annotations

import hashlib
import hmac

import coincurve
import msgspec
import pytest

from etdb import flo
from etdb.errors import EtdbError, VerificationError
from etdb.flo.base58 import decode_base58check

NETWORKS = {"main": flo.MAIN, "mainnet": flo.MAIN, "testnet": flo.TESTNET, "regtest": flo.REGTEST}
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_a_key_that_nobody_reads_is_noticed(read_whole):
    reader = read_whole("flo_scrypt.json")
    for case in reader.__enter__()["vectors"]:
        assert case["header"]
        assert case["scrypt_1024_1_1_256_reversed_hex"]
    with pytest.raises(AssertionError, match=r"\.vectors\.ok"):
        reader.__exit__(None, None, None)


def test_headers_and_blocks(read_whole):
    with read_whole("flo_headers.json", "name") as vectors:
        assert len(vectors["blocks"]) == 4
        for case in vectors["blocks"]:
            raw, net = bytes.fromhex(case["block"]), NETWORKS[case["network"]]
            block = flo.parse_block(raw)
            header = block.header
            assert flo.encode_block(block) == raw
            assert header.encode().hex() == case["header"]
            assert header.block_hash == case["hash"]
            assert (header.version, header.prev_hash) == (case["version"], case["prev"])
            assert (header.merkle_root, header.time_s) == (case["merkle_root"], case["time"])
            assert (f"{header.bits:08x}", header.nonce) == (case["bits"], case["nonce"])
            assert f"{header.pow_hash:064x}" == case["scrypt_pow"]
            assert f"{flo.bits_to_target(header.bits):064x}" == case["target"]
            assert flo.target_to_bits(flo.bits_to_target(header.bits)) == header.bits
            assert [tx.txid for tx in block.transactions] == case["txids"]
            assert [tx.flo_data.decode() for tx in block.transactions] == case["floData"]
            assert [tx.version for tx in block.transactions] == case["tx_versions"]
            flo.verify_merkle_root(block)
            assert case["pow_ok"] is True
            flo.verify_pow(header, net)
            if case["height"] == 0:
                assert net.genesis_block == raw
                assert net.genesis_hash == case["hash"]
            walked = [(tx.txid, tx.flo_data) for tx in flo.walk_flo_data(raw)]
            assert walked == [(tx.txid, tx.flo_data) for tx in block.transactions if tx.flo_data]


def test_scrypt(read_whole):
    with read_whole("flo_scrypt.json") as vectors:
        assert len(vectors["vectors"]) == 5
        for case in vectors["vectors"]:
            header = flo.parse_header(bytes.fromhex(case["header"]))
            same = f"{header.pow_hash:064x}" == case["scrypt_1024_1_1_256_reversed_hex"]
            assert same is case["ok"] is True


def test_difficulty(read_whole):
    with read_whole("flo_difficulty.json", "name") as vectors:
        rules = vectors["rules"]
        assert int(rules["pow_limit"], 16) == flo.MAIN.pow_limit == flo.TESTNET.pow_limit
        for rule, name in zip(flo.MAIN.difficulty, ("V1", "V2", "V3"), strict=True):
            said = rules[name]
            assert (rule.every_blocks, rule.over_blocks) == (said["interval"], said["avg"])
            assert (rule.faster_percent, rule.slower_percent) == (said["up"], said["down"])
            assert rule.timespan_s == said["span"] == rule.over_blocks * rules["spacing"]
            assert rule.from_height == (rules[f"{name}_from_height"] if name != "V1" else 0)
        assert len(vectors["cases"]) == 4
        for case in vectors["cases"]:
            rule = flo.MAIN.difficulty_rule(case["last_height"] + 1)
            taken_s = case["last_time"] - case["first_block_time"]
            following = flo.retarget(flo.MAIN, rule, int(case["last_bits"], 16), taken_s)
            assert (f"{following:08x}" == case["expected_next_bits"]) is case["checked"] is True


def test_checkpoints(read_whole):
    with read_whole("flo_checkpoints.json") as vectors:
        known = {net.name: dict(net.checkpoints) for net in (flo.MAIN, flo.TESTNET, flo.REGTEST)}
        for name, rows, count in (
            ("main", vectors["core"]["mainnet"], 24),
            ("main", vectors["fcoin"]["mainnet"], 66),
            ("testnet", vectors["fcoin"]["testnet"], 14),
        ):
            assert len(rows) == count
            for row in rows:
                assert known[name][row["height"]] == row["hash"]
        # One more is in FLO Core's test network.
        assert (len(known["main"]), len(known["testnet"]), len(known["regtest"])) == (66, 15, 0)
        assert known["main"][0] == flo.MAIN.genesis_hash


def test_signature_hashes(read_whole):
    """All 80: versions from both sides of 2, every hash type, inputs and outputs out of range."""
    with read_whole("flo_sighash.json") as vectors:
        seen, types = 0, set()
        for group in ("version_lt_2", "version_ge_2"):
            for case in vectors[group]:
                raw = bytes.fromhex(case["raw_tx"])
                transaction = flo.parse_transaction(raw)
                assert transaction.encode() == raw
                assert transaction.version == case["tx_version"]
                assert transaction.has_flo_data == (group == "version_ge_2")
                assert len(transaction.flo_data) == case["floData_length"]
                kind, script = case["hashtype"] & 0xFFFFFFFF, bytes.fromhex(case["script"])
                digest = flo.signature_hash(transaction, case["input"], script, kind)
                assert digest[::-1].hex() == case["sighash"]
                types.add((kind & 0x1F in {2, 3} and kind & 0x1F, bool(kind & 0x80)))
                seen += 1
        assert seen == 80
        assert types >= {(False, False), (False, True), (2, False), (2, True), (3, False)}


def test_transactions_that_builders_of_flo_data_signed(read_whole):
    with read_whole(
        "flo_txs.json",
        "blockbook_note",
        ".mainnet_real",
        ".sighash_of_sample",
        ".tx_valid_version_ge_2",
        "mainnet_real_with_text",
        "mainnet_real",
        "sighash_of_sample",
        "tx_valid_version_ge_2",
        "value_not_needed_for_legacy",
        "case",
    ) as whole:
        vectors = whole["testnet_builder"]
        key = flo.PrivateKey.from_wif(vectors["wif"], flo.TESTNET)
        script = flo.address_script(vectors["address"], flo.TESTNET)
        assert key.address(flo.TESTNET) == vectors["address"]
        assert key.public_key.encoded.hex() == vectors["pubkey"]
        paid = flo.TxOutput(
            vectors["output"]["satoshis"], flo.address_script(vectors["output"]["address"], flo.TESTNET)
        )
        names = {"SIGHASH_ALL": 1, "SIGHASH_NONE": 2, "SIGHASH_SINGLE": 3}
        assert len(vectors["cases"]) == 9
        for case in vectors["cases"]:
            transaction = flo.parse_transaction(bytes.fromhex(case["hex"]))
            assert transaction.encode().hex() == case["hex"]
            assert transaction.txid == case["txid"]
            text = case["floData"]
            text = text["repeat"] * text["count"] if isinstance(text, dict) else text
            assert transaction.flo_data.decode() == text
            assert (transaction.inputs[0].txid, transaction.inputs[0].vout) == (
                vectors["input"]["txid"],
                vectors["input"]["vout"],
            )
            assert paid in transaction.outputs
            kind = case["hashtype"]
            base = {name: value for name, value in names.items() if case["sighash"].startswith(name)}
            assert kind & 0x1F in base.values()
            digest = flo.signature_hash(transaction, 0, script, kind)
            assert digest.hex() == case["signature_hash"]
            checked = flo.verify_input(transaction, 0, script)
            assert checked.covers_flo_data is case["signature_valid"] is True
            bare = flo.signature_hash(transaction, 0, script, kind, with_flo_data=False)
            shown = flo.input_key(transaction, 0)
            assert shown is not None
            assert key.public_key.is_signed(bare, shown[0][:-1]) is case["valid_without_floData"] is False
            assert (shown[0][:-1] == key.sign(digest)) is case["equals_rfc6979_low_s"] is True
            if kind == flo.SIGHASH_ALL:
                assert flo.sign_input(transaction, 0, key).encode().hex() == case["hex"]


def test_real_transactions(read_whole):
    with read_whole(
        "flo_txs.json",
        "testnet_builder",
        "sighash_of_sample",
        "tx_valid_version_ge_2",
        "mainnet_real_with_text",
        "blockbook_note",
        "other_real_block_hashes",
        ".mainnet_real.blocks.hash",
        ".mainnet_real.blocks.time",
    ) as whole:  # the headers of these blocks were not to be had: nothing ties their hashes to what is here
        judged = 0
        for block in whole["mainnet_real"]["blocks"]:
            ids = []
            for case in block["txs"]:
                parsed = flo.parse_transaction(bytes.fromhex(case["hex"]))
                assert parsed.encode().hex() == case["hex"]
                assert parsed.txid == case["txid"]
                assert (
                    parsed.flo_data.decode() == case["floData"] == (case.get("floData_field_in_rpc") or case["floData"])
                )
                ids.append(parsed.txid)
                for index, said in enumerate(case.get("inputs_checked", [])):
                    if said == "coinbase":
                        assert parsed.is_coinbase
                        assert parsed.inputs[0].script_sig.startswith(flo.encode_height(block["height"]))
                        continue
                    script = flo.address_script(said["address"], flo.MAIN)
                    checked = flo.verify_input(parsed, index, script)
                    assert checked.hash_type == said["hashtype"]
                    assert checked.covers_flo_data is said["valid_with_floData_in_sighash"] is True
                    assert checked.public_key.address(flo.MAIN) == said["address"]
                    shown = flo.input_key(parsed, index)
                    assert shown is not None
                    bare = flo.signature_hash(parsed, index, script, said["hashtype"], with_flo_data=False)
                    assert checked.public_key.is_signed(bare, shown[0][:-1]) is said["valid_without"] is False
                    judged += 1
            assert flo.merkle_root(ids) == block["merkle_root_computed"]
        assert judged == 7


def test_a_real_transaction_with_text(read_whole):
    node_only = ("blockhash", "blockheight", "confirmations", "time", "blocktime", "fees", "valueIn", "value", "asm")
    explorer_only = ("doubleSpentTxID", "isConfirmed", "unconfirmedInput", "spentTxId", "spentIndex", "spentHeight")
    with read_whole(
        "flo_txs.json",
        "testnet_builder",
        "sighash_of_sample",
        "tx_valid_version_ge_2",
        "mainnet_real",
        "blockbook_note",
        *node_only,
        *explorer_only,
    ) as whole:
        real = whole["mainnet_real_with_text"]
        said = real["decoded"]
        transaction = flo.parse_transaction(bytes.fromhex(real["hex"]))
        assert transaction.txid == real["txid"] == said["txid"]
        assert transaction.flo_data.decode() == said["floData"]
        assert (transaction.version, transaction.lock_time) == (said["version"], said["locktime"])
        assert len(transaction.encode()) == said["size"]
        [spent], [spends] = transaction.inputs, said["vin"]
        assert (spent.txid, spent.vout, spent.sequence) == (spends["txid"], spends["vout"], spends["sequence"])
        assert spent.script_sig.hex() == spends["scriptSig"]["hex"]
        [paid], [pays] = transaction.outputs, said["vout"]
        assert paid.script.hex() == pays["scriptPubKey"]["hex"]
        assert pays["scriptPubKey"]["type"] == "pubkeyhash"
        assert [flo.script_address(paid.script, flo.MAIN)] == pays["scriptPubKey"]["addresses"]
        assert (pays["n"], spends["n"]) == (0, 0)
        assert paid.value_sat == round(said["valueOut"] * flo.COIN) <= spends["valueSat"]
        script = flo.address_script(spends["addr"], flo.MAIN)
        assert flo.verify_input(transaction, 0, script).covers_flo_data is real["signature_valid_with_floData"]
        shown = flo.input_key(transaction, 0)
        assert shown is not None
        bare = flo.signature_hash(transaction, 0, script, shown[0][-1], with_flo_data=False)
        assert shown[1].is_signed(bare, shown[0][:-1]) is real["signature_valid_without"] is False


def test_hashes_of_a_sample_of_both_kinds(read_whole):
    with read_whole(
        "flo_txs.json",
        "testnet_builder",
        "mainnet_real_with_text",
        "tx_valid_version_ge_2",
        "mainnet_real",
        "blockbook_note",
        "script_code",
        "case",
    ) as whole:
        sample = whole["sighash_of_sample"]
        plain = flo.parse_transaction(bytes.fromhex(sample["tx_empty_floData"]))
        code = bytes.fromhex(sample["script"])
        assert plain.inputs[0].script_sig == code
        types = {"SIGHASH_ALL": 1, "SIGHASH_NONE": 2, "SIGHASH_ALL | SIGHASH_ANYONECANPAY": 0x81}
        witnessed = 0
        assert len(sample["cases"]) == 12
        for case in sample["cases"]:
            text = case["floData"]
            text = text["repeat"] * text["count"] if isinstance(text, dict) else text
            transaction = msgspec.structs.replace(plain, flo_data=text.encode())
            if case["group"] in types:
                digest = flo.signature_hash(transaction, 0, code, types[case["group"]])
            else:
                digest = flo.witness_signature_hash(transaction, 0, code, case["amount"], case["hashtype"])
                witnessed += 1
            assert (digest.hex() == case["expected"]) is case["checked"] is True, case["group"]
        assert witnessed == 3


def test_transactions_that_flo_core_takes(read_whole):
    with read_whole(
        "flo_txs.json",
        "testnet_builder",
        "mainnet_real_with_text",
        "sighash_of_sample",
        "mainnet_real",
        "blockbook_note",
        "flags",
    ) as whole:
        cases = whole["tx_valid_version_ge_2"]["cases"]
        assert len(cases) == 30
        for case in cases:
            parsed = flo.parse_transaction(bytes.fromhex(case["raw_tx"]))
            assert parsed.txid == case["txid"]
            assert parsed.encode().hex() == case["raw_tx"]
            assert parsed.version == case["version"]
            assert bool(parsed.witnesses) is case["segwit"]
            spent = {(one.txid, one.vout) for one in parsed.inputs}
            assert spent == {(txid, vout) for txid, vout, _ in case["inputs"]}
            # Their coins ask for nothing but time: no signature that could be judged.
            for index in range(len(parsed.inputs)):
                with pytest.raises(flo.CannotJudgeError):
                    flo.verify_input(parsed, index, b"\x51\xb2", 1)


def derive(key: bytes, chain: bytes, number: int) -> tuple[bytes, bytes]:
    """A child of an extended private key (BIP 32)."""
    parent = coincurve.PrivateKey(key)
    data = b"\0" + key if number >> 31 else parent.public_key.format()
    mixed = hmac.digest(chain, data + number.to_bytes(4, "big"), "sha512")
    child = (int.from_bytes(mixed[:32], "big") + int.from_bytes(key, "big")) % ORDER
    return child.to_bytes(32, "big"), mixed[32:]


def test_keys(read_whole):
    with read_whole("flo_keys.json", "hd") as vectors:
        core = vectors["core"]
        signatures = core["deterministic_signatures"]
        assert signatures["hash"].startswith("sha256d")
        message = hashlib.sha256(hashlib.sha256(signatures["message"].encode()).digest()).digest()
        for name, case in zip(signatures["compact"], core["keys"], strict=False):
            assert name
            assert case["checked"] is True
        for name, case in zip(("1", "2", "1C", "2C"), core["keys"], strict=True):
            key = flo.PrivateKey.from_wif(case["wif"], flo.MAIN)
            again = flo.PrivateKey(bytes.fromhex(case["private_key"]), compressed=case["compressed"])
            assert again.to_wif(flo.MAIN) == case["wif"]
            assert key.address(flo.MAIN) == case["address"]
            assert key.public_key.encoded.hex() == case["public_key"]
            assert key.compressed == case["compressed"]
            compact = key.sign_recoverable(message)
            head = 27 + compact[64] + (4 if key.compressed else 0)
            assert (bytes([head]) + compact[:64]).hex() == signatures["compact"][name]
            assert key.sign(message).hex() == signatures["der"][name[0]]
        assert not flo.is_address(core["bad_address"], flo.MAIN)
        assert len(vectors["wif_pairs"]) == 6
        for case in vectors["wif_pairs"]:
            [net] = [net for net in (flo.MAIN, flo.TESTNET) if net.p2pkh_prefix == case["address_version"]]
            assert net.wif_prefixes[0] == case["wif_version"]
            key = flo.PrivateKey.from_wif(case["wif"], net)
            assert (key.to_wif(net), key.address(net)) == (case["wif"], case["address"])
            assert (key.public_key.encoded.hex() == case["public_key"]) is case["checked"] is True
        assert len(vectors["address_scripts"]["cases"]) == 3
        for case in vectors["address_scripts"]["cases"]:
            script, net = bytes.fromhex(case["script"]), NETWORKS[case["network"]]
            assert flo.address_script(case["address"], net) == script
            assert (flo.script_address(script, net) == case["address"]) is case["checked"] is True


def test_the_first_address_of_a_wallet_of_words(read_whole):
    """Words to seed to account key to key: the last step, from key to address, is ours."""
    with read_whole("flo_keys.json", "core", "wif_pairs", "address_scripts") as vectors:
        hd = vectors["hd"]
        seed = hashlib.pbkdf2_hmac("sha512", hd["mnemonic"].encode(), b"mnemonic", 2048)
        mixed = hmac.digest(b"Bitcoin seed", seed, "sha512")
        key, chain = mixed[:32], mixed[32:]
        assert hd["path"] == "m/44'/216'/0'"
        for number in (44, 216, 0):
            key, chain = derive(key, chain, number | 1 << 31)
        account = decode_base58check(hd["xprv"])
        assert (account[13:45] == chain and account[45:] == b"\0" + key) is hd["checked"] is True
        for number in (0, 0):
            key, chain = derive(key, chain, number)
        said = hd["address_0_0"]
        assert flo.PrivateKey(key).address(flo.MAIN) == said["value"] == said["computed"]


def test_base58_strings(read_whole):
    with read_whole("flo_base58.json") as vectors:
        assert (len(vectors["valid"]), len(vectors["invalid"])) == (50, 50)
        for case in vectors["valid"]:
            net, other = (flo.TESTNET, flo.MAIN) if case["isTestnet"] else (flo.MAIN, flo.TESTNET)
            text, payload = case["string"], bytes.fromhex(case["payload"])
            assert case["checked"] is True
            assert decode_base58check(text)[0] == case["version"]
            if case["isPrivkey"]:
                key = flo.PrivateKey.from_wif(text, net)
                assert key.compressed is case["isCompressed"]
                assert flo.PrivateKey(payload[:32], compressed=key.compressed).public_key == key.public_key
                assert case["version"] == net.wif_prefixes[0]
                assert key.to_wif(net) == text
                assert not flo.is_address(text, net)
                continue
            kind = {"pubkey": flo.DestinationKind.P2PKH, "script": flo.DestinationKind.P2SH}[case["addrType"]]
            where = flo.Destination(kind, payload)
            assert flo.parse_address(text, net) == where
            assert flo.script_destination(flo.address_script(text, net)) == where
            assert not flo.is_address(text, other)
            # Of the two first letters of a script's address these are the older ones, which are read only.
            prefixes = (net.p2pkh_prefix, *net.p2sh_prefixes)
            assert case["version"] in prefixes
            assert (where.address(net) == text) == (case["version"] in prefixes[:2])
        for text in vectors["invalid"]:
            for net in (flo.MAIN, flo.TESTNET):
                assert not flo.is_address(text, net)
                with pytest.raises(EtdbError):
                    flo.PrivateKey.from_wif(text, net)


def test_signed_messages(read_whole):
    networks = {"MainNetParams": flo.MAIN, "TestNet3Params": flo.TESTNET, "mainnet": flo.MAIN}
    others = {"BtcMainNetParams", "LtcMainNetParams", "BtcTestNet3Params"}
    with read_whole("signed_messages.json", "name", "txid", "block", "time", "checked_here") as vectors:
        assert len(vectors["cases"]) == 19
        seen = []
        for case in vectors["cases"]:
            foreign = case["network"] in others
            assert foreign == (case["magic"] != "Florincoin Signed Message:\n")
            net = flo.MAIN if foreign else networks[case["network"]]
            try:
                flo.verify_message(case["address"], case["message"], case["signature"], net)
                valid = True
            except VerificationError:
                valid = False
            # Other coins sign behind other words: here, none of it holds.
            assert valid == (case["expected_valid"] and not foreign), case["name"]
            seen.append((foreign, valid))
        assert [seen.count(pair) for pair in ((False, True), (False, False), (True, False))] == [12, 3, 4]


def test_what_flo_core_made_on_regtest(read_whole):
    node_only = ("confirmations", "difficulty", "nextblockhash", "strippedsize", "vsize", "asm", "reqSigs", "n", "hash")
    with read_whole("flo_core_regtest.json", *node_only) as vectors:
        assert vectors["network"] == "regtest"
        key = flo.PrivateKey.from_wif(vectors["wif_regtest"], flo.REGTEST)
        assert key.address(flo.REGTEST) == vectors["address"]
        assert flo.sign_message(key, vectors["message"]) == vectors["signature"]
        transaction = flo.parse_transaction(bytes.fromhex(vectors["hex"]))
        assert transaction.txid == vectors["txid"]
        assert transaction.flo_data.decode() == vectors["floData"]
        by_fcoin = flo.parse_transaction(bytes.fromhex(vectors["fcoin_signed_hex"]))
        for signed in (transaction, by_fcoin):
            shown = flo.input_key(signed, 0)
            assert shown is not None
            assert flo.verify_input(signed, 0, flo.hash_script(shown[1].hash)).covers_flo_data
        block = flo.parse_block(bytes.fromhex(vectors["coinbase_block_hex"]))
        flo.verify_merkle_root(block)
        flo.verify_pow(block.header, flo.REGTEST)
        genesis, ours = vectors["genesis"], flo.parse_block(flo.REGTEST.genesis_block)
        assert flo.REGTEST.genesis_hash == ours.header.block_hash == genesis["hash"]
        assert len(flo.REGTEST.genesis_block) == genesis["size"] == genesis["weight"] // 4
        assert (genesis["height"], ours.header.version) == (0, genesis["version"])
        assert f"{ours.header.version:08x}" == genesis["versionHex"]
        assert ours.header.merkle_root == genesis["merkleroot"]
        assert ours.header.time_s == genesis["time"] == genesis["mediantime"]
        assert (ours.header.nonce, f"{ours.header.bits:08x}") == (genesis["nonce"], genesis["bits"])
        assert f"{flo.HeaderChain(flo.REGTEST).work:064x}" == genesis["chainwork"]
        [said], [coinbase] = genesis["tx"], ours.transactions
        assert (coinbase.txid, coinbase.version, coinbase.lock_time) == (
            said["txid"],
            said["version"],
            said["locktime"],
        )
        assert coinbase.encode().hex() == said["hex"]
        assert len(coinbase.encode()) == said["size"]
        assert coinbase.flo_data.decode() == said["floData"]
        assert coinbase.inputs[0].script_sig.hex() == said["vin"][0]["coinbase"]
        assert coinbase.inputs[0].sequence == said["vin"][0]["sequence"]
        [paid] = said["vout"]
        assert coinbase.outputs[0].value_sat == paid["value"] * flo.COIN
        assert coinbase.outputs[0].script.hex() == paid["scriptPubKey"]["hex"]
        assert paid["scriptPubKey"]["type"] == "pubkey"
        asked = flo.parse_keys(coinbase.outputs[0].script)
        assert asked is not None
        assert [flo.PublicKey(one).address(flo.REGTEST) for one in asked[1]] == paid["scriptPubKey"]["addresses"]
