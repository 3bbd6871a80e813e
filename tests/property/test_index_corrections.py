"""Corrections on a chain that reorganises: following is replaying, and strangers change nothing."""

import itertools
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

LAB, HEIR, STRANGER = (RecordSigner(name) for name in ("lab", "heir", "stranger"))
SIGNERS = (LAB, HEIR, STRANGER)
BASES = tuple(LAB.tomogram(title=f"Record {number}", sid=f"rr{number}") for number in range(2))
MESSAGES = tuple(LAB.split(LAB.message(one), limit=420) for one in BASES)
IDS = tuple(f"{number:02x}" * 32 for number in (171, 205))
PARTS = tuple(
    list(zip([one, *(f"{first + number:02x}" * 32 for number in range(cut.count - 1))], texts, strict=True))
    for first, one, cut in zip((16, 64), IDS, MESSAGES, strict=True)
    for texts in [[cut.first(), *cut.rest(one)]]
)
COUNTER = itertools.count()


def edit(signer, record, title):
    base = BASES[record]
    new = msgspec.structs.replace(base, title=title, publisher=signer.address, timestamp_s=1_700_000_100)
    return signer.edit(IDS[record], base, new)


ACTIONS = {
    f"{name} {kind} {record}": (message, signer.address)
    for name, signer in zip(("lab", "heir", "stranger"), SIGNERS, strict=True)
    for record in (0, 1)
    for kind, message in {
        "edits": edit(signer, record, f"by {name}"),
        "edits again": edit(signer, record, "A longer title " * 3),
        "withdraws": signer.deactivate(IDS[record]),
        "gives to the heir": signer.transfer(IDS[record], HEIR.address),
        "gives to the lab": signer.transfer(IDS[record], LAB.address),
        "names": signer.register(f"{name} {record}"),
    }.items()
}
STOLEN = {
    f"stranger sends: {name}": (message, STRANGER.address)
    for name, (message, sender) in ACTIONS.items()
    if sender != STRANGER.address
}
parts = st.sampled_from([("part", record, number) for record, cut in enumerate(PARTS) for number in range(len(cut))])
names = st.sampled_from(sorted(ACTIONS))
blocks = st.lists(st.one_of(parts, parts, names.map(lambda name: ("action", name))), max_size=5)
steps = st.lists(
    st.one_of(blocks.map(lambda one: ("block", one)), st.tuples(st.just("back"), st.integers(1, 4))), max_size=14
)


def placed(ledger, one):
    if one[0] == "part":
        return (*PARTS[one[1]][one[2]], LAB.address)
    message, sender = {**ACTIONS, **STOLEN}[one[1]]
    return (ledger.txid_of(message), message, sender)


def dumped(ledger, folder):
    with Catalogue(Path(folder) / f"{next(COUNTER)}.sqlite", writable=True) as catalogue:
        follow(ledger, catalogue, network=REGTEST)
        return catalogue.dump()


@settings(deadline=None, max_examples=25)
@given(steps)
def test_following_is_replaying(script):
    ledger = ScriptedLedger()
    whole = [("block", [("part", record, number) for record, cut in enumerate(PARTS) for number in range(len(cut))])]
    with tempfile.TemporaryDirectory() as folder, Catalogue(Path(folder) / "it.sqlite", writable=True) as catalogue:
        for what, of in [*script, *whole, *script[:4]]:
            if what == "block":
                sent = {one[0]: one for block in ledger.chain for one in ((m.txid,) for m in block.messages)}
                new = [placed(ledger, one) for one in of]
                ledger.add_block([one for n, one in enumerate(new) if one[0] not in sent and one not in new[:n]])
            else:
                ledger.take_back(of)
            follow(ledger, catalogue, network=REGTEST)
            catalogue.search(Query(text="by", facets=("sid",)))  # what is kept between searches is to stay true
        assert catalogue.dump() == dumped(ledger, folder)
        with Catalogue(Path(folder) / "fresh.sqlite", writable=True) as fresh:
            follow(ledger, fresh, network=REGTEST)
            for query in (Query(text="by"), Query(text="longer"), Query(withdrawn=True), Query(facets=("sid",))):
                assert catalogue.search(query) == fresh.search(query)


@settings(deadline=None, max_examples=20)
@given(st.lists(names, max_size=6), st.lists(st.sampled_from(sorted(STOLEN)), min_size=1, max_size=6), st.randoms())
def test_strangers_change_nothing(told, stolen, order):
    told = [name for name in told if not name.startswith("stranger")]
    mixed = [*told, *stolen, *(name for name in ACTIONS if name.startswith("stranger edits"))]
    order.shuffle(mixed)
    kept = [name for name in mixed if name in told]
    views = []
    with tempfile.TemporaryDirectory() as folder:
        for number, script in enumerate((kept, mixed)):
            ledger = ScriptedLedger()
            ledger.add_block([(txid, text, LAB.address) for cut in PARTS for txid, text in cut])
            ledger.add_block([placed(ledger, ("action", name)) for name in script])
            with Catalogue(Path(folder) / f"{number}.sqlite", writable=True) as catalogue:
                follow(ledger, catalogue, network=REGTEST)
                found = [catalogue.get(one) for one in IDS]
                views.append(
                    [
                        (one.tomogram, one.owner, one.revisions, one.withdrawn is None, one.publisher_name)
                        for one in found
                    ]
                )
    assert views[0] == views[1]
