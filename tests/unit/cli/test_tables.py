"""Tables in narrow terminals: what is copied stays whole, what is cut says so."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape

from etdb.cli.tables import Table

CID = "bafybeickbgtkblqqhy52lcalivvv7hsfqtwcapxwdf2iqzc4scz4mirx4y"


def lines_of(table, width):
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, highlight=False)
    console.print(table.drawn(width))
    return [line.rstrip() for line in console.file.getvalue().rstrip("\n").split("\n")]


def test_names_and_what_they_say():
    table = Table()
    table.add_row("[bold]Ids[/bold]")
    table.add_row("Dataset", "ab12")
    table.add_row("Location", CID)
    table.add_row("Note", "some words that are longer than the line is")
    table.add_row("Empty", "")
    assert lines_of(table, 40) == [
        "Ids",
        "Dataset   ab12",
        f"Location  {CID}",
        "Note      some words that are longer",
        "          than the line is",
        "Empty",
    ]


# Without the backslash: rich writes one at the end of an escaped text twice.
LETTERS = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\\")


@given(st.lists(st.text(LETTERS, min_size=1), min_size=1))
def test_no_word_is_ever_broken(words):
    table = Table()
    table.add_row("Name", escape(" ".join(words)))
    assert " ".join(" ".join(lines_of(table, 30)).split()) == "Name " + " ".join(words)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_row_with_a_column_that_is_cut_is_one_line(width):
    table = Table("dataset", "title", "size", elided="title")
    table.add_row("needle_2011-11-18", "Layered needle-shaped specimen, HAADF STEM tilt series and tomogram", "44 MB")
    table.add_row("t", "A \\[short] one", "1 B")
    heading, long, short = lines_of(table, width)
    assert max(map(cell_len, (heading, long, short))) <= width
    assert ("…" in long, long.endswith("44 MB")) == (width < 120, True)
    assert "A [short] one" in short


def test_a_name_that_is_cut_keeps_its_end():
    table = Table("file", "size", elided="file")
    table.add_row("keyimg_needle_2011-11-18_s.webp", "1.51 kB")
    (_, row) = lines_of(table, 30)
    assert row.split()[0] == "keyimg_needl…s.webp"
    assert cell_len(row) <= 30


def test_a_table_without_rows_is_its_headings():
    assert lines_of(Table("file", "size", elided="file"), 30) == [" file  size"]
