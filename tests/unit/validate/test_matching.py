"""The matching of angles is the largest there is, whatever the order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etdb.validate.matching import TOLERANCE_DEG, match_angles

# Close together, so that many could be partners of many; as hundredths and thousandths, as files have them.
ANGLES = st.lists(st.integers(0, 60).map(lambda n: n / 1000), max_size=6)


def largest(first: list[float], second: list[float]) -> int:
    """Try every way."""
    if not first:
        return 0
    best = largest(first[1:], second)
    for at, angle in enumerate(second):
        if abs(first[0] - angle) <= TOLERANCE_DEG + 1e-9:
            best = max(best, 1 + largest(first[1:], second[:at] + second[at + 1 :]))
    return best


@given(ANGLES, ANGLES)
def test_as_many_as_any_matching_has(first, second):
    found = match_angles(first, second)
    assert len(found.pairs) == largest(first, second)
    assert all(abs(first[a] - second[b]) <= TOLERANCE_DEG + 1e-9 for a, b in found.pairs)
    assert sorted([a for a, _ in found.pairs] + list(found.left_first)) == list(range(len(first)))
    assert sorted([b for _, b in found.pairs] + list(found.left_second)) == list(range(len(second)))


def test_a_hundredth_is_within_and_more_is_not():
    assert match_angles([0.3], [0.31]).pairs == ((0, 0),)
    assert match_angles([30.005001], [30.0049]).pairs == ((0, 0),)
    assert match_angles([0.3], [0.3101]).pairs == ()


def test_the_first_partner_may_be_the_wrong_one():
    """Given its nearest, the first angle would take the only partner of the second."""
    found = match_angles([0.006, 0.012], [0.0, 0.008])
    assert len(found.pairs) == 2
