"""Names as the field writes them: organisms, microscopes, cameras and software. Tables that ship with the package."""

from etdb.vocabulary.instruments import find_microscope, unify
from etdb.vocabulary.species import SpeciesAnswer, complete_species
from etdb.vocabulary.taxonomy import Taxon, Taxonomy, taxonomy

__all__ = ["SpeciesAnswer", "Taxon", "Taxonomy", "complete_species", "find_microscope", "taxonomy", "unify"]
