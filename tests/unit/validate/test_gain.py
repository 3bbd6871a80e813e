"""Gain references in TIFF files, which need a package to be opened."""

import io

import numpy as np
import pytest
from tests.unit.validate.lab import mrc

tifffile = pytest.importorskip("tifffile", reason="left out: tifffile is not installed (etdb[formats])")


def tiff(*shape):
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones(shape, np.float32), photometric="minisblack")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("gain.tif", tiff(6, 8), set()),
        ("gain.tif", tiff(12, 16), set()),
        ("gain.tif", tiff(3, 6, 8), {"gain-slices"}),
        ("gain.tif", tiff(6, 9), {"gain-size"}),
        ("CountRef.gain", tiff(6, 8), set()),
        ("gain.tif", mrc(np.ones((1, 6, 8), np.float32)), {"file-not-understood"}),
    ],
)
def test_a_gain_reference_as_tiff(lab, name, data, found):
    lab.write(name, data)
    assert lab.ids() == found
