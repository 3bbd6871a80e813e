"""Organisms by name and by number: a small table that ships, and all of NCBI's taxonomy where `taxoniq` is installed.

NCBI Taxonomy: Schoch et al., Database 2020, baaa062 (https://www.ncbi.nlm.nih.gov/taxonomy). The table is made, and
can be checked again, with `docs/reference/make_species_table.py`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final, Protocol

from msgspec import Struct

__all__ = ["Taxon", "Taxonomy", "taxonomy"]

MAX_NAME_LETTERS: Final = 300
_VIRUSES: Final = 10239


class Taxon(Struct, frozen=True, kw_only=True):
    """One taxon. `within` are the taxa above it up to its species, nearest first: empty for a species.

    A virus is known by its own name, not by its species', so that nothing is above it here. `former` are names that it
    had before, `common` what people call it for short.
    """

    taxon_id: int
    name: str
    rank: str
    within: tuple[int, ...] = ()
    common: tuple[str, ...] = ()
    former: tuple[str, ...] = ()


class Taxonomy(Protocol):
    """Where taxa are looked up. `is_complete` says whether it has all that NCBI has."""

    is_complete: bool

    def by_id(self, taxon_id: int) -> Taxon | None:
        """The taxon of a number, or None."""

    def by_name(self, name: str) -> Taxon | None:
        """The taxon of a scientific, former or common name, whatever its case and spaces, or None."""


class _Table:
    """The table of the package."""

    is_complete = False

    def __init__(self) -> None:
        self._by_id = {taxon.taxon_id: taxon for taxon in _rows()}
        self._by_name: dict[str, Taxon] = {}
        # The name that NCBI gives a taxon comes before another's former or short name of the same letters.
        for names in (lambda t: (t.name,), lambda t: t.former, lambda t: t.common):
            for taxon in self._by_id.values():
                for name in names(taxon):
                    self._by_name.setdefault(_folded(name), taxon)

    def by_id(self, taxon_id: int) -> Taxon | None:
        return self._by_id.get(taxon_id)

    def by_name(self, name: str) -> Taxon | None:
        return self._by_name.get(_folded(name))


class _WithTaxoniq:
    """The table first, for its former and short names, then all of NCBI's."""

    is_complete = True

    def __init__(self, table: _Table, taxoniq: Any) -> None:
        self._table = table
        self._taxon: Any = taxoniq.Taxon

    def by_id(self, taxon_id: int) -> Taxon | None:
        return self._table.by_id(taxon_id) or self._asked(taxon_id)

    def by_name(self, name: str) -> Taxon | None:
        known = self._table.by_name(name)
        if known is not None or not name.strip() or len(name) > MAX_NAME_LETTERS:
            return known
        plain = " ".join(name.split())
        return self._asked(scientific_name=plain) or self._asked(scientific_name=plain[:1].upper() + plain[1:].lower())

    def _asked(self, *number: int, **name: str) -> Taxon | None:
        try:
            found = self._taxon(*number, **name)
            lineage = [one.tax_id for one in found.lineage]
            species = [one.tax_id for one in found.ranked_lineage if one.rank.name == "species"]
            above = lineage[1 : lineage.index(species[0]) + 1] if species and _VIRUSES not in lineage else []
            return Taxon(taxon_id=found.tax_id, name=found.scientific_name, rank=found.rank.name, within=tuple(above))
        except (KeyError, ValueError, AttributeError):  # what it raises for a taxon that it has not, or half
            return None


@functools.cache
def taxonomy() -> Taxonomy:
    """All of NCBI's taxonomy where `etdb[taxonomy]` is installed, else the table of the package."""
    table = _Table()
    try:
        return _WithTaxoniq(table, importlib.import_module("taxoniq"))
    except ImportError:
        return table


def _rows() -> Iterator[Taxon]:
    for line in files("etdb.vocabulary").joinpath("species.tsv").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        number, rank, name, within, common, former = line.split("\t")
        yield Taxon(
            taxon_id=int(number),
            name=name,
            rank=rank,
            within=tuple(int(one) for one in within.split()),
            common=tuple(one for one in common.split("; ") if one),
            former=tuple(one for one in former.split("; ") if one),
        )


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
