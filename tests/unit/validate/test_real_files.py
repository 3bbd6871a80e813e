"""Real files from microscopes and archives: what is said of them is so, and nothing else is said."""

from __future__ import annotations

import bz2
import gzip
import math
import shutil
import struct
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.unit.validate.lab import TODAY

from etdb.sources import FolderSource
from etdb.validate import Terms, validate_dataset

DATA = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="left out: the shared data are not beside this checkout")
TITLE = 'title = "x"\nspecies = "Vibrio cholerae"\nncbi_taxon_id = 666\n'


class Bench:
    """A dataset of real files."""

    def __init__(self, root: Path) -> None:
        self.root = root / "real"
        self.root.mkdir()
        (self.root / "dataset.toml").write_text(TITLE)

    def take(self, source: str, name: str = "") -> Path:
        """Copy a file, unpacked when it is packed and the new name is not."""
        path = DATA / source
        target = self.root / (name or path.name)
        if path.suffix == ".gz" and not target.name.endswith(".gz"):
            target.write_bytes(gzip.decompress(path.read_bytes()))
        else:
            shutil.copyfile(path, target)
        return target

    def find(self, *, full: bool = True) -> dict[str, str]:
        """The messages by id."""
        dataset, problems = FolderSource(self.root).survey(self.root)
        found = validate_dataset(dataset, Terms(today=TODAY, full=full), problems=problems)
        return {f"{one.id} {one.file}".strip(): one.message for one in found}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def haadf(bench):
    """FEI's series from before MRC2014: angles and pixel size in the extended header, no spacing in the main one."""
    bench.take("tiltseries/HAADF_every2nd_fei1.mrc.gz", "HAADF.mrc")
    bench.take("tiltseries/HAADF_every2nd.rawtlt", "HAADF.rawtlt")
    return bench


OLD = {
    "mrc-map-id HAADF.mrc": "no `MAP ` at byte 208: written before MRC2014, or by a program that ignores it",
    "spacing-placeholder HAADF.mrc": "1 angstrom, which no other file supports; the extended header of HAADF.mrc"
    " supports 33.6",
}


def test_an_old_series_of_fei(haadf):
    assert haadf.find() == OLD


def test_its_angles_are_those_of_the_extended_header_to_a_hundredth(haadf):
    lines = (haadf.root / "HAADF.rawtlt").read_text().split()
    for by, is_told in ((0.009, False), (0.02, True)):
        moved = [*lines[:-1], str(float(lines[-1]) + by)]
        (haadf.root / "HAADF.rawtlt").write_text("\n".join(moved))
        assert ("tilt-header-rawtlt HAADF.rawtlt" in haadf.find()) == is_told


def test_the_whole_list_of_angles_is_not_that_of_half_the_planes(haadf):
    haadf.take("tiltseries/HAADF.rawtlt", "HAADF.rawtlt")
    assert haadf.find() == {**OLD, "tilt-count HAADF.rawtlt": "77 angles, 39 planes"}


def test_one_byte_less_and_a_plane_that_was_never_written(haadf):
    path = haadf.root / "HAADF.mrc"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert haadf.find()["mrc-truncated HAADF.mrc"].startswith("1 byte is missing")
    plane = 256 * 256 * 2
    path.write_bytes(whole[: -2 * plane] + bytes(plane) + whole[-plane:])
    assert haadf.find()["plane-zero HAADF.mrc"] == "1 of the 39 planes looked at are all zero: 37 (from 0)"


def test_a_stack_of_serialem_with_its_mdoc(bench):
    bench.take("tiltseries/SerialEM_test_000.mrc.gz", "test_000.mrc")
    bench.take("tiltseries/SerialEM_test_000.mrc.mdoc", "test_000.mrc.mdoc")
    assert bench.find() == {}
    mdoc = bench.root / "test_000.mrc.mdoc"
    text = mdoc.read_text()
    mdoc.write_text(text[: text.index("[ZValue = 1]")])
    assert bench.find() == {"mdoc-sections-missing test_000.mrc.mdoc": "1 section, 2 planes"}


def test_packed_it_is_the_same_and_broken_off_it_is_found(bench):
    path = bench.take("tiltseries/SerialEM_test_000.mrc.gz", "test_000.mrc.gz")
    bench.take("tiltseries/SerialEM_test_000.mrc.mdoc", "test_000.mrc.mdoc")
    assert bench.find() == {}
    path.write_bytes(path.read_bytes()[:-1000])
    assert list(bench.find()) == ["data-damaged test_000.mrc.gz"]


def test_the_alignment_of_empiar_10164_agrees_with_the_title_of_its_mdoc(bench):
    """The axis in the title is 85.3 degrees; IMOD turned the series by -85.08."""
    bench.take("mdoc/mdocfile_tilt_series.mdoc", "TS_01.mrc.mdoc")
    xf = bench.take("imod/yaiw_xf_file.xf", "TS_01.xf")
    assert bench.find() == {}
    turned = math.radians(70)
    c, s = math.cos(turned), math.sin(turned)
    xf.write_text(f"{c:.7f} {s:.7f} {-s:.7f} {c:.7f} 0 0\n" * 41)
    assert list(bench.find()) == ["tilt-axis-alignment TS_01.mrc.mdoc"]


def test_maps_of_the_emdb(bench):
    bench.take("maps/EMD-3197.map")
    bench.take("maps/EMD-3001.map")
    found = bench.find()
    assert {key.split()[0] for key in found} == {"mrc-version", "mrc-start", "mrc-axes"}
    assert found["mrc-axes EMD-3001.map"] == "its axes are (3, 1, 2)"
    assert "mrc-cell EMD-3001.map" not in found, "a crystal may have other angles"


def test_a_packed_map_with_a_hidden_nan(bench):
    data = bytearray((DATA / "maps" / "EMD-3197.map").read_bytes())
    struct.pack_into("<f", data, len(data) - 4, math.nan)
    (bench.root / "EMD-3197.map.bz2").write_bytes(bz2.compress(bytes(data)))
    assert "plane-not-finite EMD-3197.map.bz2" in bench.find(full=True)
    assert "plane-not-finite EMD-3197.map.bz2" not in bench.find(full=False), "only its first plane was unpacked"


@pytest.mark.parametrize("name", ["mdocfile_montage_section.mdoc", "mdocfile_frame_set_multiple.mdoc"])
def test_montages_and_frames_are_no_tilt_series(bench, name):
    bench.take(f"mdoc/{name}")
    assert bench.find() == {}


def test_models_of_imod(bench):
    for path in (DATA / "imod").glob("*.mod"):
        bench.take(f"imod/{path.name}")
    assert bench.find() == {}
