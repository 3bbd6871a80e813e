"""Tilt angles from two sources, matched one to one within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["TOLERANCE_DEG", "Matching", "match_angles"]

TOLERANCE_DEG = 0.01
# Decimal angles are not exact as binary numbers: 0.01 apart is within 0.01.
_ROUNDING_DEG = 1e-9


class Matching(Struct, frozen=True, kw_only=True):
    """How two lists of angles go together.

    Attributes:
        pairs: positions in the first and in the second list.
        left_first, left_second: positions of those that have no partner.
    """

    pairs: tuple[tuple[int, int], ...]
    left_first: tuple[int, ...]
    left_second: tuple[int, ...]


def match_angles(first: Sequence[float], second: Sequence[float], tolerance_deg: float = TOLERANCE_DEG) -> Matching:
    """Match as many angles as can be, each with one other at most `tolerance_deg` away.

    On a line, with one tolerance for all, taking both lists in ascending order and giving each angle the first partner
    that is left and near enough finds the largest matching there is: an exchange of partners never gains any.

    Args:
        first: degrees, in any order.
        second: likewise.
        tolerance_deg: how far partners may be apart.
    """
    reach = tolerance_deg + _ROUNDING_DEG
    one = sorted(range(len(first)), key=first.__getitem__)
    two = sorted(range(len(second)), key=second.__getitem__)
    pairs: list[tuple[int, int]] = []
    left_first: list[int] = []
    left_second: list[int] = []
    i = k = 0
    while i < len(one) and k < len(two):
        apart = first[one[i]] - second[two[k]]
        if abs(apart) <= reach:
            pairs.append((one[i], two[k]))
            i, k = i + 1, k + 1
        elif apart < 0:
            left_first.append(one[i])
            i += 1
        else:
            left_second.append(two[k])
            k += 1
    left_first += one[i:]
    left_second += two[k:]
    return Matching(pairs=tuple(pairs), left_first=tuple(left_first), left_second=tuple(left_second))
