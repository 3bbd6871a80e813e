"""A published dataset has changed when what people say of it or its bytes have, not when etdb reads more out of it."""

from types import SimpleNamespace

import msgspec
from tests.unit.describe.test_files_told import mdoc, mrc

from etdb.describe import describe
from etdb.publish import Submission
from etdb.publish.known import changes_of, stated_changes
from etdb.sources import FolderSource
from etdb.workspace import Settings

SAID = 'title = "T"\nacquired_on = 2026-11-01\nspecies = "E. coli"\nmicroscope = "FEI Polara"\n'


def test_people_who_say_something_else_are_heard(desk):
    folder = desk.dataset("cell", SAID)
    assert desk.publish(folder).status == 0
    again = desk.publish(folder, "--json")
    assert (again.status, again.document["transactions_sent"]) == (0, 0)
    (folder / "dataset.toml").write_text(SAID.replace("E. coli", "human"))
    said = desk.publish(folder)
    assert said.status == 3
    assert "has changed since: species" in said.err


def test_a_block_that_only_the_block_file_knows_is_read_by_the_next_command(desk):
    """A power cut takes what was not flushed of the chain's index; the block itself was."""
    folder = desk.workspace.chain_folder
    assert desk.publish().status == 0
    before = (folder / "index.sqlite").read_bytes()
    desk.dataset("cell", SAID)
    assert desk.publish(desk.data / "cell").status == 0
    (folder / "index.sqlite").write_bytes(before)
    assert desk.run("--json", "index").document["records_new"] == 2


def test_what_an_etdb_of_before_published_has_not_changed(tmp_path):
    (tmp_path / "dataset.toml").write_text(SAID)
    (tmp_path / "ts.st").write_bytes(mrc(5.4))
    (tmp_path / "ts.mdoc").write_bytes(mdoc([-3, 0, 3]))

    def submitted():
        (dataset,) = FolderSource(tmp_path).datasets()
        draft = describe(dataset, Settings())
        paths = {file.path: file.absolute for file in dataset.files}
        return Submission(tomogram=draft.tomogram, paths=paths, source="", derived=draft.derived, respelt=draft.respelt)

    now = submitted()
    files = {"ts.st": "cid 1", "ts.mdoc": "cid 2"}
    before = msgspec.structs.replace(
        now.tomogram,
        species="E. coli",
        microscope="FEI Polara",
        ncbi_taxon_id=None,
        tilt_scheme="",
        dose_per_tilt_e_per_a2=None,
        detector="",
        extra={},
    )

    def changes(former, submission, cids=files):
        known = SimpleNamespace(tomogram=former, files=files)
        found = changes_of(known, submission.tomogram, cids)
        return [one.field for one in stated_changes(found, submission)]

    assert changes(before, now) == []
    assert changes(before, now, {**files, "ts.st": "cid 3"}) == ["files[ts.st]"]
    (tmp_path / "dataset.toml").write_text(
        SAID.replace("FEI Polara", "TFS Krios") + "voltage_kv = 200\n[extra]\nx = 1\n"
    )
    assert sorted(changes(before, submitted())) == ["extra.x", "microscope", "voltage_kv"]
