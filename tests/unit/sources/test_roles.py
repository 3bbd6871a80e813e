import random
import struct
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.em import parse_mdoc, parse_mrc_header, parse_tilt_angles
from etdb.oip import FILE_ROLES
from etdb.sources import guess_media_type, guess_role, guess_roles
from etdb.sources.metadata import Role
from etdb.sources.roles import Seen


@pytest.mark.parametrize(
    ("path", "neighbours", "role"),
    [
        ("a.st", (), "tilt_series"),
        ("A.ALI", (), "aligned_series"),
        ("x/a.rec", (), "reconstruction"),
        ("rawdata/a.mrc", (), "tilt_series"),
        ("3dimage_1/a.mrc", (), "reconstruction"),
        ("ts_rec.mrc", (), "reconstruction"),
        ("HAADF.mrc", ("HAADF.rawtlt",), "tilt_series"),
        ("a.mrc", ("a.mrc.mdoc",), "tilt_series"),
        ("a.mrc", ("b.mrc.mdoc",), "other"),
        ("subtomo_average.mrc", (), "subvolume"),
        ("keyimg_rr1_s.jpg", (), "thumbnail"),
        ("keyimg_rr1.jpg", (), "key_image"),
        ("picture.jpg", (), "snapshot"),
        ("keymov_rr1.mp4", (), "key_movie"),
        ("monkey.flv", (), "movie"),
        ("tomogram.tif", (), "reconstruction"),
        ("a.tif", (), "snapshot"),
        ("a.mdoc", (), "metadata"),
        ("a.mod", (), "model"),
        ("a.preali", (), "aligned_series"),
        ("ts_ali.mrc", (), "aligned_series"),
        ("rawdata/ts_aligned.mrc", (), "aligned_series"),
        ("cell_seg.rec", (), "segmentation"),
        ("masks/a.mrc", (), "segmentation"),
        ("rec/a.mrc", (), "reconstruction"),
        ("tilt/2014/a.mrc", (), "tilt_series"),
        ("reconstruction/raw/tilts.mrc", (), "tilt_series"),
        ("rawdata/tomo1.mrc", (), "tilt_series"),
        ("tomo1.mrc", ("tomo1.rawtlt",), "tilt_series"),
        ("tomo1.mrc", (), "reconstruction"),
        ("sta/avg.map", (), "subvolume"),
        ("frames/a.tif", (), "frames"),
        ("frames/SuperRef_a.tif", (), "gain_reference"),
        ("gain.dm4", (), "gain_reference"),
        ("a.dm4", (), "other"),
        ("a.eer", (), "frames"),
        ("a.mrc.gz", ("a.mrc.mdoc",), "tilt_series"),
        ("a_rec.mrc.gz", (), "reconstruction"),
        ("a.st.bz2", (), "tilt_series"),
        ("a.fid", (), "alignment"),
        ("a.xf", (), "alignment"),
        ("a.rawtlt", (), "alignment"),
        ("surface.stl", (), "model"),
        ("fluorescence/a.png", (), "light_micrograph"),
        ("a_gfp.tif", (), "light_micrograph"),
        ("preview.jpg", (), "preview"),
        ("preview.mp4", (), "preview"),
        ("file_7/readme.pdf", (), "notes"),
        ("tilt.com", (), "metadata"),
        ("noextension", (), "other"),
        ("rec", (), "other"),
    ],
)
def test_roles(path, neighbours, role):
    assert guess_role(path, neighbours) == role


def test_media_types():
    assert guess_media_type("a/B.JPG") == "image/jpeg"
    assert guess_media_type("a.unknown") == guess_media_type("a") == "application/octet-stream"


def mrc(n=(512, 512, 41), *, group=0, label=b"", tilts=(), mark=b"MAP "):
    raw = bytearray(1024)
    struct.pack_into("<4i", raw, 0, *n, 1)
    struct.pack_into("<3i3f", raw, 28, *n, *n)
    struct.pack_into("<3i", raw, 64, 1, 2, 3)
    struct.pack_into("<2i", raw, 88, group, 2 * len(tilts))
    if tilts:
        raw[104:108] = b"SERI"
        struct.pack_into("<2h", raw, 128, 2, 1)
    raw[208:212] = mark
    raw[224 : 224 + len(label)] = label
    return parse_mrc_header(bytes(raw) + b"".join(struct.pack("<h", round(100 * tilt)) for tilt in tilts))


SERIES = range(-60, 63, 3)


@pytest.mark.parametrize(
    ("files", "roles"),
    [
        ({"a.mrc": mrc(tilts=SERIES)}, ["tilt_series"]),
        ({"a.mrc": mrc(tilts=[0.0] * 41, mark=b"MAP ", group=1)}, ["reconstruction"]),  # frames of one tilt
        ({"a.mrc": mrc(group=1)}, ["reconstruction"]),
        ({"a.mrc": mrc(group=0)}, ["tilt_series"]),
        ({"a.mrc": mrc(group=401)}, ["subvolume"]),
        ({"a.mrc": mrc(mark=bytes(4))}, ["other"]),
        ({"a.mrc": mrc(n=(9, 9, 1))}, ["other"]),
        # As many sections as angles, though the names differ.
        (
            {"a.mrc": mrc(mark=bytes(4)), "b.tlt": parse_tilt_angles(b"1\n" * 41, ".tlt")},
            ["tilt_series", "alignment"],
        ),
        (
            {"a.mrc": mrc(mark=bytes(4)), "b.tlt": parse_tilt_angles(b"1\n" * 40, ".tlt")},
            ["other", "alignment"],
        ),
        # What programs write into labels.
        ({"a.mrc": mrc(label=b"TILT: Tomographic reconstruction")}, ["reconstruction"]),
        ({"a.mrc": mrc(label=b"NEWSTACK: Images copied, transformed")}, ["aligned_series"]),
        ({"a.mrc": mrc(group=1, label=b"SerialEM: A Krios")}, ["tilt_series"]),
        # Held against each other.
        ({"big.mrc": mrc((512, 512, 200), group=1), "a.mrc": mrc((64,) * 3, group=1)}, ["reconstruction", "subvolume"]),
        ({"big.mrc": mrc((80, 80, 60), group=1), "a.mrc": mrc((64,) * 3, group=1)}, ["reconstruction"] * 2),
        ({"x.mrc": mrc(tilts=SERIES), "a.mrc": mrc((256, 256, 41))}, ["tilt_series", "aligned_series"]),
        ({"x.mrc": mrc(tilts=SERIES), "a.mrc": mrc((512, 512, 41))}, ["tilt_series"] * 2),
        # Frames, by what the mdoc says.
        (
            {
                "ts.st.mdoc": parse_mdoc(b"[ZValue = 0]\nSubFramePath = D:\\data\\TS_000.MRC\n"),
                "f/ts_000.mrc": mrc((9, 9, 8)),
                "f/ts_001.mrc": mrc((9, 9, 8), mark=bytes(4)),
            },
            ["metadata", "frames", "other"],
        ),
        ({"a.tif.mdoc": parse_mdoc(b"[FrameSet = 0]\nTiltAngle = 3\n"), "a.tif": None}, ["metadata", "frames"]),
        ({"a.tif.mdoc": parse_mdoc(b"[ZValue = 0]\nTiltAngle = 3\n"), "a.tif": None}, ["metadata", "tilt_series"]),
    ],
)
def test_roles_by_headers_and_neighbours(files, roles):
    found = guess_roles(Seen(path=path, look=look) for path, look in files.items())
    assert [found[path] for path in files] == roles


NAMES = st.lists(
    st.sampled_from(["a", "ts", "rec", "frames", "gain", "rawdata", "3dimage_7", "keyimg_1_s", "tomo", "é", "x.zarr"]),
    min_size=1,
    max_size=3,
)
SUFFIXES = st.sampled_from(["", ".mrc", ".mrc.gz", ".tif", ".st", ".jpg", ".mp4", ".mod", ".txt", ".rawtlt", ".mdoc"])
LOOKS = st.sampled_from([None, mrc(), mrc(group=1), mrc((64,) * 3, group=1), mrc(tilts=SERIES)])


PATHS = st.builds(lambda parts, suffix: "/".join(parts) + suffix, NAMES, SUFFIXES)


@given(st.dictionaries(PATHS, LOOKS, max_size=8), st.randoms())
def test_every_file_has_one_role_whatever_the_order(files, chance: random.Random):
    seen = [Seen(path=path, look=look) for path, look in files.items()]
    roles = guess_roles(seen, zarr=["x.zarr/"])
    assert set(roles) == {one.path for one in seen}
    assert set(roles.values()) <= set(FILE_ROLES)
    shuffled = list(seen)
    chance.shuffle(shuffled)
    assert guess_roles(shuffled, zarr=["x.zarr/"]) == roles


def test_people_can_name_every_role():
    assert set(get_args(Role)) == set(FILE_ROLES)
