"""The fast road of hashing gives what the general road gives, and steps aside when a file is not as it was."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etdb.blocks import mapped
from etdb.blocks.hashing import hash_file
from etdb.blocks.mapped import HashProcesses
from etdb.errors import SourceFileError
from etdb.ipfs import ETDB_2018, UNIXFS_V0_2015, UNIXFS_V1_2025, ImportProfile, file_geometry

PROFILES = (UNIXFS_V1_2025, UNIXFS_V0_2015, ETDB_2018)
MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def _small_files_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "MAPPED_FROM_BYTES", 1)
        patch.setattr(mapped, "WINDOW_BYTES", 2 * MIB)
        patch.setattr(mapped, "SMALLEST_WINDOW_BYTES", MIB // 2)
        yield


@pytest.fixture(scope="module")
def processes() -> Iterator[HashProcesses]:
    found = HashProcesses(3)
    yield found
    found.close()


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mapped") / "noise"
    path.write_bytes(random.Random(4).randbytes(9 * MIB))
    return path


def _mapped(
    path: Path, profile: ImportProfile, processes: HashProcesses, *, sha256: bool, alone: bool = False
) -> tuple[bytes, bytes | None] | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        geometry = file_geometry(path.stat().st_size, profile)
        return processes.hash(path, descriptor, geometry, profile, sha256=sha256, alone=alone)
    finally:
        os.close(descriptor)


@settings(deadline=None, max_examples=25)
@given(
    size=st.one_of(
        st.integers(1, 9 * MIB),
        st.builds(lambda n, d: n * MIB // 4 + d, st.integers(1, 35), st.integers(-1, 1)),
    ),
    profile=st.sampled_from(PROFILES),
    how=st.fixed_dictionaries({"sha256": st.booleans(), "alone": st.booleans()}),
)
def test_equals_the_general_road(
    noise: Path, processes: HashProcesses, size: int, profile: ImportProfile, how: dict[str, bool]
) -> None:
    path = noise.with_name("part")
    path.write_bytes(noise.read_bytes()[:size])
    general = hash_file(path, profile, sha256=how["sha256"])
    assert _mapped(path, profile, processes, **how) == (general.digests, general.sha256)
    if how["sha256"]:
        assert general.sha256 == hashlib.sha256(path.read_bytes()).digest()


def test_a_file_that_shrinks_ends_a_worker_and_is_told_as_such(noise: Path, tmp_path: Path) -> None:
    path = tmp_path / "shrinks"
    path.write_bytes(noise.read_bytes())
    processes = HashProcesses(2)

    def shrink(_count: int) -> None:
        os.truncate(path, MIB)

    try:
        with pytest.raises(SourceFileError, match="changed while it was read"):
            hash_file(path, UNIXFS_V1_2025, processes=processes, progress=shrink)
        # and the next file is hashed as if nothing had been
        assert _mapped(noise, UNIXFS_V1_2025, processes, sha256=True) is not None
    finally:
        processes.close()


def test_a_mapped_window_that_is_gone_is_no_answer(noise: Path, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(noise.read_bytes()[:MIB])
    processes = HashProcesses(2)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        geometry = file_geometry(8 * MIB, UNIXFS_V1_2025)
        assert processes.hash(path, descriptor, geometry, UNIXFS_V1_2025, sha256=True) is None
    finally:
        os.close(descriptor)
        processes.close()


def test_a_file_that_was_replaced_is_not_hashed_under_its_old_name(noise: Path, tmp_path: Path) -> None:
    path = tmp_path / "replaced"
    path.write_bytes(noise.read_bytes())
    descriptor = os.open(path, os.O_RDONLY)
    path.rename(tmp_path / "elsewhere")
    path.write_bytes(bytes(9 * MIB))
    processes = HashProcesses(2)
    try:
        geometry = file_geometry(9 * MIB, UNIXFS_V1_2025)
        assert processes.hash(path, descriptor, geometry, UNIXFS_V1_2025, sha256=False) is None
    finally:
        os.close(descriptor)
        processes.close()


def test_what_the_progress_raises_ends_the_work_and_leaves_nothing_behind(noise: Path) -> None:
    processes = HashProcesses(2)

    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            hash_file(noise, UNIXFS_V1_2025, processes=processes, progress=stop)
        told: list[int] = []
        hash_file(noise, UNIXFS_V1_2025, processes=processes, progress=told.append)
        assert sum(told) == 9 * MIB
    finally:
        processes.close()


def test_a_reading_that_starts_again_is_not_told_twice(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = HashProcesses(1)

    def half(*_arguments: object, progress: object, **_more: object) -> None:
        assert callable(progress)
        progress(4 * MIB)

    monkeypatch.setattr(processes, "hash", half)
    told: list[int] = []
    hash_file(noise, UNIXFS_V1_2025, processes=processes, progress=told.append)
    assert sum(told) == 9 * MIB


def test_others_who_ask_meanwhile_read_by_themselves(noise: Path, processes: HashProcesses) -> None:
    answers: list[object] = []

    def ask(_count: int) -> None:
        answers.append(_mapped(noise, UNIXFS_V1_2025, processes, sha256=False))

    hash_file(noise, UNIXFS_V1_2025, processes=processes, progress=ask)
    assert answers
    assert set(answers) == {None}


@pytest.mark.parametrize("files", [1, 2])
def test_the_free_help_when_no_other_file_is_left_and_not_before(noise: Path, files: int) -> None:
    processes = HashProcesses(2)
    answers: list[object] = []

    def ask(_count: int) -> None:
        if not answers and processes.lent == files % 2 + 1:
            answers.append(_mapped(noise, UNIXFS_V1_2025, processes, sha256=True, alone=True))

    with processes.side_by_side(files):
        found = hash_file(noise, UNIXFS_V1_2025, processes=processes, progress=ask, alone=True)
    processes.close()
    # Of one file both are busy before its end; of two, one is kept for the other.
    assert answers == ([None] if files == 1 else [(found.digests, found.sha256)])
