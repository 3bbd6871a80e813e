"""Planes of every mode, judged by mrcfile where it reads them."""

import io
import struct

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from etdb.em import PlaneLayout, decode_plane, decode_planes, parse_mrc_header, plane_layout
from etdb.errors import FormatError

JUDGED = {0: np.int8, 1: np.int16, 2: np.float32, 4: np.complex64, 6: np.uint16, 12: np.float16}


def written_by_mrcfile(path, volume, order):
    with mrcfile.new(path) as file:
        file.set_data(volume.astype(volume.dtype.newbyteorder(order)))
    return path.read_bytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", JUDGED)
def test_planes_as_mrcfile_reads_them(tmp_path, mode, order):
    rng = np.random.default_rng(mode)
    volume = (rng.normal(size=(3, 5, 7)) * 40).astype(np.float32)
    volume = volume.astype(JUDGED[mode]) + (1j if mode == 4 else 0)
    path = tmp_path / "judge.mrc"
    raw = written_by_mrcfile(path, volume, order)
    look = parse_mrc_header(raw, len(raw))
    assert look.mode == mode
    assert look.byte_order == ("big" if order == ">" and mode != 0 else "little")  # bytes have no order
    layout = plane_layout(look)
    planes = decode_planes(raw[layout.data_offset :], layout)
    with mrcfile.open(path) as file:
        expected = np.abs(file.data) if mode == 4 else file.data
        np.testing.assert_allclose(planes, expected, rtol=1e-6)
    assert planes.dtype == layout.dtype
    assert planes.dtype.isnative
    second = layout.plane_offset(1)
    np.testing.assert_array_equal(decode_plane(raw[second : second + layout.plane_bytes], layout), planes[1])


def test_bytes_mean_what_the_file_says_they_mean():
    layout = PlaneLayout(columns=2, rows=1, mode=0)
    assert decode_plane(b"\x7f\xff", layout).tolist() == [[127, -1]]
    unsigned = PlaneLayout(columns=2, rows=1, mode=0, unsigned_bytes=True)
    assert decode_plane(b"\x7f\xff", unsigned).tolist() == [[127, 255]]


@pytest.mark.parametrize("columns", [1, 4, 5])
def test_four_bits_a_value_the_low_half_first_and_rows_on_bytes(columns):
    rows = [[(3 * x + y) % 16 for x in range(columns)] for y in range(3)]
    raw = b"".join(
        bytes(a | (b << 4) for a, b in zip(row[::2], [*row[1::2], *[15] * (columns % 2)], strict=True)) for row in rows
    )
    layout = PlaneLayout(columns=columns, rows=3, mode=101)
    assert layout.plane_bytes == len(raw)
    assert decode_plane(raw, layout).tolist() == rows


def test_modes_outside_of_mrc2014():
    big = PlaneLayout(columns=2, rows=1, mode=7, byte_order="big")
    assert decode_plane(struct.pack(">2i", -5, 70000), big).tolist() == [[-5, 70000]]
    complex_integers = PlaneLayout(columns=2, rows=1, mode=3, byte_order="big")
    assert decode_plane(struct.pack(">4h", 3, 4, -300, 400), complex_integers).tolist() == [[5, 500]]
    colours = PlaneLayout(columns=2, rows=1, mode=16)
    assert decode_plane(bytes([0, 3, 6, 255, 255, 255]), colours).tolist() == [[3, 255]]


@given(
    npst.arrays(np.int16, npst.array_shapes(min_dims=3, max_dims=3, max_side=6)),
    st.sampled_from([("<", "little"), (">", "big")]),
)
def test_the_view_without_a_copy_equals_the_turned_one(volume, orders):
    mark, word = orders
    sections, rows, columns = volume.shape
    layout = PlaneLayout(columns=columns, rows=rows, mode=1, byte_order=word)
    raw = io.BytesIO(volume.astype(f"{mark}i2").tobytes()).getbuffer()
    np.testing.assert_array_equal(decode_planes(raw, layout), volume)
    assert layout.plane_bytes * sections == len(raw)


def test_a_part_of_a_plane_is_refused():
    layout = PlaneLayout(columns=4, rows=2, mode=1)
    with pytest.raises(FormatError, match="left over"):
        decode_planes(bytes(17), layout)
    with pytest.raises(FormatError, match="one plane"):
        decode_plane(bytes(32), layout)
    assert decode_planes(b"", layout).shape == (0, 2, 4)
