"""Every value of every section of the real files, held against a plain reading of their lines."""

import datetime as dt
import re

import pytest
from tests.unit.em.real import real

from etdb.em import parse_mdoc

FILES = (
    "mdoc/mdocfile_tilt_series.mdoc",
    "mdoc/mdocfile_frame_set_single.mdoc",
    "mdoc/mdocfile_frame_set_multiple.mdoc",
    "mdoc/mdocfile_montage_section.mdoc",
    "mdoc/mdocfile_montage_section_multiple.mdoc",
    "tiltseries/SerialEM_test_000.mrc.mdoc",
)
SAID = {
    "tilt_deg": "TiltAngle",
    "dose_e_per_a2": "ExposureDose",
    "prior_dose_e_per_a2": "PriorRecordDose",
    "stage_z_um": "StageZ",
    "defocus_um": "Defocus",
    "target_defocus_um": "TargetDefocus",
    "exposure_s": "ExposureTime",
    "pixel_spacing_angstrom": "PixelSpacing",
    "magnification": "Magnification",
    "rotation_deg": "RotationAngle",
    "binning": "Binning",
    "spot_size": "SpotSize",
    "sub_frames": "NumSubFrames",
    "camera_index": "CameraIndex",
}


@pytest.mark.parametrize("name", FILES)
def test_sections_say_what_their_lines_say(name):
    text = real(name).read_text()
    _, *blocks = re.split(r"(?m)^\[(?=ZValue|MontSection|FrameSet)", text)
    look = parse_mdoc(text.encode())
    assert len(look.sections_facts) == len(blocks) > 0
    for found, block in zip(look.sections_facts, blocks, strict=True):
        lines = dict(re.findall(r"(?m)^(\w+) = ?(.*?)\s*$", block.partition("\n")[2]))
        assert f"{found.kind} = {found.index}]" == block.splitlines()[0]
        for field, key in SAID.items():
            assert getattr(found, field) == (float(lines[key]) if key in lines else None), (field, key)
        assert found.sub_frame_path == lines.get("SubFramePath", "")
        assert found.gain_reference == lines.get("GainReference", "")
        if "StagePosition" in lines:
            assert [found.stage_x_um, found.stage_y_um] == [float(v) for v in lines["StagePosition"].split()]
        moment = lines.get("DateTime")
        expected = dt.datetime.strptime(moment, "%d-%b-%y %H:%M:%S") if moment else None
        assert found.acquired_at == expected
        for key, value in found.other.items():
            assert lines[key] == value
        known = {*SAID.values(), "SubFramePath", "GainReference", "StagePosition", "MinMaxMean", "DateTime"}
        known |= {"PieceCoordinates", "FrameDosesAndNumber", "DoseRate", "Voltage"}
        assert set(found.other) == set(lines) - known


def test_what_the_titles_and_global_keys_tell():
    series = parse_mdoc(real("mdoc/mdocfile_tilt_series.mdoc").read_bytes())
    assert (series.tilt_axis_deg, series.image_size, series.is_bidirectional) == (85.3, (924, 958), False)
    assert series.sections_facts[2].sub_frame_path.endswith(r"frames\TS_01_002_-3.0.mrc")
    assert series.global_keys["DataMode"] == "1"
    other = parse_mdoc(real("tiltseries/SerialEM_test_000.mrc.mdoc").read_bytes())
    assert (other.tilt_axis_deg, other.is_bidirectional, other.software) == (-90.0, True, "SerialEM 4.0.20")


def test_images_cut_from_frames_are_the_sections():
    look = parse_mdoc(real("mdoc/mdocfile_frame_set_multiple.mdoc").read_bytes())
    kinds = [s.kind for s in look.sections_facts]
    assert (kinds.count("FrameSet"), kinds.count("ZValue"), look.sections) == (1, 20, 20)
    assert look.tilt_angles_deg == (33.0,) * 20
    assert look.dose_e_per_a2 == pytest.approx(sum(s.dose_e_per_a2 or 0 for s in look.sections_facts[1:]), abs=1e-3)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("DateTime = 30-Nov-2015  15:21:38", "acquired_at", dt.datetime(2015, 11, 30, 15, 21, 38)),
        ("DateTime = 30-Nov-15  25:21:38", "acquired_at", None),
        ("DateTime = 30-Nov-15", "acquired_at", None),
        ("StagePosition = 1", "stage_x_um", None),
        ("StagePosition = 1 nan", "stage_x_um", None),
        ("PieceCoordinates = 0 1.5 0", "piece", None),
        ("PieceCoordinates = 0 -8 1", "piece", (0, -8, 1)),
        ("NumSubFrames = 8.5", "sub_frames", None),
        ("TiltAngle = 1e999", "tilt_deg", None),
        ("MinMaxMean = 1 2", "minimum_maximum_mean", None),
    ],
)
def test_values_that_make_no_sense_are_not_told(line, field, value):
    (section,) = parse_mdoc(f"[ZValue = 0]\n{line}\n".encode()).sections_facts
    assert getattr(section, field) == value


@pytest.mark.parametrize(
    ("title", "axis"),
    [
        ("[T = Tilt axis angle = 85.3, binning = 4]", 85.3),
        ("[T = TiltAxisAngle = -7]", -7.0),
        ("[T = Tilt axis angle = 85.3.1]", None),
        ("[T = tilted axis]", None),
    ],
)
def test_the_tilt_axis_in_a_title(title, axis):
    assert parse_mdoc(f"{title}\n[ZValue = 0]\n".encode()).tilt_axis_deg == axis
