"""What every catalogue must do, as tests to inherit, with a slow and obvious search to compare with.

A new engine proves itself in a few lines::

    class TestMyCatalogue(CatalogueContract):
        @classmethod
        def catalogue_of(cls, tomograms, folder):
            return ...  # an open catalogue of these records, in this order on the ledger
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from etdb.catalogue import FACETS, FIELDS, RANGES, SORTS, Catalogue, Query, Range
from etdb.catalogue.text import fold_term
from etdb.errors import InputError, NotFoundError
from etdb.oip import FileEntry, Tomogram

__all__ = ["CatalogueContract", "contract_tomograms", "dataset_id_of", "fill_catalogue", "naive_search", "walk_pages"]

BLOCK_RECORDS = 7
FIRST_TIME_S = 1_500_000_000


def dataset_id_of(number: int) -> str:
    """The id that ``fill_catalogue`` gives to a record."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def fill_catalogue(catalogue: Catalogue, tomograms: Sequence[Tomogram]) -> None:
    """Put records in without a ledger, without signatures: seven a block, a block a day."""
    with catalogue.batch() as batch:
        for number, tomogram in enumerate(tomograms):
            height, position = divmod(number, BLOCK_RECORDS)
            if position == 0:
                batch.add_block(height, f"{height:064x}", FIRST_TIME_S + height * 86_400)
            message = batch.add_message(height, position, dataset_id_of(number), (), b"")
            batch.add_record(
                dataset_id=message.txid,
                tomogram=tomogram,
                document=msgspec.json.encode(tomogram),
                completed_by=message,
                part_ids=[message.message_id],
                signature="",
                claims=(),
            )


def naive_values(number: int, tomogram: Tomogram, name: str) -> list[Any]:
    """All values that a record has for a field."""
    height = number // BLOCK_RECORDS
    day = dt.datetime.fromtimestamp(FIRST_TIME_S + height * 86_400, dt.UTC).date()
    made: dict[str, list[Any]] = {
        "file_role": [entry.role for entry in tomogram.files],
        "media_type": [entry.media_type for entry in tomogram.files if entry.media_type],
        "published_on": [day],
        "height": [height],
        "size_bytes": [sum(entry.size_bytes or 0 for entry in tomogram.files)],
        "file_count": [len(tomogram.files)],
        "in_emdb": ["yes" if tomogram.emdb_id else "no"],
        "verified": [],  # fill_catalogue signs nothing
    }
    if name in made:
        return made[name]
    value = getattr(tomogram, name)
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, tuple):
        return [one for one in value if one]
    return [] if value is None or value == "" else [value]


def naive_filter(tomograms: Sequence[Tomogram], query: Query, *, without: str = "") -> list[int]:
    """Which records pass a query's filters; its text is not looked at."""

    def passes(number: int, tomogram: Tomogram) -> bool:
        for name, wanted in query.terms.items():
            has = {fold_term(str(value)) for value in naive_values(number, tomogram, name)}
            if name != without and wanted and not has & {fold_term(value) for value in wanted}:
                return False
        for name, asked in query.ranges.items():
            if name == without or asked == Range():
                continue
            low, high = asked.low, asked.high
            values = naive_values(number, tomogram, name)
            if not any((low is None or value >= low) and (high is None or value <= high) for value in values):
                return False
        return True

    return [number for number, tomogram in enumerate(tomograms) if passes(number, tomogram)]


def naive_search(tomograms: Sequence[Tomogram], query: Query) -> list[int]:
    """All records of a query without text, in order."""
    found = naive_filter(tomograms, query)

    def day(number: int) -> dt.date | None:
        return tomograms[number].acquired_on

    keys: dict[str, tuple[Any, bool]] = {
        "": (lambda _: 0, True),
        "newest": (lambda _: 0, True),
        "relevance": (lambda _: 0, True),
        "oldest": (lambda _: 0, False),
        "title": (lambda n: fold_term(tomograms[n].title[:200]), False),
        "species": (lambda n: fold_term(tomograms[n].species[:200]), False),
        "microscopist": (lambda n: fold_term(tomograms[n].microscopist[:200]), False),
        "date": (lambda n: day(n) or dt.date.min, True),
        "date-oldest": (lambda n: (day(n) is None, day(n) or dt.date.max), False),
        "size": (lambda n: tomograms[n].size_bytes, True),
        "size-smallest": (lambda n: tomograms[n].size_bytes, False),
    }
    key, descending = keys[query.sort]
    return sorted(found, key=lambda number: (key(number), number), reverse=descending)


def naive_facet(tomograms: Sequence[Tomogram], query: Query, name: str) -> Counter[str]:
    """How many records have each value, folded; as if the field itself were not filtered."""
    counts: Counter[str] = Counter()
    for number in naive_filter(tomograms, query, without=name):
        counts.update({fold_term(str(value)) for value in naive_values(number, tomograms[number], name)})
    return counts


def walk_pages(catalogue: Catalogue, query: Query) -> Iterator[str]:
    """The ids of all results, page by page."""
    while True:
        page = catalogue.search(query)
        yield from (view.dataset_id for view in page.results)
        if not page.next_cursor:
            return
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


def contract_tomograms() -> list[Tomogram]:
    """Records with equal and missing values, zeros and several spellings."""
    species = ("Caulobacter crescentus", "caulobacter  Crescentus", "Vibrio cholerae", "", "Müller cell", "Zoogloea")
    return [
        Tomogram(
            publisher=f"F{number % 3}",
            timestamp_s=number,
            title=f"Tomogram {number % 5}",
            species=species[number % 6],
            strain="" if number % 2 else "NA1000",
            microscope=("Polara", "Krios")[number % 2],
            microscopist=("Ariane Briegel", "", "Yi-Wei Chang")[number % 3],
            tags=("pili", f"tag {number % 4}") if number % 3 else (),
            acquired_on=None if number % 4 == 0 else dt.date(2010 + number % 3, 1, 1 + number % 5),
            tilt_axes=(1, 2, None)[number % 3],
            tilt_min_deg=(0.0, -60.0, None, -65.5)[number % 4],
            tilt_constant_increment=(True, False, None)[number % 3],
            defocus_um=None if number % 5 == 0 else -float(number % 7),
            sid=f"x2014-01-{number:02}",
            files=tuple(
                FileEntry(path=f"{one}.mrc", size_bytes=one * 100, role=("reconstruction", "tilt_series")[one % 2])
                for one in range(number % 4)
            ),
        )
        for number in range(41)
    ]


class CatalogueContract:
    """Inherit it and give ``catalogue_of``."""

    tomograms = contract_tomograms()

    @classmethod
    def catalogue_of(cls, tomograms: Sequence[Tomogram], folder: Path) -> AbstractContextManager[Catalogue]:
        """An open catalogue that holds exactly these records, in this order, as ``fill_catalogue`` places them."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def catalogue(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
        with cls.catalogue_of(cls.tomograms, tmp_path_factory.mktemp("catalogue")) as catalogue:
            yield catalogue

    def check(self, catalogue: Catalogue, query: Query) -> None:
        """The same results as the slow search, in the same order, on pages of any size."""
        expected = [dataset_id_of(number) for number in naive_search(self.tomograms, query)]
        assert list(walk_pages(catalogue, query)) == expected
        assert catalogue.search(query).total == len(expected)

    @pytest.mark.parametrize("sort", ["", *(sort.name for sort in SORTS)])
    @pytest.mark.parametrize("limit", [1, 7, 41, 1000])
    def test_every_sort_visits_every_record_once(self, catalogue: Catalogue, sort: str, limit: int) -> None:
        self.check(catalogue, Query(sort=sort, limit=limit))

    @pytest.mark.parametrize("name", FACETS)
    def test_every_facet_counts_as_python_counts(self, catalogue: Catalogue, name: str) -> None:
        queries = (
            Query(),
            Query(terms={"species": ("vibrio cholerae", "Zoogloea")}),
            Query(ranges={"defocus_um": Range(-3, 0)}),
            Query(terms={name: ("nothing has this",)}),
        )
        for query in queries:
            page = catalogue.search(msgspec.structs.replace(query, facets=(name,), facet_limit=1000))
            counts = {fold_term(one.value): one.count for one in page.facets[name]}
            assert counts == naive_facet(self.tomograms, query, name)
            assert [one.count for one in page.facets[name]] == sorted(counts.values(), reverse=True)

    @pytest.mark.parametrize("name", RANGES)
    def test_every_range_filters_as_python_filters(self, catalogue: Catalogue, name: str) -> None:
        values = sorted({value for n, one in enumerate(self.tomograms) for value in naive_values(n, one, name)}) or [0]
        is_date = next(field.kind for field in FIELDS if field.name == name) == "date"
        assert is_date == isinstance(values[0], dt.date)
        low, high = values[0], values[len(values) // 2]
        for asked in (
            Range(low, high),
            Range(high, None),
            Range(None, high),
            Range(low, low),
            Range(high, low),
            Range(),
        ):
            self.check(catalogue, Query(ranges={name: asked}, limit=9))

    def test_filters_join(self, catalogue: Catalogue) -> None:
        self.check(catalogue, Query(terms={"species": ("MULLER CELL", "zoogloea"), "microscope": ("polara",)}))
        self.check(catalogue, Query(terms={"tags": ("pili",), "file_role": ("tilt_series",)}, sort="title", limit=2))
        self.check(catalogue, Query(terms={"tilt_axes": ("2",)}, ranges={"tilt_min_deg": Range(0, 0)}))
        self.check(catalogue, Query(ranges={"size_bytes": Range(100, 300)}, sort="size", limit=3))

    def test_text_and_filters_join(self, catalogue: Catalogue) -> None:
        every = list(walk_pages(catalogue, Query(text="cholerae", limit=2)))
        wanted = [dataset_id_of(n) for n, one in enumerate(self.tomograms) if one.species == "Vibrio cholerae"]
        assert sorted(every) == sorted(wanted)
        some = catalogue.search(Query(text="cholerae", terms={"microscope": ("krios",)}, limit=100))
        kept = [
            n for n, one in enumerate(self.tomograms) if one.species == "Vibrio cholerae" and one.microscope == "Krios"
        ]
        assert sorted(one.dataset_id for one in some.results) == sorted(map(dataset_id_of, kept))

    def test_a_cursor_belongs_to_its_search(self, catalogue: Catalogue) -> None:
        cursor = catalogue.search(Query(limit=2, sort="title")).next_cursor
        for query in (
            Query(cursor=cursor, sort="size"),
            Query(cursor=cursor, sort="title", text="pili"),
            Query(cursor=cursor, sort="title", terms={"lab": ("x",)}),
            Query(cursor="%%%"),
            Query(cursor="A" * 5000),
            Query(cursor="bm90IGpzb24"),
        ):
            with pytest.raises(InputError):
                catalogue.search(query)

    def test_what_has_no_meaning_is_refused(self, catalogue: Catalogue) -> None:
        for query in (
            Query(terms={"nonsense": ("x",)}),
            Query(ranges={"species": Range(1, 2)}),
            Query(ranges={"acquired_on": Range(1, 2)}),
            Query(ranges={"defocus_um": Range(dt.date(2014, 1, 1), None)}),
            Query(ranges={"defocus_um": Range(float("nan"), None)}),
            Query(terms={"defocus_um": ("1",)}),
            Query(sort="random"),
            Query(limit=0),
            Query(limit=100_000),
            Query(facets=("title",)),
        ):
            with pytest.raises(InputError):
                catalogue.search(query)

    def test_every_record_is_found_by_its_id(self, catalogue: Catalogue) -> None:
        for number, tomogram in enumerate(self.tomograms):
            assert catalogue.get(dataset_id_of(number)[:12]).tomogram == tomogram
        with pytest.raises(NotFoundError):
            catalogue.get("e" * 64)
