"""Records on a real local chain: real transactions, real signatures, and their claims."""

import pytest

from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import Limits, LocalChain, Wallet
from etdb.testing.records import RecordSigner
from etdb.trust import Claim, Outcome

LAB = RecordSigner("lab")


@pytest.fixture
def chain(tmp_path):
    chain = LocalChain(tmp_path / "chain", writable=True)
    chain.earn(LAB.address, 10**8)
    yield chain
    chain.close()


def send(chain, *texts):
    wallet = Wallet(LAB.key, REGTEST, Limits(), chain.coins(LAB.address))
    return [chain.submit(wallet.sign(text).raw) for text in texts]


def test_records_of_a_local_chain(chain, tmp_path):
    (single,) = send(chain, LAB.message(title="Single"))
    cut = LAB.split(LAB.message(title="In parts", description="Long. " * 400), limit=1040)
    (first,) = send(chain, cut.first())
    rest = send(chain, *cut.rest(first))
    chain.settle()
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        report = follow(chain, catalogue, network=REGTEST, check_transactions=True)
        assert report.records_new == 2
        view = catalogue.get(first)
        assert view.part_txids == (first, *rest)
        assert catalogue.messages(first)[0].sender == (LAB.address,)
        outcomes = {result.claim: result.outcome for result in view.claims.results}
        assert outcomes == {
            Claim.ARTIFACT_SIGNATURE: Outcome.HELD,
            Claim.MULTIPART_SIGNATURES: Outcome.HELD,
            Claim.TRANSACTION_SIGNATURE: Outcome.HELD,
            Claim.MANIFEST_AGREES: Outcome.NOT_CHECKED,
            Claim.BLOCK_INCLUSION: Outcome.NOT_CHECKED,
            Claim.HEADER_CHAIN_WORK: Outcome.NOT_POSSIBLE,
            Claim.FILE_BYTES: Outcome.NOT_CHECKED,
        }
        assert catalogue.get(single).tomogram.title == "Single"
        chain.mine(3)
        assert follow(chain, catalogue, network=REGTEST, check_transactions=True).blocks == 3
        assert catalogue.get(single).confirmations == 4
        assert {hit.confirmations for hit in catalogue.search(Query(text="long")).results} == {4}


def test_another_rule_folds_anew(chain, tmp_path):
    (txid,) = send(chain, LAB.message())
    chain.settle()
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        follow(chain, catalogue, network=REGTEST)
        assert catalogue.get(txid).claims[Claim.TRANSACTION_SIGNATURE].outcome is Outcome.NOT_CHECKED
        follow(chain, catalogue, network=REGTEST, check_transactions=True)
        assert catalogue.get(txid).claims[Claim.TRANSACTION_SIGNATURE].outcome is Outcome.HELD
