"""Parts of honest publishers and of strangers over blocks in any order, with reorganisations between.

A follower has what a reader from the beginning gets, and the records whose true parts are all there, each first.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from etdb.catalogue import Catalogue, Query
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.oip.parts import part_preimage
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

LAB = RecordSigner("lab")
STRANGER = RecordSigner("stranger")
MAKER = ScriptedLedger()


def parts_of(title: str, digits: int) -> list[tuple[str, bytes]]:
    cut = LAB.split(LAB.message(title=title, description="A long description. " * 60))
    first = cut.first()
    txid = MAKER.txid_of(first)
    return [(txid, first), *((MAKER.txid_of(text), text) for text in cut.rest(txid[:digits]))]


def sent(signer: RecordSigner, number: int, last: int, reference: str, *, address: str = "") -> tuple[str, bytes]:
    claimed, data = address or signer.address, b'"}}} other data'
    signature = signer.sign(part_preimage(number, last, claimed, reference, data))
    text = f"oip-mp({number},{last},{claimed},{reference},{signature}):".encode() + data
    return MAKER.txid_of(text), text


TRUE = {title: parts_of(title, digits) for title, digits in (("Full", 64), ("Short", 10))}
ids = {title: parts[0][0] for title, parts in TRUE.items()}
last = len(TRUE["Full"]) - 1
POOL = [
    *(part for parts in TRUE.values() for part in parts),
    *((MAKER.txid_of(text), text) for parts in TRUE.values() for _, text in parts[1:]),  # honest parts again
    *(sent(LAB, number, last, ids["Full"]) for number in range(1, last + 1)),  # the lab contradicts itself
    sent(LAB, 1, last, ids["Full"][:10]),
    sent(LAB, 1, last, ids["Short"]),
    *(sent(LAB, number, last, ids["Full"][:10] + "0" * 54) for number in range(1, last + 1)),  # the same ten digits
    *(sent(STRANGER, number, last, ids["Full"]) for number in range(1, last + 1)),
    *(sent(STRANGER, number, last, ids["Short"][:10], address=LAB.address) for number in range(1, last + 1)),
    sent(LAB, 1, last + 1, ids["Full"]),
    (MAKER.txid_of(TRUE["Full"][0][1]), TRUE["Full"][0][1]),  # part 0 word by word, in another transaction
    (MAKER.txid_of(b"whole"), LAB.message(title="Whole")),
    (MAKER.txid_of(b"damaged"), b"json:{broken"),
]
steps = st.one_of(
    st.lists(st.integers(0, len(POOL) - 1), max_size=8).map(lambda places: ("block", places)),
    st.integers(1, 3).map(lambda depth: ("back", depth)),
    st.just(("run", None)),
)


def expected(chain: list[tuple[str, bytes]]) -> set[str]:
    """The rule in few words: of each number, the first in the chain that the lab signed for this message."""
    found = {"Whole"} if any(text == LAB.message(title="Whole") for _, text in chain) else set()
    for title, parts in TRUE.items():
        first = ids[title]
        kept: dict[int, bytes] = {}
        for txid, text in chain:
            head, _, data = text.partition(b"):")
            if not head.startswith(b"oip-mp(") or (txid, text) not in HONESTLY_SIGNED:
                continue
            number, of, _, reference, _ = head[7:].decode().split(",")
            if int(of) == last and (txid == first if number == "0" else first.startswith(reference)):
                kept.setdefault(int(number), data)
        if kept == {number: text.partition(b"):")[2] for number, (_, text) in enumerate(parts)}:
            found.add(title)
    return found


HONESTLY_SIGNED = {
    (txid, text)
    for txid, text in POOL
    if f",{LAB.address},".encode() in text
    and not any(text == sent(STRANGER, n, last, ids["Short"][:10], address=LAB.address)[1] for n in range(1, last + 1))
}


@settings(max_examples=20)
@given(st.lists(steps, max_size=14), st.just([]) | st.just(range(len(POOL))) | st.permutations(range(len(POOL))))
def test_a_follower_has_what_the_rule_says_whatever_happens(script, last_block):
    ledger = ScriptedLedger()
    with tempfile.TemporaryDirectory() as folder:
        with Catalogue(Path(folder) / "follower.sqlite", writable=True) as catalogue:
            for what, how in [*script, ("block", last_block)]:
                on_chain = {one.txid for block in ledger.chain for one in block.messages}
                if what == "block":
                    chosen = dict.fromkeys(how)
                    ledger.add_block([POOL[place] for place in chosen if POOL[place][0] not in on_chain])
                elif what == "back":
                    ledger.take_back(min(how, len(ledger.chain)))
                else:
                    follow(ledger, catalogue, network=REGTEST)
            follow(ledger, catalogue, network=REGTEST)
            with Catalogue(Path(folder) / "replay.sqlite", writable=True) as replay:
                follow(ledger, replay, network=REGTEST)
                assert replay.dump() == catalogue.dump()
            titles = [hit.tomogram.title for hit in catalogue.search(Query(limit=100)).results]
        chain = [(one.txid, one.data) for block in ledger.chain for one in block.messages]
        assert sorted(titles) == sorted(expected(chain))
