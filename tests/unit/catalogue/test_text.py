"""How text is split, and what of it people find."""

import pytest

from etdb.catalogue import Catalogue, Query, display
from etdb.catalogue.text import fold_term, parse_text, split_words
from etdb.flo import REGTEST
from etdb.index import follow
from etdb.oip import FileEntry
from etdb.testing.records import RecordSigner
from etdb.testing.scripted_ledger import ScriptedLedger

PUBLISHER = RecordSigner()
RECORD = PUBLISHER.tomogram(
    title="Stalked cells of Caulobacter",
    description="A periplasmic array, seen edge-on",
    species="Pseudomonas aeruginosa",
    strain="K-12 ΔfliC",
    tags=("Müller cell", "pili"),
    notes="Scope notes: none\r\nKeywords: carboxysomes",
    microscope="FEI Polara",
    microscopist="Ariane Briegel",
    institution="Caltech",
    lab="Jensen Lab",
    sid="rr2014-01-14-5",
    acquisition_software="UCSFTomo",
    reconstruction_software="Raptor IMOD",
    emdb_id="EMD-29922",
    authors=("Łukasz Øster",),
    extra={"grid": {"type": ["Quantifoil R2/2"]}, "number": 42},
    files=(
        FileEntry(path="3dimage_147749/wtAnaGV14_SIRT_bin8.mrc", size_bytes=5, notes="filtered", role="reconstruction"),
    ),
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    ledger = ScriptedLedger()
    ledger.add_block([PUBLISHER.message(RECORD), PUBLISHER.message(title="Another", species="Vibrio cholerae")])
    with Catalogue(tmp_path_factory.mktemp("c") / "catalogue.sqlite", writable=True) as catalogue:
        follow(ledger, catalogue, network=REGTEST)
        yield catalogue


FINDS = [
    *("caulobacter", "CAULOBACTER", "periplasmic", "pseudomonas aeruginosa", "aeruginosa pseudomonas", "P. aeruginosa"),
    *(
        "p.aeruginosa",
        "Ps. aer.",
        "Pseudo",
        "muller",
        "MÜLLER",
        "pili",
        "carboxysomes",
        "polara",
        "briegel",
        "jensen lab",
    ),
    *("UCSFTomo", "ucsftomo", "UCSF Tomo", "ucsf tomo", "ucsf-tomo", "tomo", "K-12", "k12", "k 12", "ΔfliC", "δflic"),
    *(
        "rr2014-01-14-5",
        "rr2014",
        "2014-01-14",
        "01-14-5",
        "rr2014-01",
        "EMD-29922",
        "29922",
        "emd29922",
        "lukasz oster",
    ),
    *("quantifoil", "R2/2", "42", "wtAnaGV14_SIRT_bin8.mrc", "sirt", "bin8", "147749", "AnaGV", "filtered"),
    *(
        '"stalked cells"',
        '"cells of caulobacter" jensen',
        "stalked -cholerae",
        'caulobacter -"cells stalked"',
        "2014-01-14",
    ),
    *('"stalked cells', "edge-on", "imod", "grid type"),
]
MISSES = [
    *(
        "pseudomonad",
        "cell stalkedx",
        '"cells stalked"',
        "stalked -caulobacter",
        "aeruginosa -pseudomonas",
        "cholerae stalked",
    ),
    *(
        '"caulobacter a periplasmic"',
        "stalk cells",
        "rr2014-01-15",
        '"pili carboxysomes"',
        '"pseudo"',
        'jensen -"jensen lab"',
    ),
]


@pytest.mark.parametrize("text", FINDS)
def test_finds(catalogue, text):
    assert RECORD.title in [hit.tomogram.title for hit in catalogue.search(Query(text=text)).results]


@pytest.mark.parametrize("text", MISSES)
def test_does_not_find(catalogue, text):
    assert RECORD.title not in [hit.tomogram.title for hit in catalogue.search(Query(text=text)).results]


@pytest.mark.parametrize("text", ["", "   ", "!!!", '"', "-", '""', "-!", "·", "\ud800", "\x00"])
def test_text_without_a_word_asks_for_nothing(catalogue, text):
    assert catalogue.search(Query(text=text)).total == 2


def test_only_unwanted_words(catalogue):
    assert [hit.tomogram.title for hit in catalogue.search(Query(text="-stalked")).results] == ["Another"]


def test_index_syntax_has_no_meaning(catalogue):
    for text in ("title : stalked", "stalked OR nothing", "NEAR(stalked cells)", "{title} : x", "st*lked", "^stalked"):
        catalogue.search(Query(text=text))
    assert parse_text("a OR b").wanted == '"a" AND "or" AND "b"*'


def test_words_beyond_the_limit_are_left_out():
    assert parse_text("word " * 1000).wanted.count("word") == 32


def test_words_are_folded():
    assert split_words("Ærøskøbing STRASSE straße İx µm") == ["aeroskobing", "strasse", "strasse", "ix", "μm"]
    assert fold_term("  Caulobacter\t CRESCENTUS ") == fold_term("caulobacter crescentus")


def test_display_shows_what_hides():
    assert display("a\u202eb\x1b[31m\x00\ud800\u200b") == "a\ufffdb\ufffd[31m\ufffd\ufffd\ufffd"
    assert display("two\r\nlines\tand Müller") == "two\nlines\tand Müller"
    assert display("abcdef", limit=3) == "abc…"


def test_hostile_text_is_stored_as_it_came(tmp_path):
    ledger = ScriptedLedger()
    title = "right\u202eleft \x1b[31m\x00 end"
    ledger.add_block([PUBLISHER.message(title=title)])
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        follow(ledger, catalogue, network=REGTEST)
        page = catalogue.search(Query(text="right end", sort="title"))
    assert [hit.tomogram.title for hit in page.results] == [title]
