"""The query files of the portal on the command line."""

import json

from click.testing import CliRunner

from etdb.catalogue import Catalogue
from etdb.cli.app import etdb
from etdb.oip import Tomogram
from etdb.testing.catalogue import dataset_id_of, fill_catalogue
from etdb.workspace import Workspace

COLI = {"type": "filter", "searchOn": "artifact.details.speciesName", "searchType": "contains", "searchFor": "coli"}


def asked(root, *words):
    return CliRunner().invoke(etdb, ["--workspace", str(root), "--json", *words])


def test_search_and_download_choose_what_the_file_says(tmp_path):
    root = tmp_path / "w"
    assert CliRunner().invoke(etdb, ["init", str(root)]).exit_code == 0
    with Catalogue(Workspace(root).catalogue_path, writable=True) as catalogue:
        fill_catalogue(
            catalogue,
            [
                Tomogram(publisher="F", title="One", species="Escherichia coli", location="L1"),
                Tomogram(publisher="F", title="Two", species="Vibrio cholerae", location="L2"),
            ],
        )
    query = tmp_path / "query.json"
    query.write_text(json.dumps([COLI]))
    found = asked(root, "search", "--filter", str(query))
    assert [one["dataset_id"] for one in json.loads(found.stdout)["results"]] == [dataset_id_of(0)]
    query.write_text(json.dumps([COLI | {"not": True}]))
    planned = asked(root, "download", "--filter", str(query), "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert dataset_id_of(1) in planned.stdout
    assert dataset_id_of(0) not in planned.stdout


def test_a_filter_that_cannot_be_read_or_is_everything_is_refused(tmp_path):
    root = tmp_path / "w"
    assert CliRunner().invoke(etdb, ["init", str(root)]).exit_code == 0
    with Catalogue(Workspace(root).catalogue_path, writable=True):
        pass
    query = tmp_path / "query.json"
    query.write_text("[]")
    assert "everything" in str(asked(root, "download", "--filter", str(query)).exception)
    query.write_text('[{"type":"filter","searchOn":"nothing","searchType":"exact","searchFor":"x"}]')
    for command in ("search", "download"):
        refused = asked(root, command, "--filter", str(query))
        assert refused.exit_code != 0
        assert "no field" in str(refused.exception)
    assert "cannot be read" in str(asked(root, "search", "--filter", str(tmp_path / "none")).exception)
