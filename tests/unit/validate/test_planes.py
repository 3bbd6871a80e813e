"""Planes are read as far as is needed, never whole."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tests.unit.validate.lab import images, mrc

from etdb.sources import FolderSource
from etdb.validate.planes import BUFFER_BYTES, look_at_planes, sampled_sections


def look(tmp_path, data: bytes, *, full: bool = False, name: str = "a.rec"):
    root = tmp_path / "d"
    root.mkdir(exist_ok=True)
    (root / name).write_bytes(data)
    (file,) = FolderSource(root).read(root).files
    return look_at_planes(file, file.header, full=full)


def test_first_middle_last_and_some_more_the_same_every_time():
    for sections in (1, 2, 3, 7, 1000):
        chosen = sampled_sections("a/b.rec", sections)
        assert {0, sections // 2, sections - 1} <= set(chosen) <= set(range(sections))
        assert chosen == sampled_sections("a/b.rec", sections)
        assert len(chosen) <= 6
    assert len({tuple(sampled_sections(f"{n}.rec", 10_000)) for n in range(20)}) == 20


def test_a_plane_outside_of_the_sample_is_found_by_all_only(tmp_path):
    planes = images(50, "float32")
    hidden = next(n for n in range(50) if n not in sampled_sections("a.rec", 50))
    planes[hidden] = np.nan
    assert look(tmp_path, mrc(planes)).not_finite == ()
    found = look(tmp_path, mrc(planes), full=True)
    assert (found.not_finite, found.looked) == ((hidden,), 50)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32", "complex64"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_in_both_orders(tmp_path, dtype, order):
    planes = images(3, dtype)
    planes[0], planes[2] = 0, 1
    found = look(tmp_path, mrc(planes, order=order))
    assert (found.zero, found.constant, found.not_finite) == ((0,), (2,), ())


def test_a_truncated_file_is_looked_at_as_far_as_it_goes(tmp_path):
    planes = images(4)
    planes[0] = 0
    found = look(tmp_path, mrc(planes)[:-1])
    assert (found.zero, found.damage) == ((0,), "")
    assert look(tmp_path, mrc(planes)[:1030]).looked == 0


def test_memory_is_a_few_buffers_whatever_a_plane_takes(tmp_path):
    rows = np.zeros((1, 8 * BUFFER_BYTES // 4 // 1024, 1024), dtype="float32")
    rows[0, -1, -1] = np.inf
    data = mrc(rows)
    tracemalloc.start()
    try:
        found = look(tmp_path, data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.not_finite == (0,)
    assert most < 4 * BUFFER_BYTES


def test_a_plane_of_integers_is_left_at_the_first_difference(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr("etdb.validate.planes._read", lambda source, count: read.append(count) or source.read(count))
    shape = (4 * BUFFER_BYTES // 2 // 1024, 1024)
    look(tmp_path, mrc(images(1, "int16", shape=shape)))
    assert sum(read) <= BUFFER_BYTES
    read.clear()
    look(tmp_path, mrc(np.zeros((1, *shape), dtype="int16")))
    assert sum(read) == 4 * BUFFER_BYTES
