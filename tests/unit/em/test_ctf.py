"""CTF estimates of CTFFIND and IMOD: what their programs write, and what they do not."""

import pytest

from etdb.em import CtfSection, is_ctffind, parse_ctffind, parse_defocus
from etdb.errors import FormatError

# As CTFFIND 4.1 wrote it; names and numbers are ours.
CTFFIND = b"""\
# Output from CTFFind version 4.1.14, run on 2021-10-09 15:12:45
# Input file: TS_01.mrc ; Number of micrographs: 2
# Pixel size: 1.350 Angstroms ; acceleration voltage: 300.0 keV ; spherical aberration: 2.70 mm ; amplitude \
contrast: 0.07
# Box size: 512 pixels ; min. res.: 30.0 Angstroms ; max. res.: 5.0 Angstroms ; min. def.: 5000.0 um; \
max. def. 50000.0 um
# Columns: #1 - micrograph number; #2 - defocus 1 [Angstroms]; #3 - defocus 2; #4 - azimuth of astigmatism; \
#5 - additional phase shift [radians]; #6 - cross correlation; #7 - spacing (in Angstroms) up to which CTF rings were \
fit successfully
1.000000 10295.926758 10012.275391 -38.856349 1.570796 0.030650 5.279412
2.000000 10310.000000 10011.000000 78.283111 0.000000 0.010000 inf
"""
# As it stands beside the table, with the same first line.
SPECTRA = (
    b"# Output from CTFFind version 4.1.14, run on now\n# 6 lines per micrograph: #1 - spatial frequency\n0 0.1 0.2\n"
)


def test_a_table_of_ctffind():
    look = parse_ctffind(CTFFIND)
    assert (look.form, look.announced, look.pixel_spacing_angstrom) == ("ctffind", 2, 1.35)
    first, second = look.sections
    assert (first.first, first.last, first.defocus_angstrom, first.azimuth_deg) == (1, 1, 10295.926758, -38.856349)
    assert first.phase_shift_deg == pytest.approx(90, abs=1e-4)
    assert first.resolution_angstrom == 5.279412
    assert second.resolution_angstrom is None, "no ring was fitted"


def test_version_5_has_three_columns_more():
    longer = CTFFIND.replace(b" 5.279412\n", b" 5.279412 85.3 30.0 1200.0\n").replace(b" inf\n", b" inf 85.3 0 0\n")
    assert parse_ctffind(longer) == parse_ctffind(CTFFIND)


def test_averaged_spectra_and_other_texts_are_none():
    assert not is_ctffind(SPECTRA)
    assert not is_ctffind(b"micrograph number 1\n")
    with pytest.raises(FormatError, match="not a table of CTFFIND"):
        parse_ctffind(SPECTRA)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b"1\t1\t-60.0\t-60.0\t3000\t2\n2 4 -58 -54 3010\n",
            [(1, 1, 30000, None, None, None), (2, 4, 30100, None, None, None)],
        ),
        (b"1 1 -60 -60 3000\n", [(1, 1, 30000, None, None, None)]),
        (b"1 0 0. 0. 0 3\n1 1 -60 -60 3000 2900 -30.5\n", [(1, 1, 30000, 29000, -30.5, None)]),
        (b"4 0 0. 0. 0 3\n1 1 -60 -60 3000 85\n", [(1, 1, 30000, None, None, 85)]),
        (b"5 0 0. 0. 0 3\n1 1 -60 -60 3000 2900 -30 85\n", [(1, 1, 30000, 29000, -30, 85)]),
        (b"37 0 0. 0. 0 3\n1 1 -60 -60 3000 2900 -30 85 0.02\n", [(1, 1, 30000, 29000, -30, 85)]),
        (b"15 0 0 0 0 3\n1 1 0 0 3000 2900 -3.1415926535 1.57079632\n", [(1, 1, 30000, 29000, -180, 90)]),
    ],
)
def test_each_version_of_imod(data, expected):
    fields = ("first", "last", "defocus_angstrom", "second_defocus_angstrom", "azimuth_deg", "phase_shift_deg")
    for found, numbers in zip(parse_defocus(data).sections, expected, strict=True):
        assert isinstance(found, CtfSection)
        assert tuple(getattr(found, name) for name in fields) == pytest.approx(
            (*numbers, None, None, None)[:6], abs=1e-5
        )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no estimate"),
        (b"1 0 0. 0. 0 3\n", "no defocus"),
        (b"1 0 0. 0. 0 3\n1 1 -60 -60 3000\n", "the 7 numbers"),
        (b"1 1 -60 -60 3000 2\n2 2 -58 -58\n", "line 2"),
        (b"1 1 -60 -60 three\n", "not a line of numbers"),
        (b"1.5 2 0 0 3000\n", "number of a section"),
        (b"1 1 0 0 3000\n" * 20_002, "more than"),
        (b" " * (1 << 23), "above"),
    ],
)
def test_what_is_no_defocus_file(data, why):
    with pytest.raises(FormatError, match=why):
        parse_defocus(data)


@pytest.mark.parametrize("line", [b"1 2 3 4 5 6\n", b"nan 1 1 1 1 1 1\n", b"1 2 x 4 5 6 7\n"])
def test_a_damaged_line_of_ctffind(line):
    with pytest.raises(FormatError, match="line 6"):
        parse_ctffind(CTFFIND[: CTFFIND.index(b"1.000000 1029")] + line)
