import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.em.real import real

from etdb.em import ImodContour, ImodModel, ImodObject, read_model, walk_model
from etdb.errors import FormatError

NAMES = ("meshed_contour", "meshed_curvature", "multiple_objects", "point_sizes", "slicer_angle", "two_contour")


def made(objects, *, announced=None, pixel=1.5, unit=-9, end=b"IEOF"):
    """A model by the letter of the specification; objects are (flags, [contours of points], [sizes])."""
    head = b"IMODV1.2" + b"a model".ljust(128, b"\0")
    head += struct.pack(">3i", 100, 90, 80) + struct.pack(">i", len(objects) if announced is None else announced)
    head += struct.pack(">I4i", 0, 1, 1, 0, 255) + struct.pack(">6f", 0, 0, 0, 1, 1, 2) + struct.pack(">3i", 0, 0, 0)
    head += struct.pack(">2if2i3f", 3, 0, pixel, unit, 0, 0, 0, 0)
    for flags, contours, sizes in objects:
        head += b"OBJT" + b"cell".ljust(64, b"\0") + bytes(64)
        head += struct.pack(">iI2i3fi", len(contours), flags, 0, 1, 0.25, 0.5, 1.0, 7) + bytes(8) + bytes(8)
        for number, points in enumerate(contours):
            head += b"CONT" + struct.pack(">iIii", len(points), 0, 0, number)
            head += b"".join(struct.pack(">3f", *point) for point in points)
            head += b"LABL" + struct.pack(">i", 3) + b"abc"
            if sizes:
                head += b"SIZE" + struct.pack(f">i{len(points)}f", 4 * len(points), *[2.5] * len(points))
        head += b"IMAT" + struct.pack(">i", 12) + bytes(12)
        head += b"MESH" + struct.pack(">2iI2h", 1, 2, 0, 0, 0) + bytes(12 + 8)
    return head + b"VIEW" + struct.pack(">i", 4) + bytes(4) + end


coordinates = st.floats(-1e4, 1e4, width=32)
contours = st.lists(st.lists(st.tuples(coordinates, coordinates, coordinates), max_size=5), max_size=4)


@given(st.lists(st.tuples(st.sampled_from([0, 8, 512]), contours, st.booleans()), max_size=4))
def test_what_was_written_is_read(objects):
    data = made(objects)
    steps = list(walk_model(io.BytesIO(data)))
    assert isinstance(steps[0], ImodModel)
    found = [one for one in steps if isinstance(one, ImodContour)]
    written = [(points, sizes) for _, several, sizes in objects for points in several]
    assert [list(one.triples()) for one in found] == [points for points, _ in written]
    for one, (points, sizes) in zip(found, written, strict=True):
        assert (None if one.point_sizes is None else list(one.point_sizes)) == ([2.5] * len(points) if sizes else None)
    forms = {0: "closed", 8: "open", 512: "scattered"}
    assert [one.form for one in steps if isinstance(one, ImodObject)] == [forms[flags] for flags, _, _ in objects]
    look = read_model(io.BytesIO(data))
    points = [point for several, _ in written for point in several]
    assert (look.points, look.contours, look.meshes) == (len(points), len(written), len(objects))
    assert look.low == (tuple(min(axis) for axis in zip(*points, strict=True)) if points else None)
    assert (look.name, look.image_size, look.z_scale) == ("a model", (100, 90, 80), 2.0)
    assert look.pixel_spacing_angstrom == 15.0


@pytest.mark.parametrize("name", NAMES)
def test_real_models_against_a_plain_reading(name):
    """CONT marks found by searching, points by numpy."""
    path = real(f"imod/{name}_example.mod")
    data = path.read_bytes()
    expected = []
    at = data.find(b"CONT")
    while at >= 0:
        count = int(np.frombuffer(data, ">i4", 1, at + 4)[0])
        expected.append(np.frombuffer(data, ">f4", 3 * count, at + 20))
        at = data.find(b"CONT", at + 20 + 12 * count)
    with path.open("rb") as file:
        found = [one for one in walk_model(file) if isinstance(one, ImodContour)]
        file.seek(0)
        look = read_model(file)
    assert len(found) == len(expected) == look.contours > 0
    for one, points in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.array(one.points), points.astype("f4"))
    assert look.meshes == data.count(b"MESH")
    assert (len(look.objects), look.name) == (data.count(b"OBJT"), "IMOD-NewModel")


def test_sizes_of_points_in_a_real_model():
    with real("imod/point_sizes_example.mod").open("rb") as file:
        steps = list(walk_model(file))
        file.seek(0)
        look = read_model(file)
    assert [(o.form, o.has_point_sizes) for o in look.objects] == [
        ("scattered", True),
        ("open", False),
        ("open", True),
    ]
    sized = [one for one in steps if isinstance(one, ImodContour) and one.point_sizes is not None]
    assert [len(one.point_sizes) for one in sized] == [len(one) for one in sized]
    assert look.pixel_spacing_angstrom == 12.399


@pytest.mark.parametrize("name", NAMES)
def test_a_model_cut_off_anywhere_is_refused(name):
    data = real(f"imod/{name}_example.mod").read_bytes()
    for end in {0, 7, 8, 200, 240, *range(241, len(data) - 4, max(1, len(data) // 97))}:
        with pytest.raises(FormatError):
            read_model(io.BytesIO(data[:end]))


ONE = [(0, [[(1.0, 2.0, 3.0)]], False)]


@pytest.mark.parametrize(
    "data",
    [
        made(ONE, announced=0),
        made(ONE, announced=-1),
        made([], announced=10_001),
        made(ONE).replace(b"CONT" + struct.pack(">i", 1), b"CONT" + struct.pack(">i", -1)),
        made(ONE).replace(b"CONT" + struct.pack(">i", 1), b"CONT" + struct.pack(">i", 2**31 - 1)),
        made(ONE).replace(b"LABL" + struct.pack(">i", 3), b"LABL" + struct.pack(">i", -3)),
        made(ONE).replace(b"MESH" + struct.pack(">i", 1), b"MESH" + struct.pack(">i", 2**31 - 1)),
        made([(0, [[(float("nan"), 0, 0)]], False)]),
        made(ONE).replace(b"OBJT", b"CONT"),
        made(ONE).replace(b"VIEW", b"\0\1\2\3"),
        b"IMODV1.1" + made(ONE)[8:],
        b"imod 1\nobject 0 1 0\n",
    ],
)
def test_what_cannot_be_is_refused(data):
    with pytest.raises(FormatError):
        read_model(io.BytesIO(data))


def test_a_missing_end_mark_and_an_unknown_spacing_are_no_fault():
    look = read_model(io.BytesIO(made(ONE, end=b"", pixel=1.0, unit=0)))
    assert (look.points, look.pixel_spacing_angstrom) == (1, None)
