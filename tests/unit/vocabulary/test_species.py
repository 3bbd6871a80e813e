import csv
import gzip
import json
import sys
from types import SimpleNamespace

import pytest
from tests.conftest import ROOT

from etdb.vocabulary import complete_species, taxonomy
from etdb.vocabulary.taxonomy import _rows

ARCHIVE = ROOT.parent / "shared" / "data" / "etdb"


@pytest.fixture
def taxa(monkeypatch):
    monkeypatch.setitem(sys.modules, "taxoniq", None)  # as where the extra is not installed
    taxonomy.cache_clear()
    yield taxonomy()
    taxonomy.cache_clear()


@pytest.mark.parametrize(
    ("name", "number", "completed"),
    [
        ("Vibrio cholerae", None, ("Vibrio cholerae", 666)),
        ("", 666, ("Vibrio cholerae", 666)),
        ("", 412614, ("Vibrio cholerae", 412614)),  # a strain: the species of it
        ("E. coli", None, ("Escherichia coli", 562)),
        ("human", None, ("Homo sapiens", 9606)),
        ("homo  SAPIENS ", 9606, ("Homo sapiens", 9606)),
        ("SARS-CoV-2", None, ("Severe acute respiratory syndrome coronavirus 2", 2697049)),
        ("", 2697049, ("Severe acute respiratory syndrome coronavirus 2", 2697049)),
        ("HIV-1", None, ("Human immunodeficiency virus 1", 11676)),
        ("MLV", 11786, ("Murine leukemia virus", 11786)),
        ("Vibrio fischeri", None, ("Vibrio fischeri", 668)),  # a former name stays
    ],
)
def test_completed_from_each_other(taxa, name, number, completed):
    answer = complete_species(name, number, taxa)
    assert (answer.species, answer.ncbi_taxon_id) == completed


@pytest.mark.parametrize(
    ("name", "number", "agrees"),
    [
        ("Legionella pneumophila", 1080311, True),  # a strain of it
        ("Salmonella typhimurium", 99287, True),  # a strain of a serovar
        ("Salmonella typhimurium", 28901, True),  # the species of a serovar
        ("Vibrio cholerae", 668, False),
        ("Campylobacter jejuni", 80880, False),
        ("Vibrio cholerae", 999_999_999, None),
        ("Vibrio cholrae", 666, None),
    ],
)
def test_checked(taxa, name, number, agrees):
    answer = complete_species(name, number, taxa)
    assert answer.agrees is agrees
    assert (answer.species, answer.ncbi_taxon_id) == (name, number)


def test_what_is_said_of_it(taxa):
    (told,) = complete_species("Vibrio cholerae", 668, taxa).remarks
    assert told == "the species Vibrio cholerae is taxon 666 at NCBI, but the number given, 668, is Aliivibrio fischeri"
    (told,) = complete_species("Vibrio fischeri", None, taxa).remarks
    assert told == "NCBI calls Vibrio fischeri Aliivibrio fischeri today"
    (told,) = complete_species("Unheard of", None, taxa).remarks
    assert "'Unheard of' is not in the taxonomy" in told
    assert "etdb[taxonomy]" in told
    assert complete_species("Vibrio cholerae", 666, taxa).remarks == ()


def test_every_organism_of_the_old_archive_is_known_and_agrees(taxa):
    if not ARCHIVE.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    with gzip.open(ARCHIVE / "etdb_tiltseries_flat_DERIVED.csv.gz", "rt", encoding="utf-8") as file:
        pairs = {(row["organism"], int(row["taxid"])) for row in csv.DictReader(file)}
    assert len(pairs) > 30
    assert [pair for pair in pairs if complete_species(*pair, taxa).agrees is not True] == []


def test_the_wrong_numbers_of_the_old_records_are_found(taxa):
    """Records of 2018: Halothiobacillus and Campylobacter under the number of Hylemonella, and numbers of nothing."""
    if not ARCHIVE.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    records = json.loads((ARCHIVE / "complex-filter_objects.json").read_text("utf-8"))
    pairs = {(one.get("speciesName", ""), one["NCBItaxID"]) for one in records}
    verdicts = {pair: complete_species(*pair, taxa).agrees for pair in pairs if pair[0]}
    assert verdicts["Halothiobacillus neapolitanus", 80880] is False
    assert verdicts["Campylobacter jejuni", 80880] is False
    assert verdicts["Campylobacter jejuni", 197] is True


def test_the_table_is_whole(taxa):
    rows = list(_rows())
    assert len({row.taxon_id for row in rows}) == len(rows) > 200
    for row in rows:
        assert taxa.by_name(row.name) == row
        for name in (*row.former, *row.common):
            assert taxa.by_name(name) is not None
        if row.rank == "strain" and row.within:
            assert taxa.by_id(row.within[-1]) is not None, row.name  # so that a strain gets its species' name


def test_all_of_ncbi_where_the_extra_is_installed(monkeypatch):
    """The same calls that taxoniq 1.0 has: Taxon(number), Taxon(scientific_name=...), KeyError for what it has not."""
    species = SimpleNamespace(
        tax_id=7, scientific_name="Azorhizobium caulinodans", rank=SimpleNamespace(name="species")
    )

    def taxon(number=None, scientific_name=None):
        if number == 438753:
            return SimpleNamespace(
                tax_id=438753,
                scientific_name="Azorhizobium caulinodans ORS 571",
                rank=SimpleNamespace(name="strain"),
                lineage=[SimpleNamespace(tax_id=438753), species, SimpleNamespace(tax_id=6)],
                ranked_lineage=[species],
            )
        if number == 7 or scientific_name == species.scientific_name:
            return SimpleNamespace(**vars(species), lineage=[species], ranked_lineage=[species])
        raise KeyError(number or scientific_name)

    monkeypatch.setitem(sys.modules, "taxoniq", SimpleNamespace(Taxon=taxon))
    taxonomy.cache_clear()
    try:
        taxa = taxonomy()
        assert complete_species("azorhizobium CAULINODANS", None, taxa).ncbi_taxon_id == 7
        assert complete_species("", 438753, taxa).species == "Azorhizobium caulinodans"
        assert complete_species("Azorhizobium caulinodans", 438753, taxa).agrees is True
        assert complete_species("MLV", None, taxa).ncbi_taxon_id == 11786
        (told,) = complete_species("Nothing", None, taxa).remarks
        assert told == "the species 'Nothing' is not in the taxonomy"
    finally:
        taxonomy.cache_clear()
