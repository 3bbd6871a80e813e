import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.media import StackFacts
from etdb.preview.frames import (
    TurnedPlanes,
    bin_for,
    frames_in_order,
    group_sections,
    on_canvas,
    read_frame,
    section_nearest_zero,
    upright,
)


class Volume:
    """Planes in memory."""

    def __init__(self, values, *, upwards=False, sequential=False):
        self.values = values
        self.asked = []
        self.facts = StackFacts(
            shape=values.shape,
            dtype=values.dtype.name,
            spacing_angstrom=None,
            rows_upwards=upwards,
            is_sequential=sequential,
        )

    def read(self, section, first_row, rows):
        self.asked.append((section, first_row))
        return self.values[section, first_row : first_row + rows]


shapes = st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40))


@given(shapes, st.integers(1, 6), st.sampled_from(["i1", "u1", "i2", "u2", "f4", "f2"]), st.booleans(), st.data())
def test_a_frame_is_the_mean_of_its_boxes(shape, factor, kind, upwards, data):
    values = (np.random.default_rng(1).normal(size=shape) * 90).astype(kind)
    if kind[0] == "f" and data.draw(st.booleans()):
        values[np.random.default_rng(2).random(shape) < 0.3] = np.nan
        values[0, 0, 0] = np.inf
    first = data.draw(st.integers(0, shape[0] - 1))
    chosen = range(first, data.draw(st.integers(first + 1, shape[0])))
    found = read_frame(Volume(values, upwards=upwards), chosen, factor)
    down, across = min(factor, shape[1]), min(factor, shape[2])
    height, width = shape[1] // down, shape[2] // across
    part = values[chosen.start : chosen.stop, : height * down, : width * across].astype(np.float64)
    part = np.where(np.isfinite(part), part, np.nan).reshape(len(chosen), height, down, width, across)
    counted = np.isfinite(part).sum(axis=(0, 2, 4))
    with np.errstate(invalid="ignore"):
        expected = np.nansum(part, axis=(0, 2, 4)) / counted
    if upwards:
        expected = expected[::-1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_strips_give_what_whole_planes_give(monkeypatch):
    values = np.random.default_rng(3).normal(size=(3, 300, 50)).astype(np.float32)
    whole = read_frame(Volume(values), range(3), 3)
    monkeypatch.setattr("etdb.preview.frames._STRIP_BYTES", 1000)
    volume = Volume(values, sequential=True)
    np.testing.assert_array_equal(read_frame(volume, range(3), 3), whole)
    assert volume.asked == sorted(volume.asked)  # onwards only, as a packed file must be read
    assert len(volume.asked) > 100


@given(st.integers(1, 3000), st.integers(1, 200))
def test_groups_take_each_section_once_and_are_as_equal_as_can_be(sections, most):
    groups = group_sections(sections, most)
    assert [n for group in groups for n in group] == list(range(sections))
    assert len(groups) <= most
    sizes = {len(group) for group in groups}
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_binned_sides_fit(rows, columns):
    factor = bin_for(rows, columns)
    assert max(rows, columns) // factor <= 1024
    assert factor == 1 or max(rows, columns) / (factor - 1) > 1024


@pytest.mark.parametrize("sequential", [True, False])
def test_frames_come_in_order_and_errors_come_through(sequential):
    volume = Volume(np.zeros((1, 1, 1), np.int8), sequential=sequential)
    assert list(frames_in_order(np.array, range(20), volume)) == list(range(20))

    def broken(n):
        if n == 3:
            raise OSError("gone")
        return np.array(n)

    with pytest.raises(OSError, match="gone"):
        list(frames_in_order(broken, range(20), volume))


def test_a_volume_that_lies_on_its_side_is_seen_from_above():
    values = np.arange(9 * 4 * 10).reshape(9, 4, 10).astype(np.int16)
    turned = upright(Volume(values))
    assert isinstance(turned, TurnedPlanes)
    assert turned.facts.shape == (4, 9, 10)
    np.testing.assert_array_equal(turned.read(2, 1, 5), values[1:6, 2])
    thick = Volume(values[:, :, :7])
    assert upright(thick) is thick
    packed = Volume(values, sequential=True)
    assert upright(packed) is packed


@pytest.mark.parametrize(
    ("angles", "section"), [((-60, -3, 0.4, 60), 2), ((0, 3, -3), 0), ((), 5), ((2, -2, 4), 0), ((-1, 1), 0)]
)
def test_the_projection_nearest_zero(angles, section):
    assert section_nearest_zero(angles, 10) == section


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (300, 2), (1024, 1024), (400, 700)])
def test_what_is_tiny_is_enlarged_by_whole_pixels(shape):
    picture = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    shown, times = on_canvas(picture)
    assert 256 <= max(shown.shape) <= 1024
    assert min(shown.shape) >= 48
    if min(shape) * times >= 48:
        np.testing.assert_array_equal(shown[::times, ::times], picture)
