"""Whatever is asked: no text raises, and filters answer as a slow search does."""

import contextlib
import datetime as dt

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etdb.catalogue import FACETS, FIELDS, RANGES, SORTS, Catalogue, Query, Range, display, parse_query, query_pairs
from etdb.catalogue.text import fold_record, parse_text, split_words
from etdb.errors import InputError
from etdb.oip import Tomogram
from etdb.testing.catalogue import (
    contract_tomograms,
    dataset_id_of,
    fill_catalogue,
    naive_facet,
    naive_search,
    naive_values,
    walk_pages,
)

TOMOGRAMS = contract_tomograms()
QUICK = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ANY_TEXT = st.text(st.characters(codec=None), max_size=200) | st.text(' "-.*():^{}ABab01_éµß\u202e\x00', max_size=60)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    with Catalogue(tmp_path_factory.mktemp("c") / "c.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, TOMOGRAMS)
        yield catalogue


@QUICK
@given(text=ANY_TEXT, sort=st.sampled_from(["", *(sort.name for sort in SORTS)]))
def test_no_text_raises(catalogue, text, sort):
    page = catalogue.search(Query(text=text, sort=sort, limit=3, facets=("species",)))
    assert len(set(walk_pages(catalogue, Query(text=text, sort=sort, limit=10)))) == page.total


@QUICK
@given(text=ANY_TEXT)
def test_no_id_term_or_cursor_escapes(catalogue, text):
    catalogue.search(Query(terms={"species": (text,), "file_role": (text, "")}))
    with pytest.raises(InputError):
        catalogue.search(Query(cursor=text or "x"))
    with contextlib.suppress(InputError):
        assert catalogue.get(text).dataset_id.startswith(text.strip().lower())


@QUICK
@given(
    words=st.lists(st.sampled_from(["caulobacter", "vibrio", "tomogram", "3", "pili", "briegel", "krios"]), max_size=4)
)
def test_all_words_must_be_there(catalogue, words):
    found = set(walk_pages(catalogue, Query(text="".join(f'"{word}" ' for word in words), limit=50)))

    def has_all(number, tomogram):
        text = fold_record(dataset_id_of(number), tomogram)
        every = f"{text.title} {text.names} {text.body} {text.pieces} {text.joined}".split()
        return all(word in every for word in words)

    assert found == {dataset_id_of(number) for number, one in enumerate(TOMOGRAMS) if has_all(number, one)}


def ranges_of(name):
    field = next(field for field in FIELDS if field.name == name)
    if field.kind == "date":
        bound = st.none() | st.dates(dt.date(2009, 1, 1), dt.date(2018, 1, 1))
    else:
        known = sorted({value for number, one in enumerate(TOMOGRAMS) for value in naive_values(number, one, name)})
        bound = st.none() | st.sampled_from(known or [0]) | st.integers() | st.floats(allow_nan=False)
    return st.builds(Range, bound, bound)


TERM_VALUES = {
    name: sorted({str(value) for n, one in enumerate(TOMOGRAMS) for value in naive_values(n, one, name)}) or ["x"]
    for name in FACETS
}
QUERIES = st.builds(
    lambda terms, ranges, sort, limit: Query(terms=dict(terms), ranges=dict(ranges), sort=sort, limit=limit),
    st.lists(
        st.sampled_from(FACETS).flatmap(
            lambda name: st.tuples(st.just(name), st.lists(st.sampled_from(TERM_VALUES[name]), max_size=3).map(tuple))
        ),
        max_size=2,
    ),
    st.lists(st.sampled_from(RANGES).flatmap(lambda name: st.tuples(st.just(name), ranges_of(name))), max_size=2),
    st.sampled_from(["", *(sort.name for sort in SORTS)]),
    st.integers(1, 50),
)


@QUICK
@given(query=QUERIES)
def test_filters_answer_as_python_does(catalogue, query):
    expected = [dataset_id_of(number) for number in naive_search(TOMOGRAMS, query)]
    assert list(walk_pages(catalogue, query)) == expected


@QUICK
@given(query=QUERIES, name=st.sampled_from(FACETS))
def test_facets_count_as_python_does(catalogue, query, name):
    page = catalogue.search(Query(terms=query.terms, ranges=query.ranges, facets=(name,), facet_limit=1000))
    assert sorted(one.count for one in page.facets[name]) == sorted(naive_facet(TOMOGRAMS, query, name).values())


@QUICK
@given(query=QUERIES)
@example(query=Query(ranges={"tilt_axes": Range(None, 9_007_199_254_740_993)}))
def test_filters_survive_a_link(query):
    open_ranges = {name: asked for name, asked in query.ranges.items() if not _infinite(asked)}
    terms = {name: values for name, values in query.terms.items() if values and name not in RANGES}
    plain = Query(terms=terms, ranges=open_ranges)
    again = parse_query(query_pairs(plain))
    assert (again.terms, again.ranges) == (plain.terms, plain.ranges)


def _infinite(asked):
    return any(bound in (float("inf"), float("-inf")) for bound in (asked.low, asked.high) if bound is not None)


@settings(max_examples=12, deadline=None)
@given(
    before=st.integers(0, 40),
    limit=st.integers(1, 9),
    sort=st.sampled_from(["newest", "title", "size", "date", "relevance"]),
)
def test_paging_is_not_disturbed_by_new_records(tmp_path_factory, before, limit, sort):
    with Catalogue(tmp_path_factory.mktemp("p") / "c.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, TOMOGRAMS[:28])
        query = Query(sort=sort, limit=limit, text="tomogram" if sort == "relevance" else "")
        old = list(walk_pages(catalogue, query))
        pages = walk_pages(catalogue, query)
        seen = [next(pages) for _ in range(min(before, len(old)))]
        with catalogue.batch() as batch:
            batch.rollback(-1)
        fill_catalogue(catalogue, TOMOGRAMS)
        seen += list(pages)
    assert len(set(seen)) == len(seen)
    assert set(old) <= set(seen)
    assert [one for one in seen if one in old] == old


@settings(max_examples=300, deadline=None)
@given(text=ANY_TEXT)
def test_text_functions_take_anything(text):
    assert all(word and not set(word) & set(' "*^:(){}+-') for word in split_words(text))
    parse_text(text)
    shown = display(text)
    assert not set(shown) & set("\x00\x1b\u202e\u2066\u200b\x7f")
    fold_record("0" * 64, Tomogram(title=text, extra={text: [text, {"a": text}]}))
