import datetime as dt

import pytest
from tests.unit.em.real import real

from etdb.em import parse_acquisition_log, parse_tilt_angles, parse_transforms, read_note
from etdb.errors import FormatError


def test_real_transforms():
    data = real("imod/yaiw_xf_file.xf").read_bytes()
    found = parse_transforms(data, ".xf")
    expected = [[float(word) for word in line.split()] for line in data.decode().splitlines()]
    assert len(found.per_section) == 41
    assert [[t.a11, t.a12, t.a21, t.a22, t.dx, t.dy] for t in found.per_section] == expected
    assert (found.is_coarse, found.is_global) == (False, False)
    assert found.per_section[0].rotation_deg == pytest.approx(-85.08, abs=0.01)
    assert found.per_section[0].scale == pytest.approx(1.0, abs=1e-4)


def test_the_name_says_what_transforms_are_for():
    line = b"1 0 0 1 0 0\n"
    assert [
        (parse_transforms(line, s).is_coarse, parse_transforms(line, s).is_global)
        for s in (".xf", ".xg", ".prexf", ".PREXG")
    ] == [(False, False), (False, True), (True, False), (True, True)]
    assert [parse_tilt_angles(b"1\n", s).kind for s in (".rawtlt", ".TLT", ".xtilt")] == ["raw", "refined", "x-axis"]


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\n", b"1 0 0 1 0\n", b"1 0 0 1 0 0 0\n", b"1 0 0 1 0 nan\n", b"1 0 0 1 0 1e300\n"),
        *(b"1 0 0 1 0 x\n", b"1 0 0 1 0 0\n" * 10_001, b"1" * 2**21),
    ],
)
def test_no_transforms_are_refused(data):
    with pytest.raises(FormatError):
        parse_transforms(data, ".xf")


def test_a_real_log():
    look = parse_acquisition_log(real("tiltseries/HAADF.txt").read_bytes())
    tilts = parse_tilt_angles(real("tiltseries/HAADF.rawtlt").read_bytes(), ".rawtlt").angles_deg
    assert (look.tilt_min_deg, look.tilt_max_deg) == (min(tilts), max(tilts))
    assert (look.tilt_start_deg, look.tilt_step_deg) == (tilts[0], tilts[1] - tilts[0])
    assert look.pixel_spacing_angstrom == pytest.approx(33.6)
    assert (look.magnification, look.exposure_s, look.binning) == (115000.0, 10.0, 1.0)
    assert (look.defocus_um, look.tilt_axis_deg, look.image_size) == (0.0, 90.0, (256, 256))
    assert (look.is_stem, look.voltage_kv) == (True, None)
    assert look.started_at == dt.datetime(2011, 11, 18, 10, 36, 43)
    assert look.scheme.startswith("Tiltscheme starts at high angle")
    assert look.values["Sample Geometry"] == "rod"


def log(*lines):
    return "\n".join(("Used parameters", "Relaxation Time [s]: 2", *lines)).encode("latin-1")


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("Image pixel size [pm]: 336", "pixel_spacing_angstrom", 3.36),
        ("Image pixel size [furlong]: 3", "pixel_spacing_angstrom", None),
        ("Image pixel size [nm]: much", "pixel_spacing_angstrom", None),
        ("High tension [V]: 300000", "voltage_kv", 300.0),
        ("13/02/20 10:00:00  x", "started_at", dt.datetime(2020, 2, 13, 10, 0)),
        ("02/13/2020 10:00:00 PM  x", "started_at", dt.datetime(2020, 2, 13, 22, 0)),
        ("31/31/20 10:00:00  x", "started_at", None),
        ("Applied Defocus [\xb5m]: -6,5", "defocus_um", -6.5),
    ],
)
def test_lines_of_a_log(line, field, value):
    found = getattr(parse_acquisition_log(log(line)), field)
    assert found == (pytest.approx(value) if isinstance(value, float) else value)


def test_a_text_that_is_no_log():
    for data in (b"", b"tilt scheme of my choice\n", b"#" * ((8 << 20) + 1)):
        with pytest.raises(FormatError):
            parse_acquisition_log(data)


PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 12 >>\nendobj\n"


@pytest.mark.parametrize(
    ("data", "lines", "pages"),
    [
        (b"\xef\xbb\xbfFirst\n\n  second \r\nthird", ("First", "second", "third"), None),
        ("µm".encode("latin-1"), ("µm",), None),
        ("Grüße\n".encode("utf-16"), ("Grüße",), None),
        (b"a\n" * 50, ("a",) * 12, None),
        (("é" * 300).encode(), ("é" * 200,), None),
        (PDF, (), 12),
        (b"%PDF-1.7\npacked", (), None),
    ],
)
def test_notes(data, lines, pages):
    look = read_note(data)
    assert (look.first_lines, look.pages) == (lines, pages)
    assert look.form == ("pdf" if data.startswith(b"%PDF") else "text")


def test_a_letter_cut_in_two_is_no_other_encoding():
    data = ("é" * 100_000).encode()
    assert read_note(data).first_lines == ("é" * 200,)


def test_no_text_is_refused():
    with pytest.raises(FormatError):
        read_note(bytes(range(256)))
