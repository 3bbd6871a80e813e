import gzip
import struct
from pathlib import Path

import pytest

from etdb.em import FEI1_HEADER_BYTES, parse_mrc_header
from etdb.errors import FormatError


def header(order="<", *, n=(8, 6, 4), mode=1, cell=(16.0, 12.0, 8.0), axes=(1, 2, 3), group=1, ext=0, mark=b"MAP "):
    raw = bytearray(1024)
    struct.pack_into(order + "4i", raw, 0, *n, mode)
    struct.pack_into(order + "3i", raw, 28, *n)
    struct.pack_into(order + "3f", raw, 40, *cell)
    struct.pack_into(order + "3i", raw, 64, *axes)
    struct.pack_into(order + "2i", raw, 88, group, ext)
    raw[208:212] = mark
    raw[212:216] = b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0"
    return raw


@pytest.mark.parametrize(("order", "word"), [("<", "little"), (">", "big")])
@pytest.mark.parametrize("stamped", [True, False])
def test_both_byte_orders_with_and_without_the_stamp(order, word, stamped):
    raw = header(order)
    if not stamped:
        raw[208:216] = bytes(8)
    look = parse_mrc_header(bytes(raw))
    assert (look.columns, look.rows, look.sections, look.byte_order) == (8, 6, 4, word)
    assert look.voxel_spacing_angstrom == (2.0, 2.0, 2.0)
    assert look.is_mrc2014 is stamped


def test_a_wrong_stamp_does_not_mislead():
    raw = header("<")
    raw[212:216] = b"\x11\x11\0\0"
    assert parse_mrc_header(bytes(raw)).byte_order == "little"


@pytest.mark.parametrize(
    ("mode", "row_bytes"), [(0, 7), (1, 14), (2, 28), (3, 28), (4, 56), (6, 14), (12, 14), (101, 4), (16, 21)]
)
def test_size_tells_truncation(mode, row_bytes):
    raw = bytes(header(n=(7, 3, 2), mode=mode, ext=160))
    whole = 1024 + 160 + row_bytes * 6
    assert parse_mrc_header(raw).expected_bytes == whole
    assert not parse_mrc_header(raw, whole).is_truncated
    assert parse_mrc_header(raw, whole - 1).is_truncated
    assert parse_mrc_header(raw, whole + 5).surplus_bytes == 5
    assert not parse_mrc_header(raw).is_truncated


@pytest.mark.parametrize("cell", [(8.0, 6.0, 4.0), (0.0, 0.0, 0.0), (float("nan"), 1.0, 1.0), (-8.0, 6.0, 4.0)])
def test_a_spacing_that_nobody_set_is_not_known(cell):
    assert parse_mrc_header(bytes(header(cell=cell))).voxel_spacing_angstrom is None


@pytest.mark.parametrize(
    "wrong",
    [{"n": (0, 1, 1)}, {"n": (1, -1, 1)}, {"n": (1 << 30, 1, 1)}, {"mode": 99}, {"axes": (1, 1, 2)}, {"ext": -1}],
)
def test_no_mrc_is_refused(wrong):
    with pytest.raises(FormatError):
        parse_mrc_header(bytes(header(**wrong)))


def test_short_and_text_are_refused():
    for data in (b"", b"x" * 1023, b"plain text " * 200):
        with pytest.raises(FormatError):
            parse_mrc_header(data)


def fei_file(tilts, pixel_m=3.36e-9):
    raw = header(n=(4, 4, len(tilts)), ext=FEI1_HEADER_BYTES, mark=b"\0\0\0\0")
    raw[224:255] = b"Fei Company (c) Copyright 2003\0"
    extended = bytearray(FEI1_HEADER_BYTES)
    for at, tilt in enumerate(tilts):
        struct.pack_into("<16f", extended, at * 128, tilt, *[0.0] * 10, pixel_m, 115000.0, 300000.0, 1.0, 0.0)
    return bytes(raw + extended)


def test_fei_extended_header():
    look = parse_mrc_header(fei_file([-10.0, 0.0, 10.0]))
    assert (look.extended_type, look.extended_form) == ("", "fei-old")
    assert look.fei.tilt_angles_deg == (-10.0, 0.0, 10.0)
    assert (look.fei.pixel_spacing_angstrom, look.fei.magnification, look.fei.voltage_kv) == (33.6, 115000.0, 300.0)


def test_fei_extended_header_that_makes_no_sense_tells_nothing():
    assert parse_mrc_header(fei_file([float("nan"), 0.0])).fei is None
    assert parse_mrc_header(fei_file([0.0, 1.0], pixel_m=float("inf"))).fei.pixel_spacing_angstrom is None
    assert parse_mrc_header(fei_file([0.0, 1.0])[: 1024 + 200]).fei is None


@pytest.mark.parametrize(
    ("name", "size", "spacing"),
    [
        ("maps/EMD-3197.map", (20, 20, 20), (11.4, 11.4, 11.4)),
        ("maps/EMD-3001.map", (73, 43, 25), (0.4483, 0.3925, 0.4587)),
        ("tiltseries/HAADF_every2nd_fei1.mrc.gz", (256, 256, 39), None),
        ("tiltseries/SerialEM_test_000.mrc.gz", (1024, 1024, 2), (7.88, 7.88, 7.88)),
    ],
)
def test_real_files(name, size, spacing):
    path = Path(__file__).resolve().parents[4] / "shared" / "data" / name
    if not path.exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    look = parse_mrc_header(data, len(data))
    assert ((look.columns, look.rows, look.sections), look.voxel_spacing_angstrom) == (size, spacing)
    assert look.expected_bytes == len(data)
    if look.fei is not None:
        assert (look.fei.tilt_angles_deg[0], look.fei.tilt_angles_deg[-1], look.fei.voltage_kv) == (-76.0, 76.0, 300.0)
