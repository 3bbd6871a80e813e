"""IMOD models as they are sent to be drawn: real files, and limits."""

from pathlib import Path

import pytest
from tests.conftest import SHARED_VECTORS

from etdb.em import read_model
from etdb.errors import InputError
from etdb.web.volumes import models
from etdb.web.volumes.models import ModelShelf

REAL = SHARED_VECTORS.parent / "data" / "imod"
NAMES = [
    "meshed_contour_example.mod",
    "meshed_curvature_example.mod",
    "multiple_objects_example.mod",
    "point_sizes_example.mod",
    "slicer_angle_example.mod",
    "two_contour_example.mod",
]


def real(name) -> Path:
    if not (REAL / name).exists():
        pytest.skip("left out: the real IMOD models are not beside this checkout")
    return REAL / name


@pytest.mark.parametrize("name", NAMES)
def test_real_models_are_sent_as_they_are(site, name):
    shelf = ModelShelf(site.reader)
    cid = site.add(real(name))
    with real(name).open("rb") as file:
        expected = read_model(file)
    drawing = shelf.drawing(cid)
    assert drawing.point_count == expected.points == sum(one.point_count for one in drawing.objects)
    assert [one.name for one in drawing.objects] == [one.name for one in expected.objects]
    assert not drawing.is_cut
    points = [point for one in drawing.objects for contour in one.contours for point in contour.points]
    for axis in range(3):
        assert min(p[axis] for p in points) == pytest.approx(expected.low[axis], abs=0.01)
        assert max(p[axis] for p in points) == pytest.approx(expected.high[axis], abs=0.01)
    look = shelf.look(cid)
    assert look.point_count == expected.points
    assert not any(one.contours for one in look.objects)
    assert all(len(one.colour) == 7 and one.colour[0] == "#" for one in look.objects)


def test_point_sizes_come_with_their_points(site):
    drawing = ModelShelf(site.reader).drawing(site.add(real("point_sizes_example.mod")))
    sized = [contour for one in drawing.objects for contour in one.contours if contour.sizes]
    assert sized
    assert all(len(one.sizes) == len(one.points) for one in sized)


def test_no_more_points_are_sent_than_the_limit(site, monkeypatch):
    cid = site.add(real("multiple_objects_example.mod"))
    whole = ModelShelf(site.reader).drawing(cid)
    monkeypatch.setattr(models, "MAX_SENT_POINTS", whole.point_count - 1)
    cut = ModelShelf(site.reader).drawing(cid)
    assert cut.is_cut
    assert cut.point_count == whole.point_count
    assert sum(one.point_count for one in cut.objects) < whole.point_count


def test_models_that_are_none(site, monkeypatch):
    path = site.folder / "a.mod"
    path.write_bytes(b"IMODV1.2" + bytes(100))
    shelf, cid = ModelShelf(site.reader), site.add(path)
    for ask in (shelf.look, shelf.drawing):
        with pytest.raises(InputError, match="not a model"):
            ask(cid)
    monkeypatch.setattr(models, "MAX_MODEL_BYTES", 50)
    with pytest.raises(InputError, match="are drawn"):
        shelf.drawing(cid)
