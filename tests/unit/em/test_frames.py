"""tifffile writes the files that tifffile reads; the facts are ours to find in them."""

import builtins
import io

import numpy as np
import pytest
from tests.unit.em.real import real

from etdb.em import read_frames
from etdb.errors import ConfigurationError, FormatError

tifffile = pytest.importorskip("tifffile", reason="left out: tifffile is not installed (etdb[formats])")


def written(shape=(5, 7, 9), dtype="uint16", **options):
    buffer = io.BytesIO()
    options.setdefault("photometric", "minisblack")
    tifffile.imwrite(buffer, np.zeros(shape, dtype), **options)
    return buffer


def test_frames_of_a_camera():
    look = read_frames(
        written(compression="zlib", resolution=(1e8 / 1.2827, 1e8 / 1.2827), resolutionunit="CENTIMETER")
    )
    assert (look.form, look.frames, look.height, look.width, look.data_type) == ("tiff", 5, 7, 9, "uint16")
    assert look.pixel_spacing_angstrom == pytest.approx(1.2827, rel=1e-5)
    assert look.compression == "adobe_deflate"


def test_print_resolutions_are_no_pixel_size():
    assert read_frames(written(resolution=(300, 300), resolutionunit="INCH")).pixel_spacing_angstrom is None


def test_volumes_of_imagej_and_ome():
    imagej = read_frames(
        written(imagej=True, resolution=(1 / 1.052, 1 / 1.052), metadata={"spacing": 2.0, "unit": "nm"})
    )
    assert (imagej.frames, imagej.section_spacing_angstrom) == (5, 20.0)
    assert imagej.pixel_spacing_angstrom == pytest.approx(10.52, rel=1e-5)
    units = {"PhysicalSizeX": 1.5, "PhysicalSizeXUnit": "nm", "PhysicalSizeZ": 0.004, "PhysicalSizeZUnit": "µm"}
    ome = read_frames(written(ome=True, metadata={"axes": "ZYX", **units}))
    assert (ome.pixel_spacing_angstrom, ome.section_spacing_angstrom) == (15.0, 40.0)


@pytest.mark.parametrize(("name", "shape"), [("13pf_MT", (36, 206, 94)), ("14pf_MT", (44, 136, 84))])
def test_real_volumes(name, shape):
    """1.052 nm a voxel, says their origin."""
    with real(f"tomograms/{name}.tif").open("rb") as file:
        look = read_frames(file)
        assert not file.closed
    assert (look.frames, look.height, look.width, look.data_type) == (*shape, "uint8")
    assert (look.pixel_spacing_angstrom, look.section_spacing_angstrom) == (10.52, 10.52)


def eer(frames=6):
    """As a Falcon 4 writes it: a BigTIFF of pages that only its own programs unpack, and metadata in XML."""
    xml = (
        b'<metadata><item name="acquisitionID">x</item><item name="commercialName">Falcon 4</item>'
        b'<item name="exposureTime" unit="s">7.01</item><item name="numberOfFrames">6</item>'
        b'<item name="sensorPixelSize.width" unit="m">1.5e-10</item>'
        b'<item name="totalDose" unit="e/pixel">90</item></metadata>'
    )
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=True) as writer:
        for number in range(frames):
            tags = [(65001, 7, len(xml), xml, True)] if number == 0 else []
            writer.write(np.zeros((16, 16), "uint8"), photometric="minisblack", extratags=tags, metadata=None)
    # tifffile does not write the compressions of EER: the tag is set afterwards.
    data = bytearray(buffer.getvalue())
    buffer.seek(0)
    with tifffile.TiffFile(buffer) as tiff:
        for page in tiff.pages:
            data[page.tags["Compression"].valueoffset : page.tags["Compression"].valueoffset + 2] = (65001).to_bytes(
                2, "little"
            )
    return bytes(data)


def test_an_eer_file():
    look = read_frames(io.BytesIO(eer()))
    assert (look.form, look.frames, look.width, look.data_type) == ("eer", 6, 16, "eer")
    assert (look.pixel_spacing_angstrom, look.exposure_s, look.camera) == (1.5, 7.01, "Falcon 4")
    assert look.dose_e_per_a2 == 40.0


def test_damage_is_refused(caplog, capsys):
    data = written().getvalue()
    for damaged in (b"", b"II*\0", data[:20], data[:8] + b"\xff" * 60, bytes(500)):
        with pytest.raises(FormatError):
            read_frames(io.BytesIO(damaged))
    assert not caplog.records
    assert capsys.readouterr().err == ""


def test_without_the_package_the_hint_names_the_extra(monkeypatch):
    true_import = builtins.__import__

    def importing(name, *args, **kwargs):
        if name == "tifffile":
            raise ImportError(name)
        return true_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ConfigurationError) as caught:
        read_frames(written())
    assert "etdb[formats]" in caught.value.hint
