"""Grey levels for microscopy: robust against outliers, empty borders and what is no number. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["Levels", "robust_levels", "spread_indices", "to_grey"]

MAX_SAMPLED_VALUES: Final = 1 << 16
"""Values of one array that are looked at; percentiles of more differ in no grey level that an eye can tell."""
_FILL_SHARE = 0.05
_FILL_DISTINCT = 16
_MIDDLE = 128


class Levels(Struct, frozen=True):
    """What is shown black and what white; equal where there is nothing to tell apart."""

    black: float
    white: float


def spread_indices(count: int, most: int) -> tuple[int, ...]:
    """At most so many of ``count`` planes, evenly spread, ascending, the middle rather than the ends."""
    if count <= most:
        return tuple(range(count))
    return tuple((2 * n + 1) * count // (2 * most) for n in range(most))


def robust_levels(arrays: Sequence[NDArray[Any]], *, low: float = 0.3, high: float = 99.7) -> Levels:
    """Levels for arrays that are shown together: two percentiles of a sample of each.

    Values that are no finite numbers do not count. Neither does one value that takes more than a twentieth of the
    sample while many others occur: what fills the corners of a rotated image, or stands for nothing measured.

    Args:
        arrays: of any shape and type.
        low: the percentile that becomes black.
        high: the percentile that becomes white.
    """
    taken = [_sample(array) for array in arrays]
    values = np.sort(np.concatenate(taken)) if taken else np.empty(0)
    values = _without_fill(values)
    if not len(values):
        return Levels(0.0, 0.0)
    black, white = (float(v) for v in np.percentile(values, [low, high]))
    if black == white:  # nearly everything is one value: show what is not
        black, white = float(values[0]), float(values[-1])
    return Levels(black, white)


def to_grey(values: NDArray[Any], levels: Levels) -> NDArray[np.uint8]:
    """Values as 8-bit grey of the same shape: linear between the levels, black where there is no finite number.

    Where black and white are the same, everything is a middle grey.
    """
    wide = levels.white - levels.black
    if not wide > 0:
        return np.where(np.isfinite(values), np.uint8(_MIDDLE), np.uint8(0))
    # float64 only where float32 could overflow or not tell the levels apart.
    fits = abs(levels.black) < 1e30 and abs(levels.white) < 1e30 and wide > 1e-5 * abs(levels.black) and wide > 1e-30
    scaled: NDArray[Any] = values.astype(np.float32 if fits else np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        np.subtract(scaled, levels.black, out=scaled)
        np.multiply(scaled, 255 / wide, out=scaled)
        np.clip(scaled, 0, 255, out=scaled)
        np.nan_to_num(scaled, copy=False, nan=0.0)
        np.add(scaled, 0.5, out=scaled)
    return scaled.astype(np.uint8)


def _sample(array: NDArray[Any]) -> NDArray[np.float64]:
    flat = array.reshape(-1)
    # A step that shares no factor with the width, so that no column is met again and again.
    step = max(1, len(flat) // MAX_SAMPLED_VALUES) | 1 if len(flat) > MAX_SAMPLED_VALUES else 1
    values = flat[::step].astype(np.float64)
    return values[np.isfinite(values)]


def _without_fill(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else np.empty(0)
    if len(starts) < _FILL_DISTINCT:
        return ordered
    runs = np.diff(np.append(starts, len(ordered)))
    longest = int(runs.argmax())
    if runs[longest] <= _FILL_SHARE * len(ordered):
        return ordered
    start = int(starts[longest])
    return np.delete(ordered, slice(start, start + int(runs[longest])))
