"""The way of a movie through its sections, and what it costs in reading."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.media import StackFacts
from etdb.preview import PreviewSource
from etdb.preview.movies import MAX_MOVIE_FRAMES, slice_movie, there_and_back


@given(st.integers(1, 200))
def test_the_way_shows_each_once_begins_in_the_middle_and_has_no_jump(count):
    way = there_and_back(count)
    assert sorted(way) == list(range(count))
    assert way[0] == count // 2
    steps = [b - a for a, b in itertools.pairwise([*way, way[0]])]
    assert all(abs(step) <= 2 for step in steps)
    turns = sum((a < 0) != (b < 0) for a, b in itertools.pairwise([*steps, steps[0]]))
    assert turns == (2 if count > 1 else 0)  # at the last and at the first


class Counted:
    """Planes in memory that note what is read."""

    def __init__(self, sections: int, *, sequential: bool) -> None:
        self.values = np.random.default_rng(0).normal(size=(sections, 16, 16)).astype(np.float32)
        self.asked: list[int] = []
        self.facts = StackFacts(
            shape=self.values.shape, dtype="float32", spacing_angstrom=None, rows_upwards=True, is_sequential=sequential
        )

    def read(self, section: int, first_row: int, rows: int) -> np.ndarray:
        self.asked.append(section)
        return self.values[section, first_row : first_row + rows]


@pytest.mark.parametrize("sequential", [True, False])
def test_each_section_is_read_once_beside_those_for_the_contrast(sequential):
    planes = Counted(500, sequential=sequential)
    source = PreviewSource(path="", file=Path(), header=None, facts=planes.facts, spacing_angstrom=None)
    movie = slice_movie(source, planes)
    assert len(list(movie.frames)) == movie.count <= MAX_MOVIE_FRAMES
    sampled = len(planes.asked) - 500
    assert 0 < sampled <= 9 * 5
    asked = planes.asked[sampled:]
    assert (asked if sequential else sorted(asked)) == list(range(500))
