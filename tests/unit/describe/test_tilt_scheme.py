import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import ROOT

from etdb.describe import tilt_scheme
from etdb.em import MAX_MDOC_BYTES, parse_mdoc


def hagen(step, count, group=1, start=0.0):
    """To and fro in groups, as SerialEM's dose-symmetric script goes."""
    angles, up, down, sign = [start], start, start, 1
    while len(angles) < count:
        for _ in range(group):
            if sign > 0:
                up += step
                angles.append(up)
            else:
                down -= step
                angles.append(down)
        sign = -sign
    return angles


@given(
    st.sampled_from([1.0, 1.5, 2.0, 3.0]),
    st.integers(9, 60),
    st.integers(1, 4),
    st.sampled_from([0.0, 12.0, -9.0]),
    st.randoms(use_true_random=False),
)
def test_dose_symmetric_with_the_jitter_of_a_stage(step, rounds, group, start, chance):
    angles = hagen(step, max(rounds, 8 * group), group, start)
    jittered = [angle + chance.uniform(-0.05, 0.05) for angle in angles]
    assert tilt_scheme(jittered) == "dose-symmetric"
    assert tilt_scheme([-angle for angle in jittered]) == "dose-symmetric"


@given(st.sampled_from([0.6, 1.0, 3.0]), st.integers(4, 80), st.booleans())
def test_one_way_is_unidirectional(step, count, falling):
    angles = [-60 + step * number for number in range(count)]
    assert tilt_scheme(angles[::-1] if falling else angles) == "unidirectional"


@given(st.sampled_from([1.0, 2.0, 3.0]), st.integers(4, 30), st.integers(4, 30), st.sampled_from([0, -20, 30]))
def test_one_end_then_the_other_is_bidirectional(step, up, down, start):
    angles = [start + step * n for n in range(up)] + [start - step * n for n in range(1, down)]
    assert tilt_scheme(angles) == "bidirectional"
    again = [start + step * n for n in range(up)] + [start - step * n for n in range(down)]  # the start taken twice
    assert tilt_scheme(again) == "bidirectional"


@pytest.mark.parametrize(
    "angles",
    [
        [],
        [0.0, 3.0],
        [0.0, 0.0, 0.0, 0.0],
        [0, 3, -3],  # as much the one as the other
        [0, 3, 6, 9, 12, 15, 18, -3, -6, -9, -12, -15, -18, 21, 24],  # three sweeps
        [0, 30, 3, 27, 6, 24, 9, 21, 12],  # inwards
    ],
)
def test_other_orders_have_no_name(angles):
    assert tilt_scheme(angles) == ""


def test_chance_is_no_scheme():
    angles = [3.0 * n for n in range(-20, 21)]
    chance = random.Random(7)
    for _ in range(50):
        chance.shuffle(angles)
        assert tilt_scheme(angles) == ""


def test_a_real_series():
    path = ROOT.parent / "shared" / "data" / "mdoc" / "mdocfile_tilt_series.mdoc"
    if not path.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    look = parse_mdoc(path.read_bytes()[:MAX_MDOC_BYTES])
    assert tilt_scheme(look.tilt_angles_deg) == "dose-symmetric"  # EMPIAR-10164, taken so: Hagen et al.
    assert tilt_scheme(sorted(look.tilt_angles_deg)) == "unidirectional"
