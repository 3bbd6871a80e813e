"""Dialects that no library writes for us: bytes with and without a sign, SerialEM, Agard, old FEI in micrometres."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.em import parse_mrc_header, read_mrc

IMOD = 1146047817


def header(order="<", *, n=(8, 6, 4), mode=1, ext=0, kind=b"", mark=b"MAP ", ints=(0, 0), span=(0, 0), imod=None):
    raw = bytearray(1024)
    struct.pack_into(order + "4i", raw, 0, *n, mode)
    struct.pack_into(order + "3i3f", raw, 28, *n, *(2.0 * size for size in n))
    struct.pack_into(order + "3i", raw, 64, 1, 2, 3)
    struct.pack_into(order + "2f", raw, 76, *span)
    struct.pack_into(order + "i", raw, 92, ext)
    raw[104 : 104 + len(kind)] = kind
    struct.pack_into(order + "2h", raw, 128, *ints)
    if imod is not None:
        struct.pack_into(order + "2i", raw, 152, IMOD, imod)
    raw[208:212] = mark
    return bytes(raw)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"imod": 1}, ("int8", "imod-flag")),
        ({"imod": 0, "span": (-5, 5)}, ("uint8", "imod-flag")),
        ({"span": (-100, 90)}, ("int8", "statistics")),
        ({"span": (3, 250)}, ("uint8", "statistics")),
        ({"span": (3, 90)}, ("int8", "assumed")),
        ({"span": (3, 90), "mark": b"\0\0\0\0"}, ("uint8", "assumed")),
        ({"span": (0, -1)}, ("int8", "assumed")),  # "not determined"
        ({"span": (math.nan, math.nan)}, ("int8", "assumed")),
    ],
)
@pytest.mark.parametrize("order", "<>")
def test_bytes_with_and_without_a_sign(given_, expected, order):
    look = parse_mrc_header(header(order, mode=0, **given_))
    assert (look.data_type, look.signedness) == expected


@pytest.mark.parametrize("order", "<>")
def test_where_both_orders_make_sense_the_size_decides(order):
    raw = bytearray(header(order, n=(256, 512, 2), mode=0, mark=b"\0\0\0\0"))
    raw[64:76] = bytes(12)  # nor axes
    look = parse_mrc_header(bytes(raw), 1024 + 256 * 512 * 2)
    assert (look.columns, look.rows, look.sections) == (256, 512, 2)
    assert (parse_mrc_header(bytes(raw)).columns, look.stamp_state) == (256, "absent")


def test_the_stamp_as_it_was_found():
    for stamp, state in ((b"DD\0\0", "right"), (b"DA\0\0", "right"), (b"\x11\x11\0\0", "wrong"), (bytes(4), "absent")):
        raw = bytearray(header())
        raw[212:216] = stamp
        look = parse_mrc_header(bytes(raw))
        assert (look.stamp, look.stamp_state, look.byte_order) == (stamp, state, "little")


def serialem_real(value):
    """The two shorts of a real, by IMOD's description, made backwards."""
    mantissa, exponent = math.frexp(abs(value))
    whole, exponent = round(mantissa * 2**23), exponent - 23
    low, rest = divmod(whole, 256)
    high = abs(exponent) * 256 + rest
    return (low if value >= 0 else -low), (high if exponent >= 0 else -high)


@given(
    st.sampled_from("<>"),
    st.integers(1, 2047),
    st.lists(st.tuples(st.integers(-9000, 9000), st.floats(0.01, 500)), min_size=1, max_size=5),
    st.booleans(),
)
def test_serialem_whatever_its_mask(order, mask, sections, named):
    lengths = {1: 2, 2: 6, 4: 4, 8: 2, 16: 2, 32: 4, 64: 2, 128: 4, 256: 2, 512: 4, 1024: 2}
    size = sum(length for bit, length in lengths.items() if mask & bit)
    extended = b""
    for tilt, dose in sections:
        values = {1: (tilt,), 2: (1, 2, 3), 4: (250, -50), 8: (640,), 32: serialem_real(dose)}
        for bit, length in lengths.items():
            if mask & bit:
                extended += struct.pack(f"{order}{length // 2}h", *values.get(bit, (7,) * (length // 2)))
    raw = header(order, n=(4, 4, len(sections)), ext=len(extended), kind=b"SERI" * named, ints=(size, mask))
    look = parse_mrc_header(raw + extended)
    assert look.extended_form == "serialem"
    assert len(look.per_section) == (len(sections) if mask & (1 | 4 | 8 | 32) else 0)
    for found, (tilt, dose) in zip(look.per_section, sections, strict=False):
        assert found.tilt_deg == (tilt / 100 if mask & 1 else None)
        assert (found.stage_x_um, found.stage_y_um) == ((10.0, -2.0) if mask & 4 else (None, None))
        assert found.magnification == (64000.0 if mask & 8 else None)
        assert found.dose_e_per_a2 == (pytest.approx(dose, rel=1e-6) if mask & 32 else None)
    cut = parse_mrc_header(raw + extended[:-1])
    assert cut.per_section == ()


def test_a_mask_that_does_not_add_up_is_no_serialem():
    assert parse_mrc_header(header(ext=400, ints=(15, 61)) + bytes(400)).extended_form != "serialem"
    assert parse_mrc_header(header(ext=400, ints=(14, 61)) + bytes(400)).extended_form == "serialem"


def agard(tilts, ints=2, reals=3, kind=b"AGAR"):
    extended = b"".join(struct.pack(f"<{ints}i{reals}f", *[9] * ints, tilt, *[1.0] * (reals - 1)) for tilt in tilts)
    return header(n=(4, 4, len(tilts)), ext=len(extended), kind=kind, ints=(ints, reals)) + extended


def test_agard_and_what_only_looks_like_it():
    look = parse_mrc_header(agard([-2.0, 0.0, 2.0]))
    assert (look.extended_form, [s.tilt_deg for s in look.per_section]) == ("agard", [-2.0, 0.0, 2.0])
    assert [s.tilt_deg for s in parse_mrc_header(agard([-2.0, 0.0, 2.0], kind=b"")).per_section] == [-2.0, 0.0, 2.0]
    for tilts in ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [5.0, 900.0], [math.nan, 1.0]):
        assert parse_mrc_header(agard(tilts)).per_section == ()


def old_fei(records):
    raw = bytearray(header(n=(4, 4, len(records)), ext=131072, mark=b"\0\0\0\0", ints=(0, 32)))
    extended = bytearray(131072)
    for at, record in enumerate(records):
        struct.pack_into("<16f", extended, 128 * at, *record)
    return bytes(raw + extended)


@pytest.mark.parametrize("unit", [1.0, 1e-6])
def test_old_fei_in_metres_and_in_micrometres(unit):
    records = [
        (tilt, 0, -150 * unit, 20 * unit, 3 * unit, 0, 0, -8 * unit, 1, 9, 84, 5e-10, 2e4, 2e5, 1, 0)
        for tilt in (-1.0, 0.0, 1.0)
    ]
    look = parse_mrc_header(old_fei(records))
    one = look.per_section[1]
    assert (one.stage_x_um, one.stage_y_um, one.stage_z_um) == pytest.approx((-150, 20, 3), rel=1e-6)
    assert one.defocus_um == pytest.approx(-8, rel=1e-6)
    assert (one.tilt_axis_deg, one.pixel_spacing_angstrom, one.voltage_kv, one.exposure_s) == (84.0, 5.0, 200.0, 1.0)


@pytest.mark.parametrize(
    ("size", "form"), [(768, "fei1"), (888, "fei2"), (1000, "fei2"), (767, "unknown"), (-1, "unknown")]
)
def test_blocks_of_fei_say_how_long_they_are(size, form):
    blocks = b""
    for tilt in (-3.0, 3.0):
        block = bytearray(max(size, 888))
        struct.pack_into("<iI", block, 0, size, 0)
        struct.pack_into("<d", block, 100, tilt)
        blocks += bytes(block)[: max(size, 300)]
    look = parse_mrc_header(header(n=(4, 4, 2), ext=len(blocks), kind=b"FEI2") + blocks)
    assert look.extended_form == form
    assert [s.tilt_deg for s in look.per_section] == ([-3.0, 3.0] if form.startswith("fei") else [])
    assert look.voxel_spacing_angstrom == (2.0, 2.0, 2.0)


def test_more_sections_than_records_tell_nothing():
    raw = bytearray(old_fei([(0.0,) * 16] * 3))
    struct.pack_into("<i", raw, 8, 1025)
    look = parse_mrc_header(bytes(raw))
    assert (look.extended_form, look.per_section) == ("fei-old", ())


def test_absurd_spacings_stay_visible():
    raw = bytearray(header())
    struct.pack_into("<3i3f", raw, 28, 8, 0, 4, 0.0, 5.0, math.inf)
    look = parse_mrc_header(bytes(raw))
    assert look.voxel_spacing_angstrom is None
    x, y, z = look.voxel_spacing_as_found
    assert (x, math.isnan(y), z) == (0.0, True, math.inf)


class Pieces:
    """A file that gives a few bytes at a time, and says how many were asked of it."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def read(self, count):
        part = self.data[self.at : self.at + min(count, 100)]
        self.at += len(part)
        return part


def test_no_plane_is_read():
    data = agard([-2.0, 0.0, 2.0]) + bytes(4 * 4 * 2 * 3)
    pieces = Pieces(data)
    assert read_mrc(pieces, len(data)) == parse_mrc_header(data, len(data))
    assert pieces.at == len(agard([-2.0, 0.0, 2.0]))
