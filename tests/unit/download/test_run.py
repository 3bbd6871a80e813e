import os
import shutil
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from etdb.download import download, plan_download
from etdb.errors import (
    DiskFullError,
    FormatError,
    LockedError,
    NotFoundError,
    SourceError,
    StorageError,
    VerificationError,
)
from etdb.manifest import MANIFEST_NAME
from etdb.sources.received import RECEIVED_NAME, load_received

from .conftest import MIB, Counting, Empty, Failing, Lying, Ranges, noise, put_dataset

ID = "ab" * 32
FILES = {"raw/a.st": noise(5 * MIB + 17), "b.rec": noise(MIB, 2), "small.txt": b"hello", "empty.txt": b""}


def get(tomogram, stores, folder, types=(), **options):
    options.setdefault("sleep", lambda _: None)
    return download(plan_download([(ID, tomogram)], types), stores, folder, **options)


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in {MANIFEST_NAME, RECEIVED_NAME}
    }


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("kind", [Counting, Ranges])
def test_all_bytes_arrive_under_their_names(memory, tmp_path, jobs, kind):
    store = kind(memory)
    told = []
    report = get(put_dataset(memory, FILES), [store], tmp_path, jobs=jobs, progress=told.append)
    folder = tmp_path / f"rr1-{ID[:8]}"
    assert content(folder) == FILES
    (dataset,) = report.datasets
    assert (dataset.folder, dataset.files, dataset.has_manifest, dataset.differences) == (folder, 5, True, ())
    assert report.is_complete
    assert (report.sources, report.banned) == (("counting",) if kind is Counting else ("ranges",), ())
    assert (
        sum(told)
        == report.fetched_bytes
        == sum(p.stat().st_size for p in folder.rglob("*") if p.name != RECEIVED_NAME and p.is_file())
    )
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["raw", "b.rec", "small.txt", "empty.txt", MANIFEST_NAME, RECEIVED_NAME]
    )
    if kind is Ranges:
        assert store.requests == 1, "neighbouring leaves come in one request"


def test_what_is_complete_is_hashed_not_fetched(memory, tmp_path):
    tomogram = put_dataset(memory, FILES)
    get(tomogram, [memory], tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.st")}
    store = Counting(memory)
    report = get(tomogram, [store], tmp_path)
    assert report.fetched_bytes == 0
    assert report.kept_bytes > 6 * MIB
    assert all(cid.codec != 0x55 for cid in store.asked), "no leaf was asked for"
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.st")} == before


@pytest.mark.parametrize("damage", ["flip", "short", "long", "gone"])
def test_a_damaged_file_is_mended_by_its_wrong_leaves_only(memory, tmp_path, damage):
    tomogram = put_dataset(memory, FILES)
    get(tomogram, [memory], tmp_path)
    (path,) = tmp_path.rglob("a.st")
    if damage == "flip":
        with path.open("r+b") as file:
            file.seek(2 * MIB + 5)
            file.write(bytes([FILES["raw/a.st"][2 * MIB + 5] ^ 1]))
    elif damage == "short":
        os.truncate(path, 3 * MIB)
    elif damage == "long":
        with path.open("ab") as file:
            file.write(b"more")
    else:
        path.unlink()
    report = get(tomogram, [memory], tmp_path)
    assert path.read_bytes() == FILES["raw/a.st"]
    expected = {"flip": MIB, "short": 2 * MIB + 17, "long": 0, "gone": 5 * MIB + 17}
    assert report.fetched_bytes == expected[damage]


def test_a_source_with_wrong_bytes_is_banned_and_another_used(memory, tmp_path):
    liar = Lying(memory, name="http://liar")
    report = get(put_dataset(memory, FILES), [liar, Counting(memory, "http://honest")], tmp_path, jobs=1)
    assert report.is_complete
    assert [b.name for b in report.banned] == ["http://liar"]
    assert "not what it should be" in report.banned[0].reason
    assert len([c for c in liar.asked if c.codec == 0x55]) == 1, "after one wrong block it is asked no more"


def test_wrong_bytes_in_the_middle_of_a_range(memory, tmp_path):
    liar = Ranges(memory, name="http://liar", wrong_at=3)
    honest = Ranges(memory, name="http://honest")
    tomogram = put_dataset(memory, {"raw/a.st": FILES["raw/a.st"]}, manifest=False)
    report = get(tomogram, [liar, honest], tmp_path, jobs=1)
    assert report.is_complete
    assert content(report.datasets[0].folder)["raw/a.st"] == FILES["raw/a.st"]
    assert [b.name for b in report.banned] == ["http://liar"]
    assert honest.given == 2, "the right leaves before it were kept, and the wrong one came by itself"


def test_only_wrong_bytes_leave_nothing_under_a_final_name(memory, tmp_path):
    report = get(put_dataset(memory, FILES, manifest=False), [Lying(memory)], tmp_path)
    assert not report.is_complete
    assert content(report.datasets[0].folder).keys() <= {".etdb-incomplete/download.lock", "empty.txt"} | {
        name for name in content(report.datasets[0].folder) if name.startswith(".etdb-incomplete/")
    }
    errors = [f.error for f in report.datasets[0].failed]
    assert any(isinstance(e, VerificationError) for e in errors)


def test_a_source_that_breaks_off_is_asked_again(memory, tmp_path):
    store = Ranges(memory, stop_at=2)
    waits = []
    report = get(put_dataset(memory, FILES), [store], tmp_path, jobs=1, sleep=waits.append)
    assert report.is_complete
    assert waits == [0.2]


def test_a_gateway_without_ranges_still_works(memory, tmp_path):
    store = Ranges(memory, no_ranges=True)
    assert get(put_dataset(memory, FILES), [store], tmp_path, jobs=1).is_complete
    assert store.requests == 1


def test_who_has_nothing_is_passed_over(memory, tmp_path):
    report = get(put_dataset(memory, FILES), [Empty(memory), memory], tmp_path)
    assert report.is_complete
    assert report.sources == ("memory",)


@pytest.mark.parametrize(
    ("stores", "kind"),
    [([], NotFoundError), ([Empty], NotFoundError), ([Failing], SourceError), ([Lying], VerificationError)],
)
def test_nobody_has_it(memory, tmp_path, stores, kind):
    tomogram = put_dataset(memory, {"a.st": b"x" * 100}, manifest=False)
    report = get(tomogram, [s(memory) for s in stores], tmp_path)
    assert isinstance(report.datasets[0].failed[0].error, kind)
    assert report.datasets[0].failed[0].error.hint


def test_going_on_after_a_source_went_away(memory, tmp_path):
    tomogram = put_dataset(memory, FILES)
    report = get(tomogram, [Failing(memory, good=6)], tmp_path, jobs=1)
    assert not report.is_complete
    store = Counting(memory)
    again = get(tomogram, [store], tmp_path)
    assert again.is_complete
    assert content(again.datasets[0].folder) == FILES
    assert again.kept_bytes > 0
    assert again.fetched_bytes + again.kept_bytes >= sum(map(len, FILES.values()))


def test_types_choose_files_and_none_brings_the_manifest(memory, tmp_path):
    tomogram = put_dataset(memory, FILES)
    report = get(tomogram, [memory], tmp_path, ["none"])
    folder = report.datasets[0].folder
    assert sorted(p.name for p in folder.iterdir()) == sorted([MANIFEST_NAME, RECEIVED_NAME])
    get(tomogram, [memory], tmp_path, ["reconstructions"])
    assert set(content(folder)) == {"b.rec"}
    assert load_received(folder).left_out == ("raw/a.st", "small.txt", "empty.txt")


def test_a_record_without_a_manifest(memory, tmp_path):
    report = get(put_dataset(memory, FILES, manifest=False), [memory], tmp_path)
    assert report.is_complete
    assert not report.datasets[0].has_manifest


def test_differences_between_manifest_and_record_are_told(memory, tmp_path):
    tomogram = replace(put_dataset(memory, FILES), title="Another title")
    assert get(tomogram, [memory], tmp_path).datasets[0].differences == ("title",)


def test_a_size_that_the_record_does_not_tell_is_refused_before_it_is_fetched(memory, tmp_path):
    tomogram = put_dataset(memory, {"a.st": FILES["raw/a.st"], "b.rec": FILES["b.rec"]})
    entries = tuple(replace(f, size_bytes=10) if f.path == "a.st" else f for f in tomogram.files)
    store = Counting(memory)
    report = get(replace(tomogram, files=entries), [store], tmp_path)
    (failed,) = report.datasets[0].failed
    assert failed.path == "a.st"
    assert isinstance(failed.error, VerificationError)
    assert report.fetched_bytes < 2 * MIB
    assert set(content(report.datasets[0].folder)) >= {"b.rec"}
    assert "a.st" not in content(report.datasets[0].folder)


def test_sizes_that_nobody_tells(memory, tmp_path):
    tomogram = put_dataset(memory, FILES)
    unknown = replace(tomogram, files=tuple(replace(f, size_bytes=None) for f in tomogram.files))
    assert content(get(unknown, [memory], tmp_path).datasets[0].folder) == FILES
    again = get(unknown, [memory], tmp_path)
    assert (again.fetched_bytes, again.is_complete) == (0, True)


def test_a_wrong_sha256_in_the_manifest_is_reported(memory, tmp_path):
    report = get(put_dataset(memory, {"a.st": b"abc"}, sha256="0" * 64), [memory], tmp_path)
    (failed,) = report.datasets[0].failed
    assert "SHA-256" in failed.error.message


def test_a_file_that_the_directory_does_not_have(memory, tmp_path):
    tomogram = put_dataset(memory, FILES)
    more = replace(tomogram.files[0], path="not/there.st")
    report = get(replace(tomogram, files=(more, *tomogram.files)), [memory], tmp_path)
    assert [f.path for f in report.datasets[0].failed] == ["not/there.st"]
    assert content(report.datasets[0].folder).keys() >= FILES.keys()


@pytest.mark.parametrize("location", ["", "rubbish", "../../etc/passwd"])
def test_a_location_that_is_no_cid(memory, tmp_path, location):
    tomogram = replace(put_dataset(memory, FILES), location=location)
    if not location:
        with pytest.raises(ValueError, match="no content on IPFS"):
            get(tomogram, [memory], tmp_path)
        return
    (failed,) = get(tomogram, [memory], tmp_path).datasets[0].failed
    assert isinstance(failed.error, (FormatError, ValueError))


def test_a_location_that_is_the_file_itself(memory, tmp_path):
    from .conftest import put_file

    data = noise(2 * MIB + 3)
    cid, _ = put_file(memory, data)
    tomogram = put_dataset(memory, {"a.st": data})
    report = get(replace(tomogram, location=str(cid)), [memory], tmp_path)
    assert report.is_complete
    assert content(report.datasets[0].folder) == {"a.st": data}


def test_a_small_disk_is_noticed_before_the_first_byte(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50))
    store = Counting(memory)
    tomogram = put_dataset(memory, FILES)
    with pytest.raises(DiskFullError) as caught:
        get(tomogram, [store], tmp_path / "new")
    assert caught.value.fields["needed_bytes"] == sum(map(len, FILES.values()))
    assert store.asked == []


def test_a_disk_that_fills_up_keeps_what_has_arrived(memory, tmp_path, monkeypatch):
    tomogram = put_dataset(memory, {"a.st": FILES["raw/a.st"]})
    true_write = os.pwrite
    room = [3 * MIB]

    def small(fd, data, offset):
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return true_write(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", small)
    with pytest.raises(DiskFullError) as caught:
        get(tomogram, [memory], tmp_path, jobs=1)
    assert "what has arrived is kept" in caught.value.hint
    assert not list(tmp_path.rglob("a.st"))
    monkeypatch.undo()
    again = get(tomogram, [memory], tmp_path)
    assert again.is_complete
    assert again.kept_bytes >= 2 * MIB
    assert content(again.datasets[0].folder) == {"a.st": FILES["raw/a.st"]}


def test_a_folder_that_cannot_be_written(memory, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        get(put_dataset(memory, FILES), [memory], tmp_path / "file")


def test_two_downloads_of_one_dataset_do_not_meet(memory, tmp_path):
    tomogram = put_dataset(memory, FILES)

    class Meeting(Counting):
        def answer(self, cid):
            with pytest.raises(LockedError):
                get(tomogram, [memory], tmp_path)
            return self.inner.get(cid)

    assert get(tomogram, [Meeting(memory)], tmp_path, jobs=1).is_complete


def test_a_link_in_the_way_is_not_followed(memory, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    tomogram = put_dataset(memory, {"b.rec": FILES["b.rec"]})
    folder = tmp_path / f"rr1-{ID[:8]}"
    folder.mkdir()
    (folder / "b.rec").symlink_to(outside)
    with pytest.raises(StorageError):
        get(tomogram, [memory], tmp_path)
    assert outside.read_bytes() == b"mine"


def test_interrupting_the_caller_stops_the_workers(memory, tmp_path):
    def progress(_):
        raise KeyboardInterrupt

    tomogram = put_dataset(memory, FILES)
    with pytest.raises(KeyboardInterrupt):
        get(tomogram, [memory], tmp_path, progress=progress)
    assert get(tomogram, [memory], tmp_path).is_complete


def test_many_datasets_in_one_plan(memory, tmp_path):
    records = [(f"{n:02}" * 32, put_dataset(memory, {f"{n}.st": noise(1000, n)}, title="same")) for n in range(5)]
    report = download(plan_download(records), [memory], tmp_path)
    assert report.is_complete
    assert len({d.folder for d in report.datasets}) == 5
    assert len(list(tmp_path.glob("*/*.st"))) == 5
