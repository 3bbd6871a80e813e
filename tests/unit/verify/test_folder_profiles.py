"""Folders of datasets in each import profile, old ones without a manifest among them, small and sharded."""

import datetime as dt
import hashlib
from contextlib import closing

import msgspec
import pytest

from etdb.blocks import DagReader, FilesInPlace
from etdb.download import download, plan_download, targets_of
from etdb.ipfs import ETDB_2018, PROFILES, UNIXFS_V0_2015, UNIXFS_V1_2025, FileDag, parse_cid
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import FileEntry, Tomogram
from etdb.sources.received import load_received
from etdb.trust import Claim, Outcome
from etdb.verify import folder as folder_job
from etdb.verify import verify_folder

LARGE = {"raw/a.st": b"tilt" * 200_000, "b.rec": b"rec" * 100_000}
SMALL = {"notes.txt": b"n", "deep/er/x": b"x" * 1000}
MANY = {f"frames/frame {number:03d}.mrc": b"f%d" % number for number in range(30)}


def received(tmp_path, files, profile, *, manifest=False, types=(), role="other"):
    """Put files into a dataset of ``profile``, and download it; the folder."""
    with closing(FilesInPlace(tmp_path / "d", content_folder=tmp_path / "c", profile=profile)) as store:
        added = {}
        for path, data in files.items():
            place = tmp_path / "lab" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            added[path] = store.add_file(place)
        entries = tuple(
            FileEntry(path=path, size_bytes=len(data), role="tilt_series" if path == "raw/a.st" else role)
            for path, data in files.items()
        )
        draft = Tomogram(title="T", sid="rr1", files=entries)
        if manifest:
            described = [
                ManifestFile(
                    path=path,
                    size_bytes=len(data),
                    cid=str(added[path].cid),
                    role=role,
                    sha256=hashlib.sha256(data).hexdigest(),
                )
                for path, data in files.items()
            ]
            text = encode_manifest(draft, described, prepared_on=dt.date(2018, 1, 1))
            added[MANIFEST_NAME] = store.add_bytes(text)
        root = store.add_directory(added)
        assert root.version == profile.cid_version
        record = msgspec.structs.replace(draft, location=str(root))
        report = download(plan_download([("ab" * 32, record)], types), [store], tmp_path / "out")
    assert report.is_complete, report.datasets[0].failed
    return report.datasets[0].folder


def file_bytes(folder):
    return verify_folder(folder, targets_of=targets_of)[Claim.FILE_BYTES]


@pytest.mark.parametrize("manifest", [False, True])
@pytest.mark.parametrize("files", [LARGE, SMALL, LARGE | SMALL], ids=["large", "small", "both"])
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_profile_is_recognised_and_held(tmp_path, profile, files, manifest):
    folder = received(tmp_path, files, profile, manifest=manifest)
    result = file_bytes(folder)
    assert result.outcome is Outcome.HELD, result.detail
    path = folder / next(iter(files))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    result = file_bytes(folder)
    assert result.outcome is Outcome.FAILED
    assert next(iter(files)) in result.detail


@pytest.mark.parametrize("name", ["UNIXFS_V1_2025", "UNIXFS_V0_2015"])
def test_sharded_directories(tmp_path, monkeypatch, name):
    """The threshold is small here, so that few files are above it; its true place is in the vectors of Kubo."""
    sharding = msgspec.structs.replace(getattr(folder_job, name), shard_above_bytes=700)
    folder = received(tmp_path, MANY, sharding)
    assert file_bytes(folder).outcome is Outcome.FAILED, "the plain directory of these files is another"
    monkeypatch.setattr(folder_job, name, sharding)
    result = file_bytes(folder)
    assert (result.outcome, result.detail) == (Outcome.HELD, "30 files")
    (folder / "frames/frame 007.mrc").write_bytes(b"other")
    assert file_bytes(folder).outcome is Outcome.FAILED


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_part_of_the_files_with_the_manifest(tmp_path, profile):
    folder = received(tmp_path, LARGE | SMALL, profile, manifest=True, types=["tilt-series"])
    result = file_bytes(folder)
    assert (result.outcome, result.detail) == (Outcome.HELD, "1 file and the manifest; 3 more of the dataset not here")


@pytest.mark.parametrize("profile", [UNIXFS_V0_2015, ETDB_2018], ids=lambda p: p.name)
def test_a_damaged_smallest_file_does_not_hide_the_profile(tmp_path, profile):
    """Only the file that is wrong is named, not all of them."""
    folder = received(tmp_path, LARGE, profile)
    smallest = folder / "b.rec"
    smallest.write_bytes(smallest.read_bytes()[:-1] + b"?")
    detail = file_bytes(folder).detail
    assert "b.rec" in detail
    assert "a.st" not in detail


def test_one_file_in_three_profiles_side_by_side(tmp_path):
    """Added again with another profile: other CIDs, the same bytes; every block of each is still served."""
    data = bytes(range(256)) * 5000
    path = tmp_path / "file.mrc"
    path.write_bytes(data)
    roots = {}
    for profile in (*PROFILES.values(), *PROFILES.values()):
        with closing(FilesInPlace(tmp_path / "d", content_folder=tmp_path / "c", profile=profile)) as store:
            root = store.add_file(path).cid
            assert roots.setdefault(profile.name, root) == root
    assert len({root.digest for root in roots.values()}) == 3
    with closing(FilesInPlace(tmp_path / "d", content_folder=tmp_path / "c", profile=UNIXFS_V1_2025)) as store:
        reader = DagReader(store)
        for root in roots.values():
            assert b"".join(reader.content(root)) == data
            assert len({cid for cid, _ in reader.blocks(root)}) > 1
        assert len(store.files()) == 3
        assert store.verify_file(roots["unixfs-v0-2015"]).cid == roots["unixfs-v0-2015"]


def test_the_cids_in_a_received_folder_are_those_of_the_directory(tmp_path):
    folder = received(tmp_path, SMALL, ETDB_2018)
    cids = {file.path: parse_cid(file.cid) for file in load_received(folder).files}
    assert {cid.version for cid in cids.values()} == {1}
    digest = hashlib.sha256(b"n").digest()
    assert cids["notes.txt"] == FileDag(digest, 1, ETDB_2018).root
