"""What is verified of a dataset that was edited: from its transactions alone, whatever else is put among them."""

from __future__ import annotations

import msgspec
import pytest

from etdb.catalogue import Catalogue
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.testing.records import RecordSigner
from etdb.trust import Claim, Outcome, Verification
from etdb.verify import verify_record

LAB, HEIR, STRANGER = (RecordSigner(name) for name in ("lab", "heir", "stranger"))
FIRST = LAB.tomogram(title="A wrong title", sid="rr1")
SECOND = msgspec.structs.replace(FIRST, title="A right title", timestamp_s=1_700_000_050)
THEIRS = msgspec.structs.replace(SECOND, title="The heir's", publisher=HEIR.address, timestamp_s=1_700_000_060)


class Chain:
    """A chain of one's own on which anybody sends what they like."""

    def __init__(self, folder):
        self.folder = folder
        self.ledger = LocalChain(folder / "chain", writable=True)

    def send(self, text, signer=LAB):
        self.ledger.earn(signer.address, 10_000_000)
        wallet = Wallet(signer.key, REGTEST, Limits(), self.ledger.coins(signer.address))
        signed = wallet.sign(text)
        self.ledger.submit(signed.raw)
        self.ledger.settle()
        return signed.txid

    def send_split(self, message, signer=LAB, sender=None):
        cut = signer.split(message, limit=400)
        first = self.send(cut.first(), sender or signer)
        return [first, *(self.send(text, sender or signer) for text in cut.rest(first))]

    def verify(self, dataset_id, tomogram, txids):
        def block_hash_at(height):
            ref = self.ledger.block_ref(height)
            return ref.block_hash if ref else None

        evidence = [self.ledger.evidence(txid) for txid in txids]
        return Verification.of(verify_record(dataset_id, tomogram, evidence, block_hash_at=block_hash_at))

    def view(self, dataset_id, **options):
        with Catalogue(self.folder / "catalogue.sqlite", writable=True) as catalogue:
            follow(self.ledger, catalogue, network=REGTEST, check_transactions=True)
            return catalogue.get(dataset_id, **options)


@pytest.fixture
def chain(tmp_path):
    chain = Chain(tmp_path)
    yield chain
    chain.ledger.close()


def held(verification):
    return [str(one.claim) for one in verification.results if one.outcome is Outcome.HELD]


def test_an_edited_record_is_verified_from_its_transactions(chain):
    dataset_id = chain.send(LAB.message(FIRST))
    edit = chain.send_split(LAB.edit(dataset_id, FIRST, SECOND))
    assert len(edit) > 1
    view = chain.view(dataset_id)
    assert view.tomogram == SECOND
    assert view.txids == (dataset_id, *edit)
    verification = chain.verify(dataset_id, SECOND, view.txids)
    assert verification.failed == ()
    assert {"artifact_signature", "transaction_signature", "block_inclusion"} <= set(held(verification))
    old = chain.view(dataset_id, revision=1)
    assert chain.verify(dataset_id, FIRST, old.txids).failed == ()
    # Neither is what the other's transactions say.
    assert [one.claim for one in chain.verify(dataset_id, FIRST, view.txids).failed] == [Claim.ARTIFACT_SIGNATURE]
    assert [one.claim for one in chain.verify(dataset_id, SECOND, old.txids).failed] == [Claim.ARTIFACT_SIGNATURE]


def test_after_a_transfer_the_new_owners_transactions_count(chain):
    dataset_id = chain.send(LAB.message(FIRST))
    chain.send(LAB.transfer(dataset_id, HEIR.address))
    chain.send(HEIR.edit(dataset_id, FIRST, THEIRS), HEIR)
    view = chain.view(dataset_id)
    assert (view.tomogram, view.owner) == (THEIRS, HEIR.address)
    assert chain.verify(dataset_id, THEIRS, view.txids).failed == ()
    without_transfer = (view.txids[0], view.txids[2])
    assert chain.verify(dataset_id, THEIRS, without_transfer).failed != ()


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_strangers_transaction_among_them_changes_nothing(chain, in_parts):
    dataset_id = chain.send(LAB.message(FIRST))
    evil = LAB.edit(dataset_id, FIRST, SECOND).replace(b"A right title", b"An evil title")
    stolen = chain.send_split(evil, STRANGER) if in_parts else [chain.send(evil, STRANGER)]
    if not in_parts:  # the owner's own words, sent by another
        stolen += [chain.send(LAB.deactivate(dataset_id), STRANGER)]
    assert chain.view(dataset_id).tomogram == FIRST
    assert chain.verify(dataset_id, FIRST, [*stolen, dataset_id]).failed == ()


def test_order_is_the_chains_whatever_the_order_of_the_evidence(chain):
    dataset_id = chain.send(LAB.message(FIRST))
    later = msgspec.structs.replace(SECOND, title="Later", timestamp_s=1_700_000_070)
    edits = [chain.send(LAB.edit(dataset_id, FIRST, SECOND)), chain.send(LAB.edit(dataset_id, SECOND, later))]
    assert chain.verify(dataset_id, later, [edits[1], edits[0], dataset_id]).failed == ()
