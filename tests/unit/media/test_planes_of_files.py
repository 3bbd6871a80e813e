import bz2
import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parent))
from volumes import noise, write_mrc

from etdb.errors import FormatError, SourceFileError
from etdb.media import MissingExtraError, import_extra, open_planes, planes


@pytest.mark.parametrize("packed", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float32])
def test_strips_are_those_of_the_volume_in_any_order(tmp_path, packed, dtype):
    volume = noise((4, 6, 5), dtype)
    path = write_mrc(tmp_path / "a.mrc", volume)
    if packed:
        data = path.read_bytes()
        path = tmp_path / f"a.mrc{packed}"
        path.write_bytes({".gz": gzip.compress, ".bz2": bz2.compress}[packed](data))
    with open_planes(path) as stack:
        assert stack.facts.shape == (4, 6, 5)
        assert (stack.facts.spacing_angstrom, stack.facts.is_sequential) == (10.0, bool(packed))
        for section, row, rows in ((3, 2, 4), (0, 0, 6), (1, 5, 1)):
            np.testing.assert_array_equal(stack.read(section, row, rows), volume[section, row : row + rows])


def test_tiff_pages(tmp_path):
    volume = noise((3, 8, 7), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", volume, photometric="minisblack")
    with open_planes(tmp_path / "a.tif") as stack:
        assert stack.facts.shape == (3, 8, 7)
        assert not stack.facts.rows_upwards
        np.testing.assert_array_equal(stack.read(2, 3, 5), volume[2, 3:8])
        np.testing.assert_array_equal(stack.read(0, 0, 8), volume[0])


@pytest.mark.parametrize("name", ["a.mrc", "a.mrc.gz", "a.tif"])
def test_what_is_none_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing like it" * 200)
    with pytest.raises((FormatError, SourceFileError)), open_planes(tmp_path / name):
        pass


def test_a_colour_tiff_and_pages_of_two_sizes_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((9, 9, 3), np.uint8), photometric="rgb")
    with pytest.raises(FormatError, match="grey"), open_planes(tmp_path / "rgb.tif"):
        pass
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(np.zeros((9, 9), np.uint8))
        file.write(np.zeros((8, 9), np.uint8))
    with open_planes(tmp_path / "two.tif") as stack, pytest.raises(FormatError, match="page 1"):
        stack.read(1, 0, 8)


def test_a_cut_file_is_refused_and_one_that_shrinks_is_noticed(tmp_path):
    path = write_mrc(tmp_path / "a.mrc", noise((4, 6, 5)))
    whole = path.read_bytes()
    with open_planes(path) as stack:
        path.write_bytes(whole[:-20])
        with pytest.raises(SourceFileError, match="ended"):
            stack.read(3, 0, 6)
    with pytest.raises(FormatError, match="cut off"), open_planes(path):
        pass
    (tmp_path / "b.mrc.gz").write_bytes(gzip.compress(whole)[:-30])
    with pytest.raises(FormatError, match=r"b\.mrc\.gz cannot be unpacked"):  # noqa: SIM117 - either may raise
        with open_planes(tmp_path / "b.mrc.gz") as stack:
            stack.read(3, 0, 6)


def test_no_more_than_memory_holds_is_read(tmp_path, monkeypatch):
    path = write_mrc(tmp_path / "a.mrc", noise((2, 6, 5)))
    monkeypatch.setattr(planes, "MAX_READ_BYTES", 30)
    with open_planes(path) as stack:
        stack.read(0, 0, 3)
        with pytest.raises(FormatError, match="above"):
            stack.read(0, 0, 4)


def test_a_missing_library_is_asked_for_by_its_extra():
    with pytest.raises(MissingExtraError, match="making tea needs no_such_module") as caught:
        import_extra("no_such_module", "previews", what="making tea")
    assert caught.value.hint == "pip install 'etdb[previews]'"
