"""Real files from microscopes: what is described equals what stands beside them, read here by other means."""

import datetime as dt
import gzip
import re
import shutil
import struct

import pytest
from tests.conftest import ROOT

from etdb.describe import describe
from etdb.sources import FolderSource
from etdb.workspace import Settings

DATA = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="left out: the shared data are not beside this checkout")


@pytest.fixture
def folder(tmp_path):
    def make(*names, text=""):
        root = tmp_path / "d"
        root.mkdir()
        for name in names:
            shutil.copy(DATA / name, root)
        if text:
            (root / "dataset.toml").write_text(text)
        return root

    return make


def drafted(root):
    (dataset,) = FolderSource(root).datasets()
    return describe(dataset, Settings(), needs_title=False)


def log_of_fei():
    """The FEI log's own lines, `name [unit]: value`."""
    text = (DATA / "tiltseries" / "HAADF.txt").read_bytes().decode("latin-1")
    return dict(re.findall(r"^\S+ \S+ +([^:\n]+?) *(?:\[[^\]]*\])?: *(\S.*?) *\r?$", text, re.MULTILINE))


def test_the_fei_series_its_log_and_its_angles_say_the_same(folder):
    draft = drafted(
        folder("tiltseries/HAADF_every2nd_fei1.mrc.gz", "tiltseries/HAADF_every2nd.rawtlt", "tiltseries/HAADF.txt")
    )
    t, evidence, log = draft.tomogram, draft.evidence, log_of_fei()
    angles = [float(line) for line in (DATA / "tiltseries" / "HAADF_every2nd.rawtlt").read_text().split()]

    assert t.pixel_spacing_angstrom == pytest.approx(10 * float(log["Image pixel size"]))
    assert t.magnification == float(log["microscope STEM Magnification"])
    assert t.defocus_um == float(log["Applied Defocus"])
    assert t.extra["tilt_axis_angle_deg"] == float(log["Tilt Axis Angle"])
    assert (t.tilt_min_deg, t.tilt_max_deg) == (float(log["Max negative tilt"]), float(log["Max positive tilt"]))
    assert (t.tilt_min_deg, t.tilt_max_deg, t.tilt_count) == (min(angles), max(angles), len(angles))
    assert (t.tilt_step_deg, t.tilt_constant_increment, t.tilt_axes) == (4.0, True, 1)
    assert t.acquired_on == dt.datetime.strptime(log["Date/Time"], "%m/%d/%y %H:%M:%S").date()
    assert t.tilt_scheme == "unidirectional"  # "Tiltscheme starts at high angle (continuous)."
    assert "continuous" in (DATA / "tiltseries" / "HAADF.txt").read_text("latin-1")

    pixel = evidence["pixel_spacing_angstrom"]
    assert [(one.source, one.where, one.agrees) for one in pixel.witnesses if one.is_usable] == [
        ("HAADF_every2nd_fei1.mrc.gz", "FEI extended header, all 39 sections", True),
        ("HAADF.txt", "acquisition log", True),
    ]
    assert [(one.where, one.value, one.remark) for one in pixel.unusable] == [
        ("MRC header", "1 x 1 x 1", "makes no sense")
    ]
    assert "33.6 Å is what the evidence supports: HAADF_every2nd_fei1.mrc.gz (FEI extended header" in draft.notes[-1]
    assert draft.origins["tilt_min_deg"] == "HAADF_every2nd.rawtlt"
    low = {one.source: one.value for one in evidence["tilt_min_deg"].witnesses}
    assert low == {"HAADF_every2nd.rawtlt": -76.0, "HAADF_every2nd_fei1.mrc.gz": -76.0, "HAADF.txt": -76.0}
    # The stack has every second projection of the series that the log is of: the two steps are side by side.
    (step,) = evidence["tilt_step_deg"].disagreeing
    assert (step.value, step.source) == (float(log["Low tilt step"]), "HAADF.txt")
    (exposure,) = evidence["exposure_s"].disagreeing
    assert (exposure.value, exposure.source) == (float(log["Exposure Time"]), "HAADF.txt")


def test_the_whole_series_and_its_log_agree(folder):
    draft = drafted(folder("tiltseries/HAADF.rawtlt", "tiltseries/HAADF.txt"))
    t = draft.tomogram
    assert (t.tilt_count, t.tilt_min_deg, t.tilt_max_deg, t.tilt_step_deg) == (77, -76.0, 76.0, 2.0)
    assert all(not one.disagreeing for one in draft.evidence.values())
    assert draft.origins["pixel_spacing_angstrom"] == "HAADF.txt"


def test_without_its_angles_the_extended_header_tells_them(folder):
    draft = drafted(folder("tiltseries/HAADF_every2nd_fei1.mrc.gz"))
    t = draft.tomogram
    assert (t.tilt_count, t.tilt_min_deg, t.tilt_max_deg, t.tilt_step_deg) == (39, -76.0, 76.0, 4.0)
    assert (t.voltage_kv, t.magnification, t.pixel_spacing_angstrom) == (300.0, 115000.0, pytest.approx(33.6))
    assert draft.evidence["tilt_min_deg"].chosen.where == "FEI extended header"


@pytest.mark.parametrize(("pixel_m", "expected", "origin"), [(0.0, 33.6, "HAADF.txt"), (3.36e-9, 33.6, "s.mrc")])
def test_a_pixel_size_that_the_extended_header_lacks_comes_from_the_log(folder, pixel_m, expected, origin):
    root = folder("tiltseries/HAADF.txt")
    raw = bytearray(gzip.decompress((DATA / "tiltseries" / "HAADF_every2nd_fei1.mrc.gz").read_bytes()))
    order = "<" if struct.unpack_from("<i", raw, 0)[0] == 256 else ">"
    for section in range(39):
        struct.pack_into(f"{order}f", raw, 1024 + 128 * section + 44, pixel_m)
    (root / "s.mrc").write_bytes(raw)
    draft = drafted(root)
    assert draft.tomogram.pixel_spacing_angstrom == pytest.approx(expected)
    assert draft.origins["pixel_spacing_angstrom"] == origin


def test_the_serialem_stack_and_its_mdoc(folder):
    draft = drafted(folder("tiltseries/SerialEM_test_000.mrc.gz", "tiltseries/SerialEM_test_000.mrc.mdoc"))
    t, mdoc = draft.tomogram, "SerialEM_test_000.mrc.mdoc"
    text = (DATA / "tiltseries" / mdoc).read_text()

    def stated(key):
        (value,) = set(re.findall(rf"^{key} = (\S+)$", text, re.MULTILINE))
        return float(value)

    assert t.pixel_spacing_angstrom == stated("PixelSpacing")
    assert t.voltage_kv == stated("Voltage")
    assert t.magnification == stated("Magnification")
    assert t.extra["exposure_s"] == stated("ExposureTime")
    assert t.acquisition_software == "SerialEM " + re.search(r"SerialEM Version (\S+)", text)[1]
    assert t.acquired_on == dt.date(2023, 3, 31)
    assert (t.microscope, t.extra["microscope_as_written"]) == ("Titan", "NIST Titan D3094")
    # Two images without a tilt are no tilt series, and a dose of zero is one that was not measured.
    assert (t.tilt_min_deg, t.tilt_step_deg, t.tilt_scheme, t.tilt_axes) == (None, None, "", None)
    assert (t.dose_e_per_a2, t.dose_per_tilt_e_per_a2) == (None, None)
    pixel = draft.evidence["pixel_spacing_angstrom"]
    assert [(one.source, one.agrees) for one in pixel.witnesses] == [(mdoc, True), ("SerialEM_test_000.mrc.gz", True)]


def test_a_dose_symmetric_series_of_41_tilts(folder):
    draft = drafted(folder("mdoc/mdocfile_tilt_series.mdoc"))
    t = draft.tomogram
    assert (t.tilt_count, t.tilt_min_deg, t.tilt_max_deg, t.tilt_step_deg) == (41, -60.0, 60.0, 3.0)
    assert (t.tilt_scheme, t.defocus_um, t.pixel_spacing_angstrom) == ("dose-symmetric", -4.0, 5.4)
    assert (t.microscope, t.acquired_on) == ("Titan Krios", dt.date(2015, 11, 30))
    assert draft.evidence["tilt_scheme"].chosen.where == "tilts by the times of 41 mdoc sections"
    assert draft.evidence["magnification"].chosen.where == "mdoc, all 41 sections"


def test_what_people_say_comes_first_and_the_files_stand_beside(folder):
    text = 'title = "T"\nvoltage_kv = 200\nspecies = "E. coli"\nmicroscope = "FEI Polara"\n'
    draft = drafted(folder("tiltseries/HAADF_every2nd_fei1.mrc.gz", text=text))
    voltage = draft.evidence["voltage_kv"]
    assert (voltage.value, voltage.chosen.source) == (200.0, "dataset.toml")
    assert [(one.value, one.source) for one in voltage.disagreeing] == [(300.0, "HAADF_every2nd_fei1.mrc.gz")]
    t = draft.tomogram
    assert (t.species, t.ncbi_taxon_id, t.microscope) == ("Escherichia coli", 562, "Polara")
    assert {k: t.extra[k] for k in t.extra if k.endswith("_as_written")} == {
        "species_as_written": "E. coli", "microscope_as_written": "FEI Polara"
    }  # fmt: skip
    assert draft.origins["ncbi_taxon_id"] == "NCBI taxonomy"
    assert {"ncbi_taxon_id", "extra.species_as_written", "magnification", "extra.exposure_s"} <= draft.derived
    assert not {"voltage_kv", "species", "microscope"} & draft.derived
    assert draft.respelt == {"species": "E. coli", "microscope": "FEI Polara"}
