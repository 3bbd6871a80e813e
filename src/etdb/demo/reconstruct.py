"""Filtered back-projection of a single-axis tilt series, all planes at once, in numpy alone.

A plane across the tilt axis is reconstructed from one line of each projection: the lines are weighted with a ramp in
frequency that ends softly and smeared back along the directions in which they were seen. All planes have the same
geometry, so one table of places serves them all: the innermost axis of every array is x, and a place of the table moves
a whole line of planes. Lines are made eight times denser in the Fourier domain first, so that the nearest sample is as
good as an interpolated one (an error of a sixteenth of a pixel at the most).

The geometry is that of :mod:`etdb.demo.align`; volumes are ``(z, y, x)``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from etdb.demo.align import Alignment, Floats, align, normalise, straighten

__all__ = ["Reconstruction", "back_project", "reconstruct", "sinograms", "to_int16"]

_DENSER = 8
_TILE = 32  # 32 x 32 places x 256 planes x 4 bytes = 1 MiB: stays in a core's cache for all angles


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A tomogram and how it came about.

    Attributes:
        volume: ``(z, y, x)``, float32, mass a voxel in the units of the projections.
        alignment: what the series was aligned by.
    """

    volume: Floats
    alignment: Alignment


def reconstruct(
    stack: NDArray[np.generic],
    angles_deg: NDArray[np.floating],
    *,
    workers: int = 2,
    progress: Callable[[float], None] | None = None,
) -> Reconstruction:
    """A tomogram from a raw tilt series whose tilt axis lies along the rows of its images.

    Args:
        stack: projections ``(n, y, x)``.
        angles_deg: the tilt of each.
        workers: threads; the arithmetic runs outside of Python's lock.
        progress: is told the part that is done, 0 to 1.
    """
    angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64))
    images = normalise(stack)
    alignment = align(images, angles)
    straight = straighten(images, alignment.along, alignment.axis_turn_rad)
    lines = sinograms(straight, alignment.across, alignment.axis_turn_rad)
    size = stack.shape[1]
    volume = back_project(lines, angles, size, workers=workers, progress=progress)
    return Reconstruction(volume=volume, alignment=alignment)


def sinograms(images: Floats, across: NDArray[np.float64], turn: float) -> Floats:
    """Ramp-weighted lines ``(n, t, x)``, eight samples a pixel, with the tilt axis in the middle.

    The shift of each column onto the axis is a phase in the Fourier domain, exact for a specimen that ends within the
    image. The middle, sample ``count // 2``, is the axis.
    """
    number, height, width = images.shape
    padded = 2 * height
    frequency = np.fft.rfftfreq(padded)
    window = _ramp(padded) * np.sinc(frequency)
    window *= 0.5 * (1 + np.cos(2 * np.pi * np.clip(frequency - 0.25, 0, 0.25) * 2))  # soft end, in place of noise
    middle = (height - 1) / 2
    columns = turn * (np.arange(width) - (width - 1) / 2)
    out = np.empty((number, height * _DENSER, width), dtype=np.float32)
    angular = 2j * np.pi * frequency
    for image, shift, target in zip(images, across, out, strict=True):
        # The image's sample of the axis comes to sample height / 2.
        places = middle + shift + columns - height / 2
        phase = np.exp(angular * places[:, None]).astype(np.complex64) * window.astype(np.float32)
        spectrum = np.fft.rfft(np.ascontiguousarray(image.T), padded, axis=1) * phase
        dense = np.fft.irfft(spectrum, padded * _DENSER, axis=1)[:, : height * _DENSER]
        np.multiply(dense.T, _DENSER, out=target)
    return out


def _ramp(size: int) -> NDArray[np.float64]:
    """The ramp ``|f|`` as the transform of its band-limited kernel (Kak and Slaney, 3.3): keeps the mean right."""
    kernel = np.zeros(size)
    kernel[0] = 0.25
    odd = np.arange(1, size // 2 + 1, 2)
    kernel[odd] = kernel[-odd] = -1 / (np.pi * odd) ** 2
    return np.fft.rfft(kernel).real


def back_project(
    lines: Floats,
    angles_rad: NDArray[np.floating],
    size: int,
    *,
    workers: int = 2,
    progress: Callable[[float], None] | None = None,
) -> Floats:
    """Smear dense lines ``(n, t, x)`` back over ``size x size`` places: a volume ``(z, y, x)``.

    Each angle counts by the part of the half circle that it stands for.
    """
    angles = np.asarray(angles_rad, dtype=np.float64)
    number, samples, width = lines.shape
    weights = np.abs(np.gradient(angles)).astype(np.float32) if number > 1 else np.full(1, math.pi, np.float32)
    volume = np.zeros((size, size, width), dtype=np.float32)
    place = np.arange(size) - (size - 1) / 2
    tiles = [(z, y) for z in range(0, size, _TILE) for y in range(0, size, _TILE)]
    done = [0]
    weighted = lines * weights[:, None, None]

    def work(corner: tuple[int, int]) -> None:
        z, y = place[corner[0] : corner[0] + _TILE, None], place[None, corner[1] : corner[1] + _TILE]
        total = np.zeros((z.size * y.size, width), dtype=np.float32)
        taken = np.empty_like(total)
        for line, angle in zip(weighted, angles, strict=True):
            t = (y * math.cos(angle) - z * math.sin(angle)) * _DENSER + samples / 2
            index = np.rint(t).astype(np.intp).ravel()
            np.take(line, index, axis=0, out=taken, mode="clip")
            np.add(total, taken, out=total)
        volume[corner[0] : corner[0] + _TILE, corner[1] : corner[1] + _TILE] = total.reshape(z.size, y.size, width)
        done[0] += 1
        if progress is not None:
            progress(done[0] / len(tiles))

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, tiles))
    return volume


def to_int16(volume: Floats) -> tuple[NDArray[np.int16], float]:
    """The volume in whole numbers, and the factor that was applied: the largest magnitude becomes 32,000."""
    top = float(np.abs(volume).max())
    factor = 32000 / top if top > 0 else 1.0
    return np.rint(volume * np.float32(factor)).astype("<i2"), factor
