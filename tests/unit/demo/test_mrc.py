"""The demo's MRC files."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from etdb.demo.mrc import read_stack, write_volume
from etdb.errors import FormatError


def test_a_volume_is_written_with_its_voxel_size_and_reads_back(tmp_path):
    volume = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4) - 5
    path = tmp_path / "v.mrc"
    write_volume(path, volume, 33.6, ["one", "two"])
    data = path.read_bytes()
    assert struct.unpack_from("<4i", data) == (4, 3, 2, 1)
    assert struct.unpack_from("<3f", data, 40) == pytest.approx((4 * 33.6, 3 * 33.6, 2 * 33.6))
    assert struct.unpack_from("<3i", data, 64) == (1, 2, 3)
    assert struct.unpack_from("<3f", data, 76) == (-5.0, 18.0, 6.5)
    assert struct.unpack_from("<i", data, 88) == (1,)
    assert struct.unpack_from("<i", data, 108) == (20140,)
    assert data[208:216] == b"MAP \x44\x44\0\0"
    assert struct.unpack_from("<fi", data, 216) == (pytest.approx(float(volume.std())), 2)
    assert data[224:304].rstrip() == b"one"
    assert np.array_equal(read_stack(path), volume)
    write_volume(tmp_path / "again.mrc", volume, 33.6, ["one", "two"])
    assert (tmp_path / "again.mrc").read_bytes() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(1023),
        bytes(1024),
        struct.pack("<4i", 2, 2, 2, 2).ljust(1024, b"\0") + bytes(16),
        struct.pack("<4i", 2, 2, 2, 1).ljust(1024, b"\0") + bytes(15),
        struct.pack("<4i", 2**30, 2**30, 2**30, 1).ljust(1024, b"\0"),
        struct.pack("<4i", 2, 2, 2, 1).ljust(92, b"\0") + struct.pack("<i", -16) + bytes(928 + 32),
    ],
)
def test_what_is_no_such_stack_is_refused(tmp_path, data):
    path = tmp_path / "x.mrc"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        read_stack(path)
