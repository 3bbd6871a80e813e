"""What a catalogue keeps in memory is never seen: one that stays open answers like one that was opened just now."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etdb.catalogue import SORTS, Catalogue, Query, Range, sets
from etdb.testing.catalogue import contract_tomograms

TOMOGRAMS = contract_tomograms()
QUERIES = (
    Query(facets=("species", "sid", "year", "authors"), facet_limit=1000),
    Query(text="tomogram -coli", terms={"microscope": (TOMOGRAMS[0].microscope,)}, facets=("microscope", "sid")),
    Query(ranges={"tilt_step_deg": Range(1, 2)}, terms={"sid": tuple(one.sid for one in TOMOGRAMS[:9])}),
    *(Query(sort=sort.name, limit=7) for sort in SORTS),
)
STEPS = st.lists(
    st.tuples(st.just("add"), st.integers(1, 9))
    | st.tuples(st.just("back"), st.integers(-1, 6))
    | st.tuples(st.just("refold"), st.integers(0, 5)),
    min_size=1,
    max_size=7,
)


def add_block(catalogue: Catalogue, name: str, records: int, choose: random.Random) -> None:
    with catalogue.batch() as batch:
        tip = batch.tip()
        height = tip.height + 1 if tip else 0
        batch.add_block(height, f"{name}-{height}", 1_500_000_000 + height)
        for position in range(records):
            tomogram = choose.choice(TOMOGRAMS)
            message = batch.add_message(height, position, f"{name}{height}{position:04d}", (), b"")
            batch.add_record(
                dataset_id=message.txid,
                tomogram=tomogram,
                document=msgspec.json.encode(tomogram),
                completed_by=message,
                part_ids=[message.message_id],
                signature="",
                claims=(),
            )


def refold(catalogue: Catalogue, rule: str) -> None:
    """Under another rule a record is left out: here all of them."""
    with catalogue.batch() as batch:
        batch.forget_fold()
        batch.set_meta("fold", rule)


@pytest.mark.parametrize("most_values", [sets.MAX_VALUES, 3])
@settings(max_examples=25, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 99))
def test_an_open_catalogue_answers_like_a_fresh_one(tmp_path_factory, most_values, steps, seed):
    choose = random.Random(seed)
    path = tmp_path_factory.mktemp("c") / "c.sqlite"
    names = itertools.count()
    with pytest.MonkeyPatch.context() as patch, Catalogue(path, writable=True) as writer, Catalogue(path) as reader:
        patch.setattr(sets, "MAX_VALUES", most_values)
        for what, number in steps:
            if what == "add":
                add_block(writer, f"b{next(names)}", number, choose)
            elif what == "back":
                with writer.batch() as batch:
                    batch.rollback(number)
            else:
                refold(writer, f"rule {number}")
            with Catalogue(path) as fresh:
                for query in QUERIES:
                    assert reader.search(query) == fresh.search(query)


def test_sets_hold_what_was_put_in():
    choose = random.Random(3)
    for last_id in (0, 1, 7, 8, 9, 1000):
        rows = sorted(choose.sample(range(last_id + 1), choose.randint(0, last_id + 1)))
        records = sets.as_set(rows, last_id)
        assert list(sets.lowest_first(records)) == rows
        assert list(sets.highest_first(records)) == rows[::-1]
        is_in = sets.has_each(records)
        assert [row for row in range(last_id + 20) if is_in(row)] == rows
