"""Fields that are made when they are asked for: what held, what failed, what was observed since."""

from etdb.catalogue import Catalogue, Observation, Query
from etdb.oip import Tomogram
from etdb.testing.catalogue import dataset_id_of, fill_catalogue
from etdb.trust import Claim, Outcome


def facet(catalogue, name):
    return {one.value: one.count for one in catalogue.search(Query(facets=(name,))).facets[name]}


def observe(catalogue, number, claim, outcome, source="here"):
    catalogue.observe(
        Observation(
            dataset_id=dataset_id_of(number), claim=claim, outcome=outcome, detail="", source=source, time_s=number
        )
    )


def test_what_is_observed_is_counted_at_once_and_a_failure_is_not_outvoted(tmp_path):
    with Catalogue(tmp_path / "catalogue.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, [Tomogram(publisher="F", title=str(number)) for number in range(3)])
        assert facet(catalogue, "verified") == {}
        observe(catalogue, 0, Claim.FILE_BYTES, Outcome.HELD)
        observe(catalogue, 1, Claim.FILE_BYTES, Outcome.HELD)
        assert facet(catalogue, "verified") == {"file_bytes": 2}
        observe(catalogue, 1, Claim.FILE_BYTES, Outcome.FAILED, "elsewhere")
        assert facet(catalogue, "verified") == {"file_bytes": 1, "something failed": 1}
        (found,) = catalogue.search(Query(terms={"verified": ("file_bytes",)})).results
        assert found.dataset_id == dataset_id_of(0)


def test_voltages_and_emdb_are_whole_values_of_a_catalogue_that_grows(tmp_path):
    first = [Tomogram(publisher="F", title="a", voltage_kv=300.0, emdb_id="EMD-1"), Tomogram(publisher="F", title="b")]
    with Catalogue(tmp_path / "catalogue.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, [*first, Tomogram(publisher="F", title="c", voltage_kv=120.5)])
        assert facet(catalogue, "voltage_kv") == {"300": 1, "120.5": 1}
        assert facet(catalogue, "in_emdb") == {"no": 2, "yes": 1}
        assert catalogue.search(Query(terms={"voltage_kv": ("300",), "in_emdb": ("yes",)})).total == 1
