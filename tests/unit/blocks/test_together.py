"""Several files side by side give what one after the other gives, and the first failure ends them all."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.blocks import FilesInPlace, files, mapped
from etdb.blocks.together import Progress, plan_side_by_side, run_side_by_side
from etdb.errors import SourceFileError

MIB = 1 << 20


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FilesInPlace]:
    """A store for which a file of half a MiB is large."""
    for module in (files, mapped):
        monkeypatch.setattr(module, "MAPPED_FROM_BYTES", MIB // 2)
    with closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "own", threads=2)) as found:
        yield found


def write_files(folder: Path, sizes: list[int]) -> list[Path]:
    dice, paths = random.Random(5), []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.mrc"
        path.write_bytes(dice.randbytes(size))
        paths.append(path)
    return paths


def test_side_by_side_gives_what_one_by_one_gives(store: FilesInPlace, tmp_path: Path) -> None:
    paths = write_files(tmp_path, [3 * MIB + 1, 0, 2 * MIB, 17, MIB, 9 * MIB])
    told: list[int] = []
    added = store.add_files(paths, progress=told.append)
    assert [one.path for one in added] == paths
    assert [one.sha256 for one in added] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    assert sum(told) == sum(path.stat().st_size for path in paths)
    with closing(FilesInPlace(tmp_path / "other.sqlite", content_folder=tmp_path / "own")) as other:
        assert added == [other.add_file(path) for path in paths]
        assert [one.cid for one in other.add_files(paths, sha256=False)] == [one.cid for one in added]


def test_a_file_that_is_missing_is_named_and_the_others_can_be_added_again(store: FilesInPlace, tmp_path: Path) -> None:
    paths = write_files(tmp_path, [MIB, 2 * MIB, MIB])
    paths[1].rename(tmp_path / "away")
    with pytest.raises(SourceFileError, match=r"1\.mrc does not exist"):
        store.add_files(paths)
    (tmp_path / "away").rename(paths[1])
    assert len(store.add_files(paths)) == 3


def test_what_progress_raises_ends_all_and_the_processes_can_be_used_again(store: FilesInPlace, tmp_path: Path) -> None:
    paths = write_files(tmp_path, [5 * MIB, 5 * MIB, 5 * MIB])

    def refuse(count: int) -> None:
        if count:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        store.add_files(paths, progress=refuse)
    assert [one.sha256 for one in store.add_files(paths)] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    ]


@given(st.lists(st.integers(1, 1000), max_size=12), st.integers(1, 5))
def test_a_file_alone_on_a_process_leaves_no_other_idle(sizes: list[int], processes: int) -> None:
    chosen = plan_side_by_side(sizes, processes)
    assert sorted(set(chosen)) == sorted(chosen)
    assert all(sizes[a] >= sizes[b] for a, b in itertools.pairwise(chosen))
    if chosen:
        assert sizes[chosen[0]] * processes <= sum(sizes[index] for index in chosen)
    left_out = [size for index, size in enumerate(sizes) if index not in chosen]
    assert all(size >= sizes[index] for size in left_out for index in chosen)


def test_the_first_failure_stops_jobs_that_have_not_ended() -> None:
    began, failed = threading.Event(), threading.Event()

    def fails(_tell: Progress) -> None:
        began.wait(30)
        failed.set()
        raise ValueError("first")

    def goes_on(tell: Progress) -> None:
        began.set()
        failed.wait(30)
        while True:
            tell(1)

    with pytest.raises(ValueError, match="first"):
        run_side_by_side([fails, goes_on, goes_on], 2, None)
