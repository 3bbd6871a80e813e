"""The index of a ledger file is that of the chain that it was written from."""

from __future__ import annotations

from contextlib import closing

import pytest

from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.ledger import LocalChain
from etdb.ledger.archive import LedgerFile
from etdb.ledger.archive_writing import export_ledger
from etdb.testing.records import RecordSigner

LAB, STRANGER = RecordSigner("lab"), RecordSigner("stranger")


@pytest.fixture
def chain(tmp_path):
    """Records in one piece and in parts, parts that wait, a forged record, and texts of nobody's protocol."""
    with closing(LocalChain(tmp_path / "chain", writable=True)) as chain:

        def put(data):
            ref = chain.mine(1, flo_data=data)[0]
            (block,) = chain.blocks(ref.height)
            return block.messages[0].txid

        put(b"text:hello")
        put(LAB.message(title="In one"))
        chain.mine(3)
        for title, left_out in (("In parts", 0), ("Not whole", 1)):
            parts = LAB.split(LAB.message(title=title, description="A long description. " * 90))
            rest = list(parts.rest(put(parts.first())))
            for text in rest[: len(rest) - left_out]:
                put(text)
        put(STRANGER.message(LAB.tomogram(title="Forged")))
        put(b"json:{")
        yield chain


def dump_of(ledger, path, **options):
    with Catalogue(path, writable=True) as catalogue:
        follow(ledger, catalogue, network=REGTEST, **options)
        return catalogue.dump()


@pytest.mark.parametrize("check_transactions", [False, True])
def test_every_row_is_the_same(chain, tmp_path, check_transactions):
    export_ledger(chain, tmp_path / "f", network_name="regtest", messages="all")
    expected = dump_of(chain, tmp_path / "chain.sqlite", check_transactions=check_transactions)
    assert len(expected["records"]) == 2
    with closing(LedgerFile(tmp_path / "f")) as ledger:
        assert dump_of(ledger, tmp_path / "file.sqlite", check_transactions=check_transactions) == expected


def test_a_file_of_the_protocol_lacks_only_what_is_not_of_it(chain, tmp_path):
    export_ledger(chain, tmp_path / "f", network_name="regtest", messages="oip")
    with Catalogue(tmp_path / "chain.sqlite", writable=True) as whole:
        follow(chain, whole, network=REGTEST)
        with Catalogue(tmp_path / "file.sqlite", writable=True) as kept, closing(LedgerFile(tmp_path / "f")) as ledger:
            follow(ledger, kept, network=REGTEST)
            assert kept.tip() == whole.tip()
            asides = [[(one.txid, one.reason) for one in one.listed("aside").items] for one in (whole, kept)]
            assert [one for one in asides[0] if one[1] != "not of the protocol"] == asides[1]
            assert len(asides[0]) == len(asides[1]) + 2  # ours, and what the network's first block says
            assert kept.listed("orphans") == whole.listed("orphans")
            assert len(whole.listed("orphans").items) == 1
            records = [[(one.dataset_id, one.claims) for one in views(one)] for one in (whole, kept)]
            assert records[0] == records[1]
            assert len(records[0]) == 2


def views(catalogue):
    return catalogue.search(Query(sort="oldest")).results


def test_a_catalogue_of_the_chain_goes_on_with_the_file(chain, tmp_path):
    """And back: blocks are known by their hashes, whoever gives them."""
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        follow(chain, catalogue, network=REGTEST)
        before = catalogue.dump()
        chain.mine(2, flo_data=LAB.message(title="Later"))
        export_ledger(chain, tmp_path / "f", network_name="regtest", messages="all")
        with closing(LedgerFile(tmp_path / "f")) as ledger:
            report = follow(ledger, catalogue, network=REGTEST)
        assert (report.blocks, report.blocks_removed) == (2, 0)
        assert follow(chain, catalogue, network=REGTEST).blocks == 0
        assert len(catalogue.dump()["blocks"]) == len(before["blocks"]) + 2
