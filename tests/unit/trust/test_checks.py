"""Each claim, held and failed, with real signatures and a real chain."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from etdb import oip, trust
from etdb.flo import (
    REGTEST,
    Destination,
    DestinationKind,
    PrivateKey,
    Transaction,
    TxInput,
    TxOutput,
    encode_key_script,
    nested_destination,
    parse_transaction,
    sign_input,
    sign_message,
)
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.manifest import encode_manifest, parse_manifest
from etdb.testing.ledger import malleated
from etdb.trust import Claim, Outcome

KEY, STRANGER = PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32)
ADDRESS, OTHER = KEY.address(REGTEST), STRANGER.address(REGTEST)


def record(location: str = "bafyroot") -> oip.PublishMessage:
    tomogram = oip.Tomogram(
        title="t",
        description="d",
        species="s",
        acquired_on=dt.date(2026, 1, 2),
        publisher=ADDRESS,
        location=location,
        timestamp_s=1_700_000_000,
    )
    signature = sign_message(KEY, oip.artifact_preimage(location, ADDRESS, 1_700_000_000))
    return oip.parse_message(oip.encode_publish(tomogram, signature))


def parts(key: PrivateKey = KEY, address: str = ADDRESS) -> list[oip.Part]:
    split = oip.split(b"x" * 2000, address, sign=lambda preimage: sign_message(key, preimage))
    return [oip.parse_message(text) for text in [split.first(), *split.rest("ab" * 32)]]


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """A message in a block of a real chain: its text, and the ledger's evidence."""
    chain = LocalChain(tmp_path_factory.mktemp("chain"), writable=True)
    chain.earn(ADDRESS, 10_000_000)
    wallet = Wallet(KEY, REGTEST, Limits(), chain.coins(ADDRESS))
    txids = [chain.submit(wallet.sign(b"text %d" % number).raw) for number in range(5)]
    chain.settle()
    yield b"text 2", chain.evidence(txids[2]), chain.tip().block_hash
    chain.close()


def test_artifact():
    message = record()
    assert trust.check_artifact(message, REGTEST).outcome is Outcome.HELD
    moved = msgspec.structs.replace(message, preimage=message.preimage.replace("bafyroot", "bafyevil"))
    failed = trust.check_artifact(moved, REGTEST)
    assert (failed.claim, failed.outcome) == (Claim.ARTIFACT_SIGNATURE, Outcome.FAILED)
    assert ADDRESS in failed.detail


def test_parts():
    assert trust.check_parts(parts(), ADDRESS, REGTEST).outcome is Outcome.HELD
    assert trust.check_parts([], ADDRESS, REGTEST).outcome is Outcome.NOT_POSSIBLE
    assert trust.check_parts(parts(STRANGER, OTHER), ADDRESS, REGTEST).outcome is Outcome.FAILED
    forged = [parts()[0], parts(STRANGER)[1], parts()[2]]
    assert "part 1" in trust.check_parts(forged, ADDRESS, REGTEST).detail


def test_transaction_signatures(sent):
    text, evidence, _ = sent
    raw = evidence.raw_transaction
    assert trust.check_transaction_signatures([(raw, text)], ADDRESS, REGTEST).outcome is Outcome.HELD
    # A stranger's other form of the hash type is the same signature over the same text.
    assert trust.check_transaction_signatures([(malleated(raw), text)], ADDRESS, REGTEST).outcome is Outcome.HELD
    assert "another text" in trust.check_transaction_signatures([(raw, b"else")], ADDRESS, REGTEST).detail
    assert trust.check_transaction_signatures([(raw, text)], OTHER, REGTEST).outcome is Outcome.FAILED
    changed = msgspec.structs.replace(parse_transaction(raw), flo_data=b"text 9").encode()
    assert trust.check_transaction_signatures([(changed, b"text 9")], ADDRESS, REGTEST).outcome is Outcome.FAILED


def test_a_coin_that_is_not_at_hand_makes_it_impossible_not_wrong():
    """A witness signs its coin's amount, a key's own coin shows no key: neither is in the transaction itself."""
    program = Destination(DestinationKind.P2WPKH, KEY.public_key.hash)
    for script in (program.script, nested_destination(program).script, encode_key_script(KEY.public_key)):
        plain = Transaction(inputs=(TxInput("ab" * 32, 0),), outputs=(TxOutput(1, script),), flo_data=b"text")
        raw = sign_input(plain, 0, KEY, TxOutput(5_000, script)).encode()
        result = trust.check_transaction_signatures([(raw, b"text")], ADDRESS, REGTEST)
        assert result.outcome is Outcome.NOT_POSSIBLE
        assert "input 0" in result.detail
    bare = plain.encode()
    wrong = trust.check_transaction_signatures([(raw, b"text"), (bare, b"text")], ADDRESS, REGTEST)
    assert wrong.outcome is Outcome.FAILED, "one that is wrong counts for more than one that nobody can judge"
    assert trust.check_transaction_signatures([(bare, b"text")], ADDRESS, REGTEST).outcome is Outcome.FAILED


def test_inclusion(sent):
    _, evidence, block_hash = sent
    given = (evidence.raw_transaction, evidence.header, evidence.position, evidence.branch, block_hash)
    assert trust.check_inclusion(*given).outcome is Outcome.HELD
    wrong = [
        (given[0], given[1], given[2] ^ 1, *given[3:]),
        (given[0], given[1], given[2], given[3][:-1], given[4]),
        (given[0], given[1], given[2], (bytes(32), *given[3][1:]), given[4]),
        (*given[:4], "00" * 32),
        (given[0][:-1], *given[1:]),
        (bytes(64), *given[1:]),
        (given[0], given[1][:-1], *given[2:]),
    ]
    for case in wrong:
        assert trust.check_inclusion(*case).outcome is Outcome.FAILED


def test_work_of_a_local_chain_proves_nothing(sent):
    assert trust.check_work(sent[1].header, REGTEST, has_work=False).outcome is Outcome.NOT_POSSIBLE


def test_manifest():
    tomogram = record().tomogram
    manifest = parse_manifest(encode_manifest(tomogram, [], prepared_on=dt.date(2026, 1, 3)))
    assert trust.check_manifest(manifest, tomogram).outcome is Outcome.HELD
    assert trust.check_manifest(None, tomogram).outcome is Outcome.NOT_POSSIBLE
    other = msgspec.structs.replace(tomogram, species="another")
    failed = trust.check_manifest(manifest, other)
    assert failed.outcome is Outcome.FAILED
    assert "species" in failed.detail


def test_of_two_results_the_worse_counts_and_every_claim_is_there():
    held = trust.ClaimResult(claim=Claim.FILE_BYTES, outcome=Outcome.HELD)
    failed = trust.ClaimResult(claim=Claim.FILE_BYTES, outcome=Outcome.FAILED, detail="x")
    verification = trust.Verification.of([failed, held])
    assert [one.claim for one in verification.results] == list(Claim)
    assert verification[Claim.FILE_BYTES] == failed
    assert verification.failed == (failed,)
    assert verification[Claim.BLOCK_INCLUSION].outcome is Outcome.NOT_CHECKED
    assert all(claim.meaning for claim in Claim)
