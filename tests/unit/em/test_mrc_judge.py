"""mrcfile says what its own files hold; we must say the same. Where it gives up on real files, ours reads on."""

import gzip
import io
import warnings

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.em.real import real

from etdb.em import parse_mrc_header, read_mrc

TYPES = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
NAMES = {0: "int8", 1: "int16", 2: "float32", 4: "complex-float32", 6: "uint16", 12: "float16"}


FILES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(sorted(TYPES)),
        "order": st.sampled_from("<>"),
        "shape": st.tuples(*[st.integers(1, 9)] * 3),
        "spacing": st.tuples(*[st.floats(0.125, 500, width=32)] * 3),
        "start": st.tuples(*[st.integers(-50, 50)] * 3),
        "is_volume": st.booleans(),
        "extended": st.integers(0, 40),
        "label": st.text("abc XYZ019", max_size=60),
    }
)


@given(FILES)
def test_whatever_mrcfile_writes(tmp_path_factory, made):
    mode, shape = made["mode"], made["shape"]
    order = made["order"] if mode else "<"  # bytes have none, and this machine writes its own
    path = tmp_path_factory.mktemp("mrc") / "a.mrc"
    values = np.arange(np.prod(shape)).reshape(shape).astype(TYPES[mode])
    with mrcfile.new(path, overwrite=True) as judge:
        judge.set_data(values.astype(values.dtype.newbyteorder(order)))
        judge.set_volume() if made["is_volume"] else judge.set_image_stack()
        judge.voxel_size = made["spacing"]
        judge.nstart = made["start"]
        judge.header.origin = (1.5, -2.5, 3.0)
        judge.set_extended_header(np.zeros(4 * made["extended"], "u1"))
        judge.header.exttyp = b"MRCO"
        if made["label"].strip():
            judge.add_label(made["label"])
        header, expected = judge.header.copy(), judge.voxel_size.copy()
        offset = 1024 + int(header.nsymbt)
    size = path.stat().st_size
    with path.open("rb") as file:
        look = read_mrc(file, size)
    assert (look.sections, look.rows, look.columns) == shape
    assert (look.mode, look.data_type) == (mode, NAMES[mode])
    assert look.byte_order == {"<": "little", ">": "big"}[order]
    assert (look.stamp_state, look.is_mrc2014, look.version) == ("right", True, int(header.nversion))
    assert look.expected_bytes == size == look.data_offset + look.plane_bytes * look.sections
    assert look.data_offset == offset
    assert not look.is_truncated
    assert look.voxel_spacing_as_found == pytest.approx([float(expected[k]) for k in "xyz"], rel=1e-5)
    assert look.start == tuple(int(header[k]) for k in ("nxstart", "nystart", "nzstart"))
    assert look.origin_angstrom == (1.5, -2.5, 3.0)
    assert (look.axes, look.cell_angles_deg) == ((1, 2, 3), (90.0, 90.0, 90.0))
    assert look.space_group == int(header.ispg)
    assert look.label_count == int(header.nlabl)
    assert list(look.labels) == [bytes(text).decode().strip() for text in header.label if bytes(text).strip()]
    found = (look.minimum, look.maximum, look.mean, look.rms)
    assert found == pytest.approx([float(header[k]) for k in ("dmin", "dmax", "dmean", "rms")], nan_ok=True)


@pytest.mark.parametrize("kind", [b"FEI1", b"FEI2"])
@pytest.mark.parametrize("order", "<>")
def test_the_blocks_of_fei_as_mrcfile_names_them(kind, order):
    """Each value is written by mrcfile's own field names and read by our offsets."""
    dtype = mrcfile.dtypes.get_ext_header_dtype(kind, order)
    blocks = np.zeros(3, dtype)
    blocks["Metadata size"] = dtype.itemsize
    blocks["Bitmask 1"] = 0xFFFFFFFF
    blocks["Bitmask 2"] = 0xFFFFFFFF
    blocks["Alpha tilt"] = [-3.0, 0.0, 3.0]
    blocks["Tilt axis angle"] = 84.5
    blocks["X-Stage"], blocks["Y-Stage"], blocks["Z-Stage"] = 1.5e-4, -2e-5, 3e-6
    blocks["Defocus"] = -4e-6
    blocks["Pixel size X"] = blocks["Pixel size Y"] = 2.17e-10
    blocks["Dose"] = 3.1e20
    blocks["Magnification"] = 64000
    blocks["HT"] = 300000
    blocks["Integration time"] = 1.25
    blocks["Timestamp"] = 43000.5
    blocks["Microscope type"], blocks["D-Number"], blocks["Camera name"] = b"TITAN52336320", b"3632", b"BM-Falcon"
    blocks["Application"], blocks["Application version"] = b"Tomography", b"4.6.0"
    blocks[1]["Bitmask 1"] = 1 << 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        judge = mrcfile.mrcinterpreter.MrcInterpreter()
        judge._iostream = buffer
        judge._create_default_attributes()
        judge.set_data(np.zeros((3, 4, 5), "i2").astype(np.dtype("i2").newbyteorder(order)))
        judge.set_extended_header(blocks)
        judge.header.exttyp = kind
        judge.flush()
    look = parse_mrc_header(buffer.getvalue())
    assert (look.extended_form, look.byte_order) == (kind.decode().lower(), {"<": "little", ">": "big"}[order])
    first, second, third = look.per_section
    assert (first.tilt_deg, second.tilt_deg, third.tilt_deg) == (-3.0, 0.0, 3.0)
    assert (first.stage_x_um, first.stage_y_um, first.stage_z_um) == (150.0, -20.0, 3.0)
    assert (first.defocus_um, first.tilt_axis_deg, first.pixel_spacing_angstrom) == (-4.0, 84.5, 2.17)
    assert (first.dose_e_per_a2, first.magnification, first.voltage_kv) == (3.1, 64000.0, 300.0)
    assert (first.exposure_s, first.acquired_at.isoformat()) == (1.25, "2017-09-22T12:00:00")
    assert (second.voltage_kv, second.defocus_um, second.magnification) == (None, None, None), "the mask says: not set"
    assert look.fei.tilt_angles_deg == (-3.0, 0.0, 3.0)
    told = look.instrument
    assert (told.microscope, told.serial, told.camera) == ("TITAN52336320", "3632", "BM-Falcon")
    assert told.software == "Tomography 4.6.0"


def test_where_mrcfile_gives_up_on_a_real_file_ours_reads_on(tmp_path):
    data = gzip.decompress(real("tiltseries/HAADF_every2nd_fei1.mrc.gz").read_bytes())
    path = tmp_path / "HAADF.mrc"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="Map ID"):
        mrcfile.open(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mrcfile.open(path, permissive=True) as judge:
            assert (judge.header.exttyp, judge.voxel_size.x) == (b"", 1.0)
            with pytest.raises(AttributeError):  # no tilt, no pixel size: the type is not one that it knows
                _ = judge.indexed_extended_header
    look = parse_mrc_header(data, len(data))
    assert (look.extended_form, look.stamp_state, look.is_mrc2014) == ("fei-old", "absent", False)
    tilts = [float(line) for line in real("tiltseries/HAADF_every2nd.rawtlt").read_text().split()]
    assert [section.tilt_deg for section in look.per_section] == tilts
    assert {section.pixel_spacing_angstrom for section in look.per_section} == {33.6}
    assert look.voxel_spacing_as_found == (1.0, 1.0, 1.0)
    assert look.voxel_spacing_angstrom is None


def test_a_real_file_of_serialem_says_what_its_mdoc_says():
    with gzip.open(real("tiltseries/SerialEM_test_000.mrc.gz")) as file:
        look = read_mrc(file)
    assert (look.extended_form, look.written_by_imod, look.label_count) == ("serialem", True, 2)
    one = look.per_section[0]
    # From the mdoc; the header's short values hold stage in 1/25 um and magnification in hundreds.
    assert one.stage_x_um == pytest.approx(-15.99, abs=0.04)
    assert one.stage_y_um == pytest.approx(-8.5543, abs=0.04)
    assert (one.tilt_deg, one.magnification, one.dose_e_per_a2) == (0.0, 115000.0, None)
    path = real("maps/EMD-3001.map")
    with path.open("rb") as file, mrcfile.open(path) as judge:
        look = read_mrc(file, path.stat().st_size)
        assert look.axes == (judge.header.mapc, judge.header.mapr, judge.header.maps) == (3, 1, 2)
        assert look.symmetry == ("X,  Y,  Z", "-X,  Y+1/2,  -Z")
