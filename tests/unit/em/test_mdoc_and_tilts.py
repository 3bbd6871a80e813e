import datetime as dt

import pytest

from etdb.em import MAX_MDOC_BYTES, MAX_TILTS, parse_mdoc, parse_tilt_file, tilt_range
from etdb.errors import FormatError


def mdoc(angles, dose=2.5, extra="", titles="[T = SerialEM: A Krios   30-Nov-15  15:14:20    ]"):
    sections = "".join(
        f"[ZValue = {i}]\r\nTiltAngle = {a}\r\nExposureDose = {dose}\r\nMagnification = 53000\r\nPixelSpacing = 5.4\r\n"
        f"DateTime = 30-Nov-15  15:21:38\r\n{extra}\r\n"
        for i, a in enumerate(angles)
    )
    return f"PixelSpacing = 5.4\r\nVoltage = 300\r\nImageFile = a.mrc\r\n\r\n{titles}\r\n\r\n{sections}".encode()


def test_what_the_sections_agree_on():
    look = parse_mdoc(mdoc([0.001, 3.0, -3.0]))
    assert (look.pixel_spacing_angstrom, look.voltage_kv, look.magnification) == (5.4, 300.0, 53000.0)
    assert (look.tilt_angles_deg, look.dose_e_per_a2) == ((0.001, 3.0, -3.0), 7.5)
    assert (look.acquired_on, look.software, look.image_file) == (dt.date(2015, 11, 30), "SerialEM", "a.mrc")


def test_disagreement_and_absence_are_not_guessed():
    look = parse_mdoc(mdoc([0, 1], dose=0) + b"[ZValue = 2]\nMagnification = 6000\nPixelSpacing = nan\n")
    assert (look.magnification, look.pixel_spacing_angstrom, look.dose_e_per_a2) == (None, None, None)
    assert look.tilt_angles_deg == ()


def test_a_montage_is_no_tilt_series():
    look = parse_mdoc(mdoc([0, 1], extra="PieceCoordinates = 0 0 0"))
    assert look.is_montage
    assert look.tilt_angles_deg == ()


@pytest.mark.parametrize("day", ["99-Nov-15", "30-Foo-15", "31-Feb-2015"])
def test_dates_that_do_not_exist(day):
    data = f"[ZValue = 0]\nDateTime = {day} 10:00:00\n".encode()
    assert parse_mdoc(data).acquired_on is None


@pytest.mark.parametrize("data", [b"", b"hello\nworld = 3\n", bytes(range(256)), b"#" * (MAX_MDOC_BYTES + 1)])
def test_no_mdoc_is_refused(data):
    with pytest.raises(FormatError):
        parse_mdoc(data)


def test_tilt_files():
    assert parse_tilt_file(b" -76.00\r\n\r\n 0\n.5\n1e1") == (-76.0, 0.0, 0.5, 10.0)


@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n", b"1 2\n", b"nan\n", b"inf", b"200\n", b"1_0\n", b"\xff\n", b"1\n" * (MAX_TILTS + 1), b"1" * 2**21],
)
def test_no_tilt_file_is_refused(data):
    with pytest.raises(FormatError):
        parse_tilt_file(data)


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ([-60.003, -57, -54.01], (-60.0, -54.01, 3.0, True)),
        ([0.001, 3.0, -2.999, 6.0, 0.003], (-3.0, 6.0, 3.0, True)),  # both ways from zero, zero taken twice
        ([-10, 0, 1], (-10.0, 1.0, None, False)),
    ],
)
def test_tilt_range(angles, expected):
    found = tilt_range(angles)
    assert (found.min_deg, found.max_deg, found.step_deg, found.constant_increment) == pytest.approx(
        expected, abs=0.006
    )


@pytest.mark.parametrize("angles", [[], [1.0], [1.0, 1.01], [float("nan"), 1.0]])
def test_one_angle_is_no_range(angles):
    assert tilt_range(angles) is None
