import pytest

from etdb.blocks import FilesInPlace
from etdb.preview import PreviewKeeper
from etdb.preview import keeping as room


@pytest.fixture
def keep(bench, tmp_path):
    """Keep all products of the plan; what was made and where it lies."""
    with_store = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")

    def run(**options):
        keeper = PreviewKeeper(with_store, notes_folder=tmp_path / "previews", scratch_folder=tmp_path / "cache")
        return [one for product in bench.plan(**options).products for one in keeper.keep(product)]

    yield run
    with_store.close()


def test_what_is_made_once_is_made_no_more(bench, keep, monkeypatch):
    bench.mrc("cell_rec.mrc", bench.noise((20, 64, 150)))
    first = keep(zarr=True)
    assert {one.file.parent.name for one in first} == {"content"}
    assert any(one.path == "aa-1.ome.zarr/0/c/0/0/0" for one in first)
    before = {one.path: one.file.read_bytes() for one in first}

    def never(*_):
        raise AssertionError("it was made again")

    monkeypatch.setattr(room, "make_product", never)
    again = keep(zarr=True)
    assert again == first
    assert {one.path: one.file.read_bytes() for one in again} == before
    assert list((bench.root / "cache").iterdir()) == []


def test_the_bytes_decide_not_the_time(bench, keep, monkeypatch):
    path = bench.mrc("cell_rec.mrc", bench.noise((4, 64, 64)))
    first = keep()
    path.write_bytes(path.read_bytes())  # another time and the same bytes: a restore, a remount
    assert keep() == first
    changed = bytearray(path.read_bytes())
    changed[1024 + 2 * 64 * 64 * 2 :] = bytes(len(changed) - 1024 - 2 * 64 * 64 * 2)
    path.write_bytes(changed)
    other = keep()
    assert [one.path for one in other] == [one.path for one in first]
    assert [one.file for one in other] != [one.file for one in first]
    assert all(one.file.exists() for one in first)  # a published root may commit to them


def test_another_spacing_or_sid_makes_others(bench, keep):
    bench.mrc("cell_rec.mrc", bench.noise((4, 64, 64)))
    first = keep()
    stated = keep(voxel_spacing_angstrom=33.0, origins={"voxel_spacing_angstrom": "dataset.toml"})
    assert first[0].notes != stated[0].notes
    assert first[0].file != stated[0].file


@pytest.mark.parametrize("damage", ["gone", "nonsense", "unreadable", "content"])
def test_a_lost_note_or_file_is_made_again(bench, keep, damage):
    bench.mrc("cell_rec.mrc", bench.noise((4, 64, 64)))
    first = keep()
    notes = list((bench.root / "previews").iterdir())
    assert len(notes) == 2
    for note in notes:
        if damage == "gone":
            note.unlink()
        elif damage == "nonsense":
            note.write_bytes(b'{"files": 7}')
        elif damage == "unreadable":
            note.unlink()
            note.symlink_to("/proc/self/mem")  # on Linux it opens, and gives EIO
    if damage == "content":
        first[0].file.unlink()
    again = keep()
    assert [one.path for one in again] == [one.path for one in first]
    assert all(one.file.is_file() for one in again)
