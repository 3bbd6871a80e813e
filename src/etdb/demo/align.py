"""Alignment of a single-axis tilt series without markers: what a tomogram needs before it can be reconstructed.

Geometry, used by every module of the demo. A projection is an array ``(y, x)``; the tilt axis runs along x, that is
along the rows of an image. A point ``(y, z)`` of the specimen, measured from the axis, is seen at tilt ``a`` at

    t = y cos(a) - z sin(a)

which is a right-handed turn of the specimen by ``a`` about +x. Whether the microscope turned it this way or the other
cannot be told from the images: with the other sign the tomogram is its own mirror image in z.

Two facts of a parallel projection give the alignment (Penczek, Marko, Buttle, Frank, Ultramicroscopy 60, 1995, and
others). The mass of each plane across the axis does not depend on the tilt, so the profiles of mass along the axis
show the shift along it. The centre of mass of each plane moves as ``a cos + b sin``, so what does not fit is the shift
across the axis, and a part that grows along x is the turn of the axis in the image.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alignment", "Floats", "align", "normalise", "shift_between", "straighten"]

Floats = NDArray[np.float32]
_EDGE_ROWS = 8  # rows at either side of an image that show no specimen
_ROUNDS = 3
_HALF_STEPS = 30
_MASS_FRACTION = 0.05  # planes with less of the largest mass say little about a centre of mass


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alignment:
    """Where each projection lies; lengths in pixels, one value a projection.

    Attributes:
        along: how far each image is shifted along the tilt axis (+x).
        across: where the tilt axis is in each image, from the middle of the columns (+y).
        axis_turn_rad: the turn of the tilt axis in the image: it rises by this many pixels in y for one in x.
        residual_px: root mean square of what the centres of mass leave unexplained; a measure of quality.
    """

    along: NDArray[np.float64]
    across: NDArray[np.float64]
    axis_turn_rad: float
    residual_px: float


def normalise(stack: NDArray[np.generic]) -> Floats:
    """Projections as mass: the empty background of each at zero.

    Args:
        stack: projections ``(n, y, x)``; the outermost rows show no specimen.
    """
    images = stack.astype(np.float32)
    edges = np.concatenate([images[:, :_EDGE_ROWS], images[:, -_EDGE_ROWS:]], axis=1)
    images -= np.median(edges, axis=(1, 2), keepdims=True)
    return images


def shift_between(reference: NDArray[np.floating], moved: NDArray[np.floating]) -> float:
    """How far ``moved`` is shifted against ``reference``, by cross-correlation, to a small part of a sample.

    The peak is refined by the parabola through its neighbours. Both are profiles of one length that end at zero.
    """
    size = len(reference)
    spectrum = np.fft.rfft(moved, 2 * size) * np.conj(np.fft.rfft(reference, 2 * size))
    correlation = np.fft.irfft(spectrum, 2 * size)
    peak = int(np.argmax(correlation))
    before, top, after = (float(correlation[(peak + step) % (2 * size)]) for step in (-1, 0, 1))
    curvature = before - 2 * top + after
    fraction = 0.0 if curvature == 0 else 0.5 * (before - after) / curvature
    return (peak if peak < size else peak - 2 * size) + fraction


def align(images: Floats, angles_rad: NDArray[np.floating]) -> Alignment:
    """The alignment of a normalised tilt series.

    Neighbours in tilt order are correlated first and their shifts summed up, so that a drift of any size is followed;
    then each profile is correlated with the mean of all, which takes the summed-up errors out again. The turn of the
    axis mixes neighbouring planes, so the whole is repeated with the turn that was found.
    """
    angles = np.asarray(angles_rad, dtype=np.float64)
    along, across = np.zeros(len(images)), np.zeros(len(images))
    turn = residual = 0.0
    for _ in range(_ROUNDS):
        straight = straighten(images, np.zeros(len(images)), turn)
        along = _shifts_along(straight.sum(axis=1, dtype=np.float64))
        across, turn, residual = _axis(straight, along, angles)
    return Alignment(along=along, across=across, axis_turn_rad=turn, residual_px=residual)


def straighten(images: Floats, along: NDArray[np.float64], turn: float) -> Floats:
    """Images whose columns are planes across the tilt axis, and in which the axis has one x for one place.

    Column ``u`` of the result holds, in row ``y``, what the image shows at ``u - turn y + along``: half of a turn, the
    half along x. The other half, a shift of every column in y, is left to :func:`etdb.demo.reconstruct.sinograms`.
    Cubic interpolation (Catmull-Rom); beyond the border the border is repeated.
    """
    _, height, width = images.shape
    rows = np.arange(height) - (height - 1) / 2
    out = np.empty_like(images)
    columns = np.arange(width)
    line = np.arange(height)[:, None]
    for image, shift, target in zip(images, along, out, strict=True):
        place = shift - turn * rows
        whole = np.floor(place).astype(np.intp)
        part = (place - whole).astype(np.float32)[:, None]
        weights = (
            part * (-0.5 + part * (1.0 - 0.5 * part)),
            1.0 + part * part * (1.5 * part - 2.5),
            part * (0.5 + part * (2.0 - 1.5 * part)),
            part * part * (0.5 * part - 0.5),
        )
        target[:] = sum(
            weight * image[line, np.clip(columns + whole[:, None] + step, 0, width - 1)]
            for step, weight in zip((-1, 0, 1, 2), weights, strict=True)
        )
    return out


def _shifts_along(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    # Differences of the profile, because the specimen may run out of the image and leave a step at the border.
    edges = np.diff(mass, axis=1) * np.hanning(mass.shape[1] + 1)[1:-1]
    steps = [shift_between(first, second) for first, second in pairwise(edges)]
    shifts = np.concatenate([[0.0], np.cumsum(steps)])
    shifts -= shifts.mean()
    for _ in range(_ROUNDS):
        mean = _moved(edges, shifts).mean(axis=0)
        shifts = np.array([shift_between(mean, row) for row in edges])
        shifts -= shifts.mean()
    return shifts


def _moved(rows: NDArray[np.float64], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.arange(rows.shape[1], dtype=np.float64)
    return np.array([np.interp(places + shift, places, row) for shift, row in zip(shifts, rows, strict=True)])


def _axis(
    images: Floats, along: NDArray[np.float64], angles: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Shifts across the axis, the turn of the axis, and the residual, from the centres of mass of the planes."""
    _, height, width = images.shape
    rows = (np.arange(height) - (height - 1) / 2).astype(np.float32)
    mass = _moved(images.sum(axis=1, dtype=np.float64), along)
    moment = _moved(np.einsum("nyx,y->nx", images, rows, dtype=np.float64), along)
    margin = int(np.ceil(np.abs(along).max()))
    heavy = mass.min(axis=0) > _MASS_FRACTION * mass.max()
    heavy[:margin] = False
    heavy[width - margin :] = False
    x = np.flatnonzero(heavy) - (width - 1) / 2
    centres = moment[:, heavy] / mass[:, heavy]
    # centre(n, x) = across(n) + turn x + a(x) cos(n) - b(x) sin(n): linear; its halves are solved by turns.
    basis = np.stack([np.cos(angles), -np.sin(angles), np.ones(len(angles))], axis=1)
    solve = np.linalg.pinv(basis)
    across = np.zeros(len(angles))
    turn = 0.0
    left = centres
    for _ in range(_HALF_STEPS):
        path = solve @ (centres - across[:, None])
        turn = float(np.polyfit(x, path[2], 1)[0])
        left = centres - basis[:, :2] @ path[:2] - turn * x
        across = left.mean(axis=1)
        # A shift that itself goes as cos and sin is the same as another place of the specimen: leave it to the place.
        across -= basis[:, :2] @ (solve @ across)[:2]
    return across, turn, float(np.sqrt(np.mean((left - across[:, None]) ** 2)))
