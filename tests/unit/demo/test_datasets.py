"""The demo's lab: dataset folders that the product itself can read."""

from __future__ import annotations

import datetime as dt
import struct
import tomllib

import numpy as np
import pytest

from etdb.demo.datasets import LAB_DATASETS, encode_toml, read_log, write_lab
from etdb.describe import describe
from etdb.errors import FormatError
from etdb.sources import FolderSource
from etdb.workspace import Settings

LOG = """\
11/18/11 10:36:43  Date/Time: 11/18/11 10:36:43
11/18/11 10:36:43  ---------------
11/18/11 10:36:43   Sample Geometry : rod
11/18/11 10:36:43   Max negative tilt [\xb0]: -76.00
11/18/11 10:36:43   Max positive tilt [\xb0]: 76.00
11/18/11 10:36:43   STEM imaging mode
11/18/11 10:36:43    Exposure Time [s]: 10.00
11/18/11 10:36:43    Image pixel size [nm]: 3.36
11/18/11 10:36:43    Applied Defocus [\xb5m]: 0.00
"""
MDOC = "PixelSpacing = 7.88\nVoltage = 300\nImageFile = test0.mrc\n\n[ZValue = 0]\nTiltAngle = 0.0\n"


def stack_file(path, images, space_group):
    count, height, width = images.shape
    head = struct.pack("<4i", width, height, count, 1) + bytes(12) + struct.pack("<3i3f", width, height, count, 1, 1, 1)
    head = head.ljust(64, b"\0") + struct.pack("<3i", 1, 2, 3) + struct.pack("<3fi", 0, 1, 1, space_group)
    path.write_bytes(head.ljust(208, b"\0") + b"MAP DD\0\0".ljust(816, b"\0") + images.astype("<i2").tobytes())


@pytest.fixture
def material(tmp_path):
    folder = tmp_path / "material"
    folder.mkdir()
    angles = np.arange(-76, 77, 8.0)
    y, x = np.mgrid[:48, :48] - 23.5
    images = np.stack([3000 * np.exp(-((x - 3) ** 2 + (y - 5 * np.cos(np.deg2rad(a))) ** 2) / 30) for a in angles])
    stack_file(folder / "HAADF.mrc", images, 0)
    stack_file(folder / "test_000.mrc", images[:2], 0)
    (folder / "HAADF.rawtlt").write_text("".join(f"{a:7.2f}\n" for a in angles))
    (folder / "HAADF.txt").write_text(LOG, encoding="latin-1")
    (folder / "test_000.mrc.mdoc").write_text(MDOC)
    (folder / "LICENSE").write_text("free")
    return {path.name: path for path in folder.iterdir()}


def test_the_product_reads_both_datasets(tmp_path, material):
    seen = []
    write_lab(tmp_path / "lab", material, lambda what, part: seen.append((what, part)))
    needle, titan = FolderSource(tmp_path / "lab").datasets()
    assert (needle.name, titan.name) == LAB_DATASETS
    roles = {file.path: file.role for file in needle.files}
    assert roles["HAADF.mrc"] == "tilt_series"
    assert roles["needle_rec.mrc"] == "reconstruction"
    header = next(file.header for file in needle.files if file.path == "needle_rec.mrc")
    assert header.voxel_spacing_angstrom == pytest.approx((33.6, 33.6, 33.6))
    assert (header.columns, header.rows, header.sections) == (48, 48, 48)
    record = describe(needle, Settings()).tomogram
    assert record.acquired_on == dt.date(2011, 11, 18)
    assert record.voxel_spacing_angstrom == pytest.approx(33.6)
    assert (record.tilt_min_deg, record.tilt_max_deg, record.tilt_step_deg) == (-76, 76, 8)
    assert seen[-1] == ("reconstructing", 1.0)
    assert titan.metadata["institution"].endswith("(NIST)")


def test_the_same_input_gives_the_same_bytes(tmp_path, material):
    for name in ("a", "b"):
        write_lab(tmp_path / name, material)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 10
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_log_without_a_pixel_size_is_refused():
    assert read_log(LOG)["Sample Geometry"] == "rod"
    with pytest.raises(FormatError):
        read_log("nothing of the kind")


def test_toml_reads_back_as_it_was_written():
    fields = {
        "text": 'quotes " and \\ and\nlines and µ',
        "number": 1.5,
        "date": dt.date(2020, 1, 2),
        "list": ["a", "b"],
        "flag": True,
        "extra": {"a b": 1},
        "files": {"x.mrc": {"role": "other"}, "y": {"role": "metadata"}},
    }
    assert tomllib.loads(encode_toml(fields)) == fields
