"""The file: versions, readers beside a writer, observations, what is refused."""

import sqlite3
import subprocess
import sys
import threading

import pytest

from etdb.catalogue import Catalogue, Observation, Query, StoredManifest
from etdb.errors import InputError, NotFoundError, StorageError
from etdb.testing.catalogue import contract_tomograms, dataset_id_of, fill_catalogue
from etdb.trust import Claim, Outcome

TOMOGRAMS = contract_tomograms()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalogue.sqlite"


@pytest.fixture
def catalogue(path):
    with Catalogue(path, writable=True) as catalogue:
        fill_catalogue(catalogue, TOMOGRAMS)
        yield catalogue


def seen(claim="block_inclusion", outcome="held", source="ledger", time_s=5, detail=""):
    return Observation(
        dataset_id=dataset_id_of(0), claim=claim, outcome=outcome, source=source, time_s=time_s, detail=detail
    )


def test_there_must_be_one_to_read(path):
    with pytest.raises(NotFoundError):
        Catalogue(path)


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be read as one" * 20])
def test_another_file_is_no_catalogue(path, content):
    path.write_bytes(content)
    with pytest.raises(StorageError):
        Catalogue(path)
    if content:
        with pytest.raises(StorageError):
            Catalogue(path, writable=True)


def test_another_version_is_refused(path, catalogue):
    catalogue.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for writable in (True, False):
        with pytest.raises(StorageError, match="version 99") as refused:
            Catalogue(path, writable=writable)
        assert "etdb index" in refused.value.hint


def test_a_reader_cannot_write(path, catalogue):
    with Catalogue(path) as reader:
        with pytest.raises(InputError):
            reader.observe(seen())
        with pytest.raises(InputError), reader.batch():
            pass


def test_a_reader_sees_whole_batches_only(path, catalogue):
    with Catalogue(path) as reader:
        with catalogue.batch() as batch:
            batch.rollback(2)
            assert batch.count("records") == 21
            assert reader.search(Query(limit=1)).total == len(TOMOGRAMS)
        assert reader.search(Query(limit=1)).total == 21


def test_a_batch_that_fails_leaves_nothing(catalogue):
    before = catalogue.dump()

    def fail():
        with catalogue.batch() as batch:
            batch.rollback(1)
            batch.add_block(2, "x", 0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert catalogue.dump() == before


def test_rollback_empties_everything(catalogue):
    with catalogue.batch() as batch:
        assert batch.rollback(-1) == len(TOMOGRAMS)
    assert all(rows == [] for rows in catalogue.dump().values())


def test_readers_in_threads_and_processes(path, catalogue):
    failures = []

    def read():
        try:
            with Catalogue(path) as own:
                for _ in range(5):
                    assert catalogue.search(Query(text="vibrio")).total == own.search(Query(text="vibrio")).total == 7
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    program = "import sys; from pathlib import Path; from etdb.catalogue import *\n"
    program += "print(Catalogue(Path(sys.argv[1])).search(Query(text='vibrio')).total)"
    other = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True)
    for thread in threads:
        thread.join()
    assert (failures, other.stdout.strip()) == ([], "7")


def test_observations_stand_apart_from_the_fold(catalogue):
    before = catalogue.dump()
    catalogue.observe(seen())
    catalogue.observe(seen(outcome="failed", source="mirror", detail="x" * 1000, time_s=6))
    catalogue.observe(seen(source="ledger", time_s=9))
    assert catalogue.dump() == before
    view = catalogue.get(dataset_id_of(0))
    assert [(one.source, one.time_s) for one in view.observed] == [("mirror", 6), ("ledger", 9)]
    assert view.claims[Claim.BLOCK_INCLUSION].outcome is Outcome.FAILED
    assert len(view.observed[0].detail) == 300
    catalogue.observe(seen(claim=Claim.MANIFEST_AGREES))
    with catalogue.batch() as batch:
        batch.rollback(-1)
    # What was seen of the block went with the block; what was seen of the content stays.
    assert [one.claim for one in catalogue.observations(dataset_id_of(0))] == [Claim.MANIFEST_AGREES]
    with pytest.raises(InputError):
        catalogue.observe(seen(claim="nonsense"))


def test_manifests(catalogue):
    manifest = StoredManifest(dataset_id="a", cid="bafy", source="http://peer", time_s=1, document=b"{}")
    assert catalogue.manifest("a") is None
    catalogue.store_manifest(manifest)
    assert catalogue.manifest("a") == manifest
