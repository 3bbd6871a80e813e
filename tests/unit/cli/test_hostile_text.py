"""Text of strangers on a terminal: kept in the catalogue as it was sent, never printed as it was sent."""

import json
import unicodedata

import pytest

from etdb.catalogue import Catalogue
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.oip import FileEntry, encode_go_json
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

HOSTILE = "a\x1b[31mb\x9b2Jc\x07d\x7fe\u202ef\u2066g\u200bh\ufeffi\U000e0041j[red]k\\"
LAB = RecordSigner("lab")


@pytest.fixture
def dataset_id(desk):
    """A workspace that has indexed a record, another message and a damaged one, hostile wherever text may stand."""
    ledger = ScriptedLedger()
    record = LAB.message(
        title=HOSTILE,
        species=HOSTILE,
        notes=HOSTILE,
        sid=HOSTILE,
        microscope=HOSTILE,
        tags=(HOSTILE,),
        extra={HOSTILE: HOSTILE},
        files=(FileEntry(path=HOSTILE, media_type=HOSTILE, notes=HOSTILE, size_bytes=1),),
    )
    other = {"oip042": {"register": {"pub": {"alias": HOSTILE, "floAddress": HOSTILE, "timestamp": 1}}}}
    key = json.dumps(HOSTILE)
    ids = ledger.add_block([record, b"json:" + encode_go_json(other), f"json:{{{key}:1,{key}:2}}".encode()])
    with Catalogue(desk.workspace.catalogue_path, writable=True) as catalogue:
        follow(ledger, catalogue, network=REGTEST)
        assert catalogue.get(ids[0]).tomogram.title == HOSTILE
        assert catalogue.listed("other").items[0].title == HOSTILE
    return ids[0]


def strange_letters(text):
    """Letters that move the cursor, change colours, hide or turn round what stands beside them."""
    return {c for c in text if c not in "\n " and unicodedata.category(c)[0] in "CZ"}


@pytest.mark.parametrize(
    "words",
    [
        ("search",),
        ("search", "--facet", "species", "--facet", "microscope"),
        ("show",),
        ("show", "--other"),
        ("show", "--aside"),
    ],
)
@pytest.mark.parametrize("mode", [(), ("--json",)])
def test_nothing_of_it_reaches_the_terminal(desk, dataset_id, words, mode):
    named = words if len(words) > 1 or words == ("search",) else (*words, dataset_id)
    said = desk.run(*mode, *named)
    assert said.status == 0
    assert strange_letters(said.out + said.err) == set()
    assert "k" in said.out


def test_a_program_gets_all_of_it(desk, dataset_id):
    document = json.loads(desk.run("--json", "show", dataset_id).out)
    assert document["tomogram"]["title"] == HOSTILE
    assert document["tomogram"]["files"][0]["path"] == HOSTILE
    assert json.loads(desk.run("--json", "show", "--other").out)["items"][0]["title"] == HOSTILE
