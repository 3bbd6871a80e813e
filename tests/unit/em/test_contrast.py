import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from etdb.em import Levels, robust_levels, spread_indices, to_grey

RNG = np.random.default_rng(5)


def test_outliers_and_missing_values_do_not_spoil_the_contrast():
    clean = RNG.normal(100, 10, (200, 300)).astype(np.float32)
    spoilt = clean.copy()
    spoilt[3, 4], spoilt[50, 60], spoilt[7:9] = 1e20, -1e20, np.nan
    expected, found = robust_levels([clean]), robust_levels([spoilt])
    assert found.black == pytest.approx(expected.black, abs=0.5)
    assert found.white == pytest.approx(expected.white, abs=0.5)
    assert 65 < found.black < 80
    assert 120 < found.white < 135


def test_a_border_of_one_value_does_not_count_and_a_peak_does():
    inner = RNG.normal(100, 10, (300, 300)).astype(np.float32)
    framed = np.zeros((400, 500), np.float32)
    framed[:300, :300] = inner
    assert robust_levels([framed]).black > 60
    few = np.tile(np.arange(4, dtype=np.uint8), 5000)  # of four values each takes more than a twentieth
    assert robust_levels([few]) == Levels(0.0, 3.0)


def test_what_is_nearly_all_one_value_shows_the_rest():
    volume = np.zeros((100, 100), np.int16)
    volume[50, 50] = 900
    levels = robust_levels([volume])
    assert levels == Levels(0.0, 900.0)
    assert to_grey(volume, levels)[50, 50] == 255


def test_nothing_to_see_is_grey_and_nothing_measured_is_black():
    flat = np.full((4, 4), 7, np.int16)
    assert to_grey(flat, robust_levels([flat])).tolist() == [[128] * 4] * 4
    empty = np.full((4, 4), np.nan, np.float32)
    assert not to_grey(empty, robust_levels([empty])).any()
    assert robust_levels([]) == Levels(0.0, 0.0)


@given(
    npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=8)),
    st.floats(-1e38, 1e38),
    st.floats(0, 1e38),
)
def test_grey_is_the_rounded_line_between_the_levels(values, black, wide):
    levels = Levels(black, black + wide)
    grey = to_grey(values, levels)
    assert (grey.dtype, grey.shape) == (np.uint8, values.shape)
    if levels.white > levels.black:
        span = levels.white - levels.black
        # In float64, where nothing overflows; a step of one is what rounding may differ by.
        with np.errstate(over="ignore", invalid="ignore"):
            expected = np.clip((values.astype(np.float64) - black) / span * 255, 0, 255)
        finite = np.isfinite(values)
        ours = grey[finite].astype(float)
        well = wide > 1e-5 * abs(black)
        assert np.all(np.abs(ours - expected[finite]) <= (3.0 if well else 255.0))
        assert not grey[np.isnan(values)].any()


@given(st.integers(1, 500), st.integers(1, 50))
def test_indices_are_spread_and_within(count, most):
    found = spread_indices(count, most)
    assert len(found) == min(count, most)
    assert list(found) == sorted(set(found))
    assert found[0] >= 0
    assert found[-1] < count
    gaps = np.diff([-0.5 * count / len(found), *found])[1:]
    assert not len(gaps) or gaps.max() - gaps.min() <= 1
