"""What every source must do, as tests to inherit.

A new adapter proves itself in a few lines::

    class TestMySource(SourceContract):
        @contextmanager
        def source_of(self, datasets, folder):
            yield MySource(...)  # that tells of exactly these datasets, whose files lie in folder/<sid>/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec import Struct, field

from etdb.errors import InputError, SourceFileError
from etdb.sources import Source
from etdb.sources.port import read_all

__all__ = ["LabDataset", "SourceContract"]


class LabDataset(Struct, frozen=True, kw_only=True):
    """What a lab says of a dataset: its files are `path` to bytes; one of None is told of and is not on the disk."""

    sid: str
    title: str = "A series"
    species: str = "Vibrio cholerae"
    microscopist: str = ""
    released: bool = True
    files: dict[str, bytes | None] = field(default_factory=lambda: {"rawdata/a.mrc": b"raw"})
    notes: str = ""


LAB: Sequence[LabDataset] = (
    LabDataset(sid="zla2008-01-20-16", title="Série à 4 °C", microscopist="Zhuo Li", notes="10 °C; 'quoted', \"so\""),
    LabDataset(sid="aba2005-04-15-2", files={"rawdata/b.mrc": b"b", "rawdata/c.mrc": b"cc"}),
    LabDataset(sid="mpa2008-12-25-7", released=False, title="Not yet"),
)


class SourceContract:
    """Inherit, and give :meth:`source_of`. Say in `has_release` and `has_files` what the adapter cannot tell."""

    has_release = True
    has_file_table = True

    def source_of(self, datasets: Sequence[LabDataset], folder: Path) -> AbstractContextManager[Source]:
        raise NotImplementedError

    def make_files(self, datasets: Sequence[LabDataset], folder: Path) -> None:
        for dataset in datasets:
            for path, data in dataset.files.items():
                if data is not None:
                    (folder / dataset.sid / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / dataset.sid / path).write_bytes(data)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Source]:
        self.make_files(LAB, tmp_path / "data")
        with self.source_of(LAB, tmp_path / "data") as source:
            yield source

    def test_it_is_a_source(self, source: Source) -> None:
        assert isinstance(source, Source)
        assert source.name
        assert "s3cret" not in source.name

    def test_what_is_released_and_what_is_not(self, source: Source) -> None:
        listing = source.listing()
        released = [one.sid for one in LAB if one.released or not self.has_release]
        assert sorted(listing.released) == sorted(released)
        assert set(listing.withheld) == {one.sid for one in LAB} - set(released)
        assert all(listing.withheld.values())
        assert listing.refused == ()
        assert source.listing() == listing

    def test_a_dataset_is_what_the_lab_says_and_what_lies_there(self, source: Source) -> None:
        found = {dataset.metadata["sid"]: dataset for dataset in read_all(source)}
        for told in LAB[:2]:
            dataset = found[told.sid]
            assert dataset.name == told.sid
            assert {one.path: one.absolute.read_bytes() for one in dataset.files} == told.files
            assert [one.path for one in dataset.files] == sorted(told.files)
            assert dataset.metadata["title"] == told.title, dataset.metadata["title"]
            assert dataset.metadata["species"] == told.species
            assert dataset.metadata.get("microscopist", "") == told.microscopist
            assert told.notes in dataset.metadata.get("notes", "")
            assert {one.role for one in dataset.files} == {"tilt_series"}

    def test_what_is_not_released_cannot_be_read(self, source: Source) -> None:
        names = ["never-there", "../etc"] + [one.sid for one in LAB if not one.released and self.has_release]
        for sid in names:
            with pytest.raises(InputError):
                source.read(sid)

    def test_read_without_a_listing(self, source: Source) -> None:
        assert source.read(LAB[1].sid).size_bytes == 3

    def test_nothing_is_written(self, source: Source, tmp_path: Path) -> None:
        def seen() -> dict[Path, tuple[int, int]]:
            found = {}
            for path in tmp_path.rglob("*"):
                if path.suffix not in {".log", ".pid"} and "server" not in path.parts:
                    found[path] = (path.stat().st_mtime_ns, path.stat().st_size)
            return found

        before = seen()
        source.listing()
        list(read_all(source))
        assert seen() == before

    def test_problems_of_a_dataset_come_together_and_stop_no_other(self, tmp_path: Path) -> None:
        files: dict[str, bytes | None] = {"rawdata/a.mrc": b"", "rawdata/gone.mrc": None, "rawdata/x.mrc": b"x"}
        lab = [LabDataset(sid="bad-1", files=files), LabDataset(sid="good-1")]
        self.make_files(lab, tmp_path / "data")
        with self.source_of(lab, tmp_path / "data") as source:
            with pytest.raises(SourceFileError) as caught:
                source.read("bad-1")
            problems = caught.value.fields["problems"]
            assert any("a.mrc" in problem and "empty" in problem for problem in problems)
            assert any("gone.mrc" in problem for problem in problems) == self.has_file_table
            assert source.read("good-1").name == "good-1"

    def test_a_link_leads_to_nothing_outside(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"the key")
        lab = [LabDataset(sid="linked-1", files={"rawdata/a.mrc": b"a", "rawdata/secret": None})]
        self.make_files(lab, tmp_path / "data")
        (tmp_path / "data" / "linked-1" / "rawdata" / "secret").symlink_to(outside / "secret")
        with self.source_of(lab, tmp_path / "data") as source, pytest.raises(SourceFileError) as caught:
            source.read("linked-1")
        assert "outside" in caught.value.message

    def test_an_empty_source_lists_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        with self.source_of([], tmp_path / "data") as source:
            assert source.listing().released == ()

    def test_close_twice(self, source: Source) -> None:
        source.listing()
        source.close()
        source.close()
