import os
import socket
import struct
from pathlib import Path

import pytest

from etdb.errors import InputError, SourceFileError
from etdb.sources import FolderSource
from etdb.testing.rights import no_power_over_files

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x03\x08\0\0\0\0"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def snapshot(folder: Path):
    return {
        str(p.relative_to(folder)): (p.lstat().st_mtime_ns, p.lstat().st_size, p.lstat().st_mode)
        for p in folder.rglob("*")
    }


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(SourceFileError) as caught:
        list(FolderSource(path).datasets())
    assert all(p in caught.value.message for p in caught.value.fields["problems"][:20])
    return caught.value.fields["problems"]


def mrc(sections=3, group=0) -> bytes:
    raw = bytearray(1024)
    struct.pack_into("<4i", raw, 0, 2, 2, sections, 1)
    struct.pack_into("<3i", raw, 28, 2, 2, sections)
    struct.pack_into("<3f", raw, 40, 10.0, 10.0, 5.0 * sections)
    struct.pack_into("<3i", raw, 64, 1, 2, 3)
    struct.pack_into("<i", raw, 88, group)
    raw[208:216] = b"MAP DD\0\0"
    return bytes(raw) + bytes(8 * sections)


def test_one_dataset_in_a_fixed_order_with_a_first_look(tmp_path):
    write(
        tmp_path / "lab 1",
        {
            "b/z.rec": mrc(group=1),
            "a.st": mrc(),
            "a.st.mdoc": b"[ZValue = 0]\nTiltAngle = 1\n",
            "a.rawtlt": b"1\n2\n",
            "B.png": PNG,
            ".DS_Store": b"x",
            ".git/config": b"x",
            "-odd name äöü.txt": b"x",
            "dataset.toml": b'title = "T"\nspecies = "S"\n[files."b/z.rec"]\nnotes = "the best"\n',
        },
    )
    before = snapshot(tmp_path)
    (dataset,) = FolderSource(tmp_path / "lab 1").datasets()
    assert dataset.name == "lab 1"
    assert dataset.metadata == {"title": "T", "species": "S"}
    assert [(f.path, f.role) for f in dataset.files] == [
        ("-odd name äöü.txt", "notes"),
        ("B.png", "snapshot"),
        ("a.rawtlt", "alignment"),
        ("a.st", "tilt_series"),
        ("a.st.mdoc", "metadata"),
        ("b/z.rec", "reconstruction"),
    ]
    by_path = {f.path: f for f in dataset.files}
    assert by_path["a.st"].header.sections == 3
    assert by_path["a.rawtlt"].tilt_angles_deg == (1.0, 2.0)
    assert by_path["a.st.mdoc"].mdoc.sections == 1
    assert by_path["b/z.rec"].notes == "the best"
    assert by_path["B.png"].media_type == "image/png"
    assert dataset.size_bytes == sum(f.absolute.stat().st_size for f in dataset.files)
    assert dataset.notes == ("2 hidden files or folders were left out",)
    assert snapshot(tmp_path) == before, "nothing is written into the lab's folders"


def test_a_folder_of_datasets(tmp_path):
    write(tmp_path, {"d2/raw/a.st": b"x", "d1/a.mrc": b"x", "empty/.hidden": b"x", "README.txt": b"x"})
    assert [d.name for d in FolderSource(tmp_path).datasets()] == ["d1", "d2"]


@pytest.mark.parametrize("marker", ["dataset.toml", "stack.st", "movie.mp4"])
def test_a_folder_with_data_is_one_dataset_with_its_sub_folders(tmp_path, marker):
    write(tmp_path / "d", {marker: b"", "sub/a.rec": b"x"})
    (tmp_path / "d" / marker).write_bytes(b"title = 'x'" if marker == "dataset.toml" else b"x")
    (dataset,) = FolderSource(tmp_path / "d").datasets()
    assert "sub/a.rec" in [f.path for f in dataset.files]


def test_a_single_file(tmp_path):
    write(tmp_path, {"a tomogram.rec": mrc(group=1), "other.rec": b"x"})
    (dataset,) = FolderSource(tmp_path / "a tomogram.rec").datasets()
    assert (dataset.name, dataset.is_single_file, dataset.root) == ("a tomogram", True, tmp_path)
    assert [f.path for f in dataset.files] == ["a tomogram.rec"]


def test_nothing_there(tmp_path):
    for missing in (tmp_path / "no", tmp_path / "n\0o"):
        with pytest.raises(SourceFileError, match="does not exist"):
            FolderSource(missing)
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(InputError, match="no file to publish"):
        list(FolderSource(tmp_path).datasets())


def test_all_problems_come_at_once_and_name_the_file(tmp_path):
    root = write(
        tmp_path / "d",
        {
            "good.st": b"x",
            "empty.mrc": b"",
            "line\nbreak.mrc": b"x",
            "back\\slash.mrc": b"x",
            "turn\u202eed.mrc": b"x",
            "ro-crate-metadata.json": b"{}",
            "dataset.toml": b"titel = 'x'\nspecis = 'y'\nmystery = 1\n[files.'good.st']\nrol = 'x'\n",
        },
    )
    write(tmp_path, {"secret": b"s"})
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "etc").symlink_to("/etc")
    (root / "gone").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    Path(os.fsdecode(os.fsencode(root) + b"/not-utf8-\xff.mrc")).write_bytes(b"x")
    found = "\n".join(problems(root))
    for line in (
        "empty.mrc: is empty",
        "line\\nbreak.mrc: has a line break",
        "slash.mrc: has a backslash",
        "turn\\u202eed.mrc: has a line break or control",
        "ro-crate-metadata.json: is the name of the manifest",
        "unknown key `titel`; did you mean `title`?",
        "unknown key `specis`; did you mean `species`?",
        "unknown key `mystery`; a field of your own belongs under [extra]",
        """[files."good.st"]: unknown key `rol`; did you mean `role`?""",
        "out: is a link to outside",
        "etc: is a link to outside",
        "gone: is a link to nothing",
        "loop: is a link to nothing",
        "pipe: is not a regular file",
        "is not UTF-8",
    ):
        assert line in found
    assert len(found.splitlines()) == 15
    assert found.isprintable() or all(c.isprintable() or c == "\n" for c in found)


def test_a_socket_is_refused(tmp_path, monkeypatch):
    root = write(tmp_path / "d", {"a.st": b"x"})
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert problems(root)[0].startswith("s: is not a regular file")


def test_links_inside_are_read_as_files(tmp_path):
    root = write(tmp_path / "d", {"raw/a.st": b"12345"})
    (root / "best.st").symlink_to("raw/a.st")
    (dataset,) = FolderSource(root).datasets()
    assert [(f.path, f.size_bytes) for f in dataset.files] == [("best.st", 5), ("raw/a.st", 5)]
    assert dataset.files[0].absolute == root / "raw" / "a.st"
    (root / "folder").symlink_to("raw")
    assert "link to a folder" in problems(root)[0]


def test_a_linked_dataset_folder_is_refused(tmp_path):
    write(tmp_path / "elsewhere", {"a.st": b"x"})
    write(tmp_path / "all" / "d1", {"a.st": b"x"})
    (tmp_path / "all" / "d2").symlink_to(tmp_path / "elsewhere")
    source = FolderSource(tmp_path / "all")
    good, linked = source.roots()
    assert source.read(good).name == "d1"
    with pytest.raises(SourceFileError, match="is a link"):
        source.read(linked)


def test_unreadable(tmp_path):
    root = write(tmp_path / "d", {"a.st": b"x", "sub/b.st": b"x"})
    (root / "a.st").chmod(0)
    (root / "sub").chmod(0)
    try:
        with no_power_over_files():
            found = problems(root)
    finally:
        (root / "sub").chmod(0o755)
    assert any(p.startswith("a.st: cannot be read") for p in found)
    assert any(p.startswith("sub: ") for p in found)


def test_unreadable_by_the_system(tmp_path, monkeypatch):
    """The disk fails, whatever the rights are."""
    root = write(tmp_path / "d", {"a.st": b"x", "b.st": b"x"})
    true_open = Path.open

    def failing(self, *args, **kwargs):
        if self.name == "a.st":
            raise PermissionError(13, "Permission denied")
        if self.name == "b.st":
            raise OSError(5, "Input/output error")
        return true_open(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    assert problems(root) == (
        "a.st: cannot be read: allow this user to read it",
        "b.st: cannot be read: Input/output error",
    )


def test_names_of_255_bytes_and_collisions(tmp_path):
    long = "ü" * 125 + ".mrc" + "x"
    root = write(tmp_path / "d", {long: b"x", "A.st": b"x", "a.ST": b"y"})
    (dataset,) = FolderSource(root).datasets()
    assert long in [f.path for f in dataset.files]
    assert any("A.st and a.ST are one name" in note for note in dataset.notes)


def test_truncated_and_foreign_mrc_are_noted_not_refused(tmp_path):
    root = write(tmp_path / "d", {"short.mrc": mrc()[:-1], "text.mrc": b"hello" * 1000})
    (dataset,) = FolderSource(root).datasets()
    assert any("short.mrc has 1047 bytes, but its header tells of 1048" in n for n in dataset.notes)
    assert any(n.startswith("text.mrc: this is not an MRC header") for n in dataset.notes)


def test_files_table_that_names_no_file(tmp_path):
    root = write(tmp_path / "d", {"a.st": b"x", "dataset.toml": b"[files.'../a.st']\nrole = 'other'\n"})
    assert 'dataset.toml: [files."../a.st"]: there is no such file here' in problems(root)


def test_too_many_files_stop(tmp_path, monkeypatch):
    monkeypatch.setattr("etdb.sources.folder.MAX_FILES", 2)
    root = write(tmp_path / "d", {"a.st": b"x", "b.st": b"x", "c.st": b"x"})
    assert problems(root) == ("c.st: more than 2 files in one dataset",)


def test_too_deep(tmp_path, monkeypatch):
    monkeypatch.setattr("etdb.sources.folder.MAX_DEPTH", 2)
    root = write(tmp_path / "d", {"a.st": b"x", "1/2/3/4/x.st": b"x"})
    assert "nested deeper" in problems(root)[0]


def test_more_than_twenty_problems_are_counted(tmp_path):
    root = write(tmp_path / "d", {f"{i:02}.st": b"" for i in range(25)})
    with pytest.raises(SourceFileError, match=r"(?s)25 problems.*and 5 more") as caught:
        list(FolderSource(root).datasets())
    assert len(caught.value.fields["problems"]) == 25
