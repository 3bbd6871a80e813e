"""What is nearly right, in places where a changed line once went unnoticed (tests/mutation)."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from etdb import flo
from etdb.errors import FormatError, VerificationError
from etdb.flo.difficulty import retarget
from etdb.flo.scan import scan_proofs

KEYS = [flo.PrivateKey(bytes([number]) * 32) for number in (1, 2)]
GENESIS = flo.parse_block(flo.TESTNET.genesis_block).header
FIRST = flo.DifficultyRule(from_height=0, every_blocks=4, over_blocks=4, faster_percent=75, slower_percent=300)
EACH = flo.DifficultyRule(from_height=8, every_blocks=1, over_blocks=3, faster_percent=75, slower_percent=300)
NET = msgspec.structs.replace(
    flo.TESTNET, checkpoints=(), difficulty=(FIRST, EACH), version_heights=(3, 6, 9), allows_easiest=False
)


def transaction(tag: int, text: bytes = b"") -> flo.Transaction:
    return flo.Transaction(inputs=(flo.TxInput(f"{tag:064x}", 0),), outputs=(flo.TxOutput(1, b"\x51"),), flo_data=text)


def block_of(*transactions: flo.Transaction) -> flo.Block:
    root = flo.merkle_root([one.txid for one in transactions])
    return flo.Block(msgspec.structs.replace(GENESIS, merkle_root=root), transactions)


def test_two_keys_are_not_one():
    one, other = (key.public_key for key in KEYS)
    assert one == flo.PublicKey(one.encoded)
    assert one != other
    assert one != one.encoded


@pytest.mark.parametrize("after", [b"\x51\x01\x01", b"\x01\x01", b"\x4c\x01\xab", b"\x01\xab\xac", b"\x05\x01\x02"])
def test_of_a_script_only_its_code_separators_are_not_signed(after):
    def digest(script: bytes) -> bytes:
        return flo.signature_hash(transaction(1), 0, script, flo.SIGHASH_ALL)

    assert digest(b"\x51\xab" + after) == digest(b"\xab\x51" + after) == digest(b"\x51" + after)


def test_a_block_without_places_has_no_proofs():
    assert flo.make_proofs([], ()) == []


def test_a_header_over_other_transactions():
    one, other = block_of(transaction(1), transaction(2)), block_of(transaction(1), transaction(3))
    flo.verify_merkle_root(one)
    with pytest.raises(VerificationError, match="does not commit"):
        flo.verify_merkle_root(flo.Block(other.header, one.transactions))


def test_only_a_text_is_held_to_the_header_unless_all_is_asked_for():
    silent = flo.encode_block(flo.Block(GENESIS, (transaction(1), transaction(2))))
    assert flo.scan_block(silent).carriers == ()
    assert scan_proofs(silent) == []
    with pytest.raises(VerificationError, match="other transactions"):
        flo.scan_whole_block(silent)
    told = flo.encode_block(flo.Block(GENESIS, (transaction(1), transaction(2, b"text"))))
    for scan in (flo.scan_block, scan_proofs):
        with pytest.raises(VerificationError, match="other transactions"):
            scan(told)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9])
def test_a_scan_proves_each_text(count):
    block = block_of(*(transaction(tag, b"text" * (tag % 2)) for tag in range(1, count + 1)))
    raw = flo.encode_block(block)
    found = scan_proofs(raw)
    assert tuple(one for one, _ in found) == flo.scan_block(raw).carriers
    assert [one.position for one, _ in found] == list(range(0, count, 2))
    for one, branch in found:
        proof = flo.MerkleProof(txid=one.txid, index=one.position, branch=branch)
        flo.verify_proof(proof, block.header.merkle_root)


def test_inputs_that_cannot_fit_are_refused_before_they_are_read():
    head = (2).to_bytes(4, "little") + b"\x02"
    with pytest.raises(FormatError, match="2 items cannot fit into the 81 bytes left"):
        flo.parse_transaction(head + bytes(81))


def test_a_count_of_three_bytes_is_no_count_of_one():
    """253 empty outputs: read two bytes too early, they would look alike."""
    many = msgspec.structs.replace(transaction(1), outputs=(flo.TxOutput(0, b""),) * 0xFD)
    assert flo.parse_transaction(many.encode()) == many


def test_the_shortest_transactions_of_a_block():
    empty = flo.Transaction(version=1, inputs=(), outputs=())
    block = flo.Block(GENESIS, (empty,))
    assert len(empty.encode()) == 10
    assert flo.parse_block(flo.encode_block(block)) == block


@pytest.mark.parametrize("size", [8, 9, 73, 74])
def test_a_signature_is_as_long_as_one(size):
    shown = flo.push(b"s" * size) + flo.push(KEYS[0].public_key.encoded)
    spends = msgspec.structs.replace(transaction(1), inputs=(flo.TxInput("ab" * 32, 0, shown),))
    expected = (b"s" * size, KEYS[0].public_key) if 9 <= size <= 73 else None
    assert flo.input_key(spends, 0) == expected


def test_of_several_keys_the_first_is_named():
    script = flo.encode_multisig_script(2, [key.public_key for key in KEYS])
    digest = flo.signature_hash(transaction(1), 0, script, flo.SIGHASH_ALL)
    shown = b"\0" + b"".join(flo.push(key.sign(digest) + b"\x01") for key in KEYS)
    spends = msgspec.structs.replace(transaction(1), inputs=(flo.TxInput(f"{1:064x}", 0, shown),))
    assert flo.verify_input(spends, 0, script).public_key == KEYS[0].public_key


def honest(count: int) -> list[flo.BlockHeader]:
    """A chain whose target changes with every block, as its times wander."""
    headers = [GENESIS]
    for number in range(count):
        time_s = headers[-1].time_s + (40, 31, 20, 35, 26)[number % 5]
        headers.append(following(headers, time_s))
    return headers


def following(headers: list[flo.BlockHeader], time_s: int, bits: int | None = None) -> flo.BlockHeader:
    times, targets = [one.time_s for one in headers], [one.bits for one in headers]
    asked = flo.required_bits(NET, len(headers), time_s, times, targets)
    return msgspec.structs.replace(
        GENESIS, version=4, prev_hash=headers[-1].block_hash, time_s=time_s, bits=asked if bits is None else bits
    )


def joined(headers: list[flo.BlockHeader]) -> bytes:
    return b"".join(one.encode() for one in headers)


@pytest.mark.parametrize("feed", ["feed", "feed_many"])
def test_a_target_made_of_other_blocks_is_refused(feed):
    headers = honest(40)
    time_s = headers[-1].time_s + 40
    right = following(headers, time_s)
    nearby = headers[-5:] + headers[:2]
    made = {
        retarget(NET, EACH, of.bits, last.time_s - first.time_s)
        for of, first, last in itertools.product(nearby, repeat=3)
    }
    assert right.bits in made
    assert len(made) > 10
    for bits in made:
        chain = flo.HeaderChain(NET)
        getattr(chain, feed)(joined(headers[1:]))
        one = following(headers, time_s, bits)
        expected = flo.Extend(41, one.block_hash) if one == right else flo.Refused(one.block_hash, flo.Refusal.BITS)
        assert getattr(chain, feed)(one.encode()) == [expected]


def test_what_a_branch_looks_back_to_is_kept():
    """However many headers were let go of, a branch at the deepest place is judged by all rules."""
    headers = honest(60)
    for tip in range(20, 61):
        chain = flo.HeaderChain(NET, max_rollback=5)
        chain.feed_many(joined(headers[1 : tip + 1]))
        line = headers[: tip - 4]
        median_s = sorted(one.time_s for one in line[-11:])[5]
        misses = {
            flo.Refusal.BITS: following(line, median_s + 1, 0x1E00FFFF),
            flo.Refusal.TOO_OLD: following(line, median_s),
        }
        for reason, wrong in misses.items():
            assert chain.feed(wrong) == [flo.Refused(wrong.block_hash, reason)]
        assert chain.feed(following(line, median_s + 1)) == []
        assert chain.side_headers == 1
    assert chain.header_at(20) is None


@pytest.mark.parametrize("feed", ["feed", "feed_many"])
def test_work_that_nobody_asked_for_is_not_looked_at(feed):
    chain = flo.HeaderChain(NET)
    getattr(chain, feed)(joined(honest(30)[1:]))
    assert (chain.height, chain.pow_checked) == (30, 0)


@pytest.mark.parametrize(("height", "known"), [(0, 0), (4, 0), (5, 5), (8, 5), (9, 9), (100, 9)])
def test_the_last_block_that_is_known_at_a_height(height, known):
    network = msgspec.structs.replace(NET, checkpoints=((5, "ab" * 32), (9, "cd" * 32)))
    assert network.known_height(height) == known
