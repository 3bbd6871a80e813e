"""Sizes that are told before anything is made, against what was made then."""

import gzip
import shutil

import numpy as np
import pytest
from tests.conftest import ROOT

from etdb.media import open_planes
from etdb.preview import guess_sizes, make_product

DATA = ROOT.parent / "shared" / "data"
REAL = {
    "rec.mrc": DATA / "maps" / "EMD-3001.map",
    "tiny_rec.mrc": DATA / "maps" / "cylindra_beta-tubulin.mrc",
    "tube_rec.tif": DATA / "tomograms" / "13pf_MT.tif",
}


def told_and_made(bench):
    plan = guess_sizes(bench.plan())
    for product in plan.products:
        for planned, made in zip(product.files, make_product(product, bench.out), strict=True):
            yield planned, made.file.stat().st_size


def is_near(planned, size, pictures=1.15, movies=2.0):
    most = movies if planned.media_type == "video/mp4" else pictures
    return size / most <= planned.about_bytes <= size * most


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cell_rec.mrc", (60, 256, 256)),
        ("cell_rec.mrc", (90, 20, 400)),  # lying
        ("cell_rec.mrc", (130, 300, 300)),  # more sections than frames
        ("cell_rec.mrc", (9, 30, 40)),  # enlarged
        ("cell.st", (4, 600, 600)),
        ("cell.st", (5, 2100, 2100)),  # binned
        ("cell.st", (77, 400, 400)),  # more than ffmpeg lets through
    ],
)
def test_noise_takes_what_was_told(bench, name, shape):
    bench.mrc(name, bench.noise(shape))
    seen = [(planned.path, planned.about_bytes, size, is_near(planned, size)) for planned, size in told_and_made(bench)]
    assert [one for one in seen if not one[-1]] == []
    assert len(seen) == 5


@pytest.mark.parametrize("name", REAL)
def test_real_volumes_take_about_what_was_told(bench, name):
    if not REAL[name].exists():
        pytest.skip("left out: the shared data are not beside this checkout")
    (bench.root / "ts").mkdir()
    shutil.copy(REAL[name], bench.root / "ts" / name)
    seen = [(planned.path, planned.about_bytes, size, is_near(planned, size)) for planned, size in told_and_made(bench)]
    assert [one for one in seen if not one[-1]] == []
    assert len(seen) == 5


def test_a_clean_image_is_told_to_take_little(bench):
    """A needle on a dark ground, like that of the demo: noise of this shape takes thirty times as much."""
    y, x = np.mgrid[:256, :256] - 127.5
    turned = [5 * np.cos(np.deg2rad(a)) for a in range(-76, 77, 2)]
    bench.mrc("HAADF.mrc", np.stack([3000 * np.exp(-((x - 3) ** 2 + (y - t) ** 2) / 900) for t in turned]).astype("i2"))
    bench.text("HAADF.rawtlt", "".join(f"{a}\n" for a in range(-76, 77, 2)))
    for planned, size in told_and_made(bench):
        assert is_near(planned, size, movies=4.0)
        assert planned.about_bytes < 300_000


def test_of_a_packed_file_only_the_beginning_is_unpacked(bench, monkeypatch):
    volume = bench.noise((40, 64, 64))
    path = bench.mrc("cell_rec.mrc", volume)
    (path.parent / "cell_rec.mrc.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    plan = bench.plan()
    with open_planes(plan.products[0].source.file) as planes:
        kind = type(planes)
    read, sections = kind.read, set()

    def noted(self, section, first_row, rows):
        sections.add(section)
        return read(self, section, first_row, rows)

    monkeypatch.setattr(kind, "read", noted)
    guessed = guess_sizes(plan)
    assert sections == {0}
    assert all(file.about_bytes for product in guessed.products for file in product.files)


def test_what_cannot_be_read_stays_unknown(bench):
    path = bench.mrc("cell_rec.mrc", bench.noise((40, 64, 64)))
    packed = gzip.compress(path.read_bytes())
    (path.parent / "cell_rec.mrc.gz").write_bytes(packed[:4000])
    path.unlink()
    plan = bench.plan()
    assert guess_sizes(plan) == plan
    assert {file.about_bytes for product in plan.products for file in product.files} == {None}
