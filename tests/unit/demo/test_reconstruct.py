"""The demo's reconstruction against phantoms whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from etdb.demo.align import align, normalise, shift_between, straighten
from etdb.demo.reconstruct import back_project, reconstruct, sinograms, to_int16

SIZE = 64
ANGLES_DEG = np.arange(-76, 77, 4.0)
ANGLES = np.deg2rad(ANGLES_DEG)
MIDDLE = (SIZE - 1) / 2


def blob_series(blobs, along=None, across=None, turn=0.0, background=0.0):
    """Projections of Gaussian balls at (x, y, z, sigma, mass) from the middle, in the geometry of the demo."""
    count = len(ANGLES)
    along = np.zeros(count) if along is None else along
    across = np.zeros(count) if across is None else across
    y, x = np.mgrid[:SIZE, :SIZE] - MIDDLE
    out = np.full((count, SIZE, SIZE), background)
    for n, (angle, dx, dy) in enumerate(zip(ANGLES, along, across, strict=True)):
        for bx, by, bz, sigma, mass in blobs:
            t = by * np.cos(angle) - bz * np.sin(angle)
            # The turned axis: along it (1, turn), across it (-turn, 1).
            px, py = bx - turn * t + dx, t + turn * bx + dy
            out[n] += mass / (2 * np.pi * sigma**2) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return out


NEEDLE = [(x, 2.0 + 0.05 * x, 3.0 - 0.1 * x, 3.0, 900.0 + 200 * (x % 3)) for x in range(-20, 21, 4)]


def test_a_shift_between_profiles_is_found_to_a_small_part_of_a_sample():
    places = np.arange(100.0)
    first = np.exp(-((places - 40) ** 2) / 30)
    second = np.exp(-((places - 47.3) ** 2) / 30)
    assert shift_between(first, second) == pytest.approx(7.3, abs=0.05)
    assert shift_between(second, first) == pytest.approx(-7.3, abs=0.05)


def test_the_background_is_brought_to_zero():
    images = normalise(blob_series(NEEDLE, background=-3000.0).astype(np.int16))
    assert abs(np.median(images[:, :4])) < 1


def test_known_shifts_and_a_known_turn_of_the_axis_are_found():
    random = np.random.default_rng(7)
    along = random.uniform(-3, 3, len(ANGLES))
    across = random.uniform(-5, 5, len(ANGLES))
    series = blob_series(NEEDLE, along, across, turn=0.04, background=50.0)
    found = align(normalise(series), ANGLES)
    assert found.axis_turn_rad == pytest.approx(0.04, abs=0.004)
    error = found.along - (along + 0.04 * across)
    assert np.std(error) < 0.2
    # What goes as cos and sin is no shift but another place of the specimen: compare without it.
    basis = np.stack([np.cos(ANGLES), -np.sin(ANGLES), np.ones(len(ANGLES))], axis=1)
    left = found.across - across
    left -= basis @ np.linalg.lstsq(basis, left, rcond=None)[0]
    assert np.std(left) < 0.15
    assert found.residual_px < 0.2


def test_a_ball_comes_back_where_it_was_and_not_mirrored():
    series = blob_series([(5, 8, -11, 2.0, 1000.0)]).astype(np.float32)
    lines = sinograms(series, np.zeros(len(ANGLES)), 0.0)
    volume = back_project(lines, ANGLES, SIZE)
    z, y, x = np.unravel_index(int(np.argmax(volume)), volume.shape)
    assert (x - MIDDLE, y - MIDDLE, z - MIDDLE) == pytest.approx((5, 8, -11), abs=0.6)
    mirrored = volume[int(MIDDLE + 11), y, x]
    assert mirrored < 0.1 * volume[z, y, x]


def test_density_keeps_its_scale():
    series = blob_series([(0, 0, 0, 4.0, 1000.0)]).astype(np.float32)
    dense = np.deg2rad(np.arange(-90, 90, 4.0))
    series = np.repeat(series[:1], len(dense), axis=0)  # a ball in the middle looks the same from everywhere
    volume = back_project(sinograms(series, np.zeros(len(dense)), 0.0), dense, SIZE)
    expected = 1000.0 / ((2 * np.pi) ** 1.5 * 4.0**3)
    assert volume[31:33, 31:33, 31:33].mean() == pytest.approx(expected, rel=0.06)


def test_one_worker_and_two_give_the_same_bytes():
    lines = sinograms(blob_series(NEEDLE).astype(np.float32), np.zeros(len(ANGLES)), 0.0)
    one, two = (back_project(lines, ANGLES, SIZE, workers=n) for n in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_a_raw_series_becomes_a_sharp_tomogram():
    random = np.random.default_rng(3)
    across = random.uniform(-6, 6, len(ANGLES))
    series = blob_series(NEEDLE, across=across, background=-500.0).astype(np.int16)
    moved = reconstruct(series, ANGLES_DEG).volume
    still = back_project(sinograms(blob_series(NEEDLE).astype(np.float32), np.zeros(len(ANGLES)), 0.0), ANGLES, SIZE)
    assert moved.max() > 0.85 * still.max()
    blurred = back_project(sinograms(normalise(series), np.zeros(len(ANGLES)), 0.0), ANGLES, SIZE)
    assert blurred.max() < 0.75 * still.max()


def test_straight_images_stay_as_they_are():
    series = blob_series(NEEDLE).astype(np.float32)
    assert np.array_equal(straighten(series, np.zeros(len(series)), 0.0), series)


def test_whole_numbers_keep_the_contrast():
    values, factor = to_int16(np.array([[[-1.0, 0.5, 2.0]]], dtype=np.float32))
    assert values.ravel().tolist() == [-16000, 8000, 32000]
    assert factor == pytest.approx(16000)
    assert to_int16(np.zeros((1, 1, 1), np.float32))[1] == 1.0
