"""The SQLite catalogue against the contract."""

from contextlib import contextmanager

from etdb.catalogue import Catalogue
from etdb.testing.catalogue import CatalogueContract, fill_catalogue


class TestSqliteCatalogue(CatalogueContract):
    @classmethod
    @contextmanager
    def catalogue_of(cls, tomograms, folder):
        with Catalogue(folder / "catalogue.sqlite", writable=True) as catalogue:
            fill_catalogue(catalogue, tomograms)
            yield catalogue
