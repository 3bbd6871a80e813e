"""The catalogue with 12,757 real tilt series of the Jensen Lab, compared with plain Python over the same table."""

import csv
import datetime as dt
import gzip
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from etdb.catalogue import SORTS, Catalogue, Query, Range
from etdb.catalogue.search import search_rows
from etdb.catalogue.text import fold_term
from etdb.oip import FileEntry, Tomogram
from etdb.testing.catalogue import dataset_id_of, fill_catalogue, naive_search

TABLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "etdb" / "etdb_tiltseries_flat_DERIVED.csv.gz"
pytestmark = pytest.mark.skipif(not TABLE.exists(), reason="left out: the shared data are not beside this checkout")


def _number(text):
    return float(text) if text else None


def read_tomograms():
    with gzip.open(TABLE, "rt", encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            yield Tomogram(
                publisher="FTSTq8xx8yWUKJA5E3bgXLzZqqG9V6dvnr",
                title=row["title"],
                species=row["organism"],
                ncbi_taxon_id=int(row["taxid"]) if row["taxid"] else None,
                strain=row["strain"],
                authors=tuple(filter(None, row["authors"].split(";"))),
                microscopist=row["authors"].split(";")[0],
                acquired_on=dt.date.fromisoformat(row["acq_date"]) if row["acq_date"] else None,
                microscope=row["microscope"],
                detector=row["camera"],
                voltage_kv=(_number(row["voltage"]) or 0) / 1000 or None,
                pixel_spacing_angstrom=_number(row["pixel_spacing_A"]),
                voxel_spacing_angstrom=_number(row["voxel_spacing_A"]),
                tilt_min_deg=_number(row["tilt_min"]),
                tilt_max_deg=_number(row["tilt_max"]),
                tilt_step_deg=_number(row["tilt_step"]),
                dose_e_per_a2=_number(row["total_flux"]),
                acquisition_software=row["acq_software"],
                reconstruction_software=row["recon_software"],
                publications=tuple(filter(None, row["publications"].split(","))),
                sid=row["sid"],
                files=(FileEntry(path=row["tomo_file"], role="reconstruction"),) if row["tomo_file"] else (),
            )


def walk_ids(catalogue, query):
    """The ids of all results, page by page, without reading the records."""
    with catalogue._database.read() as db:
        names = dict(db.execute("SELECT id, dataset_id FROM records"))
        while True:
            found = search_rows(db, catalogue._sets, query)
            yield from (names[one] for one in found.record_ids)
            if not found.next_cursor:
                return
            query = msgspec.structs.replace(query, cursor=found.next_cursor)


@pytest.fixture(scope="module")
def tomograms():
    return list(read_tomograms())


@pytest.fixture(scope="module")
def catalogue(tomograms, tmp_path_factory):
    with Catalogue(tmp_path_factory.mktemp("corpus") / "c.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, tomograms)
        yield catalogue


def test_species_counts(catalogue, tomograms):
    page = catalogue.search(Query(facets=("species",), facet_limit=1000))
    expected = Counter(fold_term(one.species) for one in tomograms if one.species)
    assert page.total == len(tomograms) == 12_757
    assert {fold_term(one.value): one.count for one in page.facets["species"]} == dict(expected)
    name, count = Counter(one.species for one in tomograms if one.species).most_common(1)[0]
    assert page.facets["species"][0].value == name
    assert page.facets["species"][0].count >= count


@pytest.mark.parametrize("sort", [sort.name for sort in SORTS])
def test_paging_visits_every_row_once(catalogue, tomograms, sort):
    expected = [dataset_id_of(number) for number in naive_search(tomograms, Query(sort=sort))]
    assert list(walk_ids(catalogue, Query(sort=sort, limit=993))) == expected


def test_a_word_finds_what_a_scan_finds(catalogue, tomograms):
    for word in ("Caulobacter", "crescentus", "SerialEM", "Polara", "minicells"):
        found = catalogue.search(Query(text=f'"{word}"')).total

        def text_of(one):
            parts = (one.title, one.species, one.strain, one.microscope, one.detector, *one.authors)
            files = " ".join(entry.path for entry in one.files)
            return f"{' '.join(parts)} {one.acquisition_software} {one.reconstruction_software} {files}".casefold()

        assert found <= sum(word.casefold() in text_of(one).replace(" ", "") + text_of(one) for one in tomograms)
        assert found > 0 or not any(word.casefold() in text_of(one).split() for one in tomograms)


def test_filters(catalogue, tomograms):
    for query in (
        Query(terms={"species": ("Caulobacter crescentus",)}, ranges={"tilt_min_deg": Range(-60, None)}),
        Query(ranges={"acquired_on": Range(dt.date(2012, 1, 1), dt.date(2012, 12, 31))}, sort="date"),
        Query(ranges={"voxel_spacing_angstrom": Range(0, 10), "voltage_kv": Range(300, 300)}, sort="title"),
        Query(terms={"microscope": ("TFS Krios", "tfs polara")}, sort="species"),
    ):
        expected = [dataset_id_of(number) for number in naive_search(tomograms, query)]
        assert (
            list(walk_ids(catalogue, Query(terms=query.terms, ranges=query.ranges, sort=query.sort, limit=997)))
            == expected
        )


def test_a_lab_id_is_found_whole_and_in_part(catalogue, tomograms):
    for sid in sorted({one.sid for one in tomograms})[::2000]:
        hits = catalogue.search(Query(text=f'"{sid}"', limit=50)).results
        assert sid in [hit.tomogram.sid for hit in hits]
        parts = catalogue.search(Query(text=sid.split("-")[0])).total
        assert parts >= sum(one.sid.startswith(sid.split("-")[0] + "-") for one in tomograms)
