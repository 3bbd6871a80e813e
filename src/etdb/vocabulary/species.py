"""An organism's name and its number in NCBI's taxonomy, completed from each other and checked."""

from __future__ import annotations

from msgspec import Struct

from etdb.vocabulary.taxonomy import Taxon, Taxonomy

__all__ = ["SpeciesAnswer", "complete_species"]


class SpeciesAnswer(Struct, frozen=True, kw_only=True):
    """A name and number that belong together as far as is known.

    `agrees` is False when they name different organisms, None when they cannot be compared. `remarks` say, a sentence
    each, what is unknown, contradicts or has another name today. Nothing contradictory or unknown is ever changed.
    """

    species: str
    ncbi_taxon_id: int | None
    agrees: bool | None = None
    remarks: tuple[str, ...] = ()


def complete_species(name: str, taxon_id: int | None, taxa: Taxonomy) -> SpeciesAnswer:
    """Complete and check.

    A short or common name (`E. coli`, `human`) and another case become the scientific name; a former name stays, with
    a remark. A missing number is that of the name; a missing name is that of the number's species, for a strain too. A
    number fits a name when it is the name's taxon, a strain below it, or the species above it.
    """
    named = taxa.by_name(name) if name.strip() else None
    numbered = taxa.by_id(taxon_id) if taxon_id else None
    remarks = []
    elsewhere = (
        "" if taxa.is_complete else ", which has the commonest organisms only: etdb[taxonomy] adds all of NCBI's"
    )
    if name.strip() and named is None:
        remarks.append(f"the species {name!r} is not in the taxonomy{elsewhere}")
    if taxon_id and numbered is None:
        remarks.append(f"the taxon {taxon_id} is not in the taxonomy{elsewhere}")
    if named is not None and name.strip().casefold() in {one.casefold() for one in named.former}:
        remarks.append(f"NCBI calls {name.strip()} {named.name} today")
    agrees = None
    if named is not None and numbered is not None:
        agrees = _is_near(named, numbered)
        if not agrees:
            remarks.append(
                f"the species {name.strip()} is taxon {named.taxon_id} at NCBI,"
                f" but the number given, {taxon_id}, is {numbered.name}"
            )
    if not name.strip() and numbered is not None:
        above = taxa.by_id(numbered.within[-1]) if numbered.within else None
        written = (above or numbered).name
        if above is not None:
            remarks.append(f"the taxon {taxon_id} is {numbered.name}, of the species {above.name}")
    else:
        written = _spelt(name, named)
    number = taxon_id or (named.taxon_id if named is not None else None)
    return SpeciesAnswer(species=written, ncbi_taxon_id=number, agrees=agrees, remarks=tuple(remarks))


def _spelt(name: str, taxon: Taxon | None) -> str:
    if taxon is None:
        return name
    plain = " ".join(name.split())
    for former in taxon.former:
        if former.casefold() == plain.casefold():
            return former
    return taxon.name


def _is_near(one: Taxon, other: Taxon) -> bool:
    return one.taxon_id == other.taxon_id or one.taxon_id in other.within or other.taxon_id in one.within
