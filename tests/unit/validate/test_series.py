"""What tells of one tilt series is put together by name."""

from __future__ import annotations

import pytest
from tests.unit.validate.lab import ANGLES, Lab, images, mdoc, mrc

from etdb.validate.subject import plain_name

OTHER = tuple(angle + 0.4 for angle in ANGLES)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("raw/TS_01.mrc.mdoc", "ts_01"),
        ("TS_01.mdoc", "ts_01"),
        ("TS_01.st", "ts_01"),
        ("TS_01_ali.mrc", "ts_01"),
        ("TS_01.rawtlt", "ts_01"),
        ("TS_01.mrc.gz", "ts_01"),
        ("TS_01_rec.mrc", "ts_01"),
        ("TS_01.xf", "ts_01"),
        ("TS_01a.st", "ts_01a"),
        ("mdoc.txt", "mdoc.txt"),
    ],
)
def test_names_without_what_they_are(path, name):
    assert plain_name(path) == name


def second(lab: Lab, angles: tuple[float, ...] = OTHER) -> None:
    lab.write("raw/TS_02.mrc", mrc(images(seed=50)))
    lab.write("raw/TS_02.mrc.mdoc", mdoc(OTHER, ImageFile="TS_02.mrc", SubFramePath=None))
    lab.angles("TS_02.rawtlt", angles)
    lab.toml(dose_e_per_a2=200)


def test_two_series_are_each_checked_by_themselves(lab):
    second(lab)
    assert lab.find(ignore=("statements-differ", "series-several")) == []


def test_angles_of_one_series_are_not_compared_with_the_other(lab):
    second(lab, ANGLES)
    found = {(one.id, one.file) for one in lab.find()}
    assert ("tilt-mdoc-rawtlt", "TS_02.rawtlt") in found
    assert not any(file == Lab.RAW for _, file in found)


def test_of_the_same_name_the_folder_decides(tmp_path):
    lab = Lab(tmp_path)
    for n, angles in ((1, ANGLES), (2, OTHER)):
        lab.write(f"p{n}/stack.st", mrc(images(seed=60 + n)))
        lab.write(f"p{n}/stack.st.mdoc", mdoc(angles, ImageFile=f"p{n}.st", SubFramePath=None))
        lab.angles(f"p{n}/stack.rawtlt", angles)
    ids = ("statements-differ", "record-tilt-range", "dose-sum", "series-several")
    assert lab.find(ignore=ids) == []
    lab.angles("p2/stack.rawtlt", ANGLES)
    assert {(one.id, one.file) for one in lab.find(ignore=ids)} == {("tilt-mdoc-rawtlt", "p2/stack.rawtlt")}
    lab.remove("p1/stack.st.mdoc")
    lab.angles("p2/stack.rawtlt", OTHER)
    assert {(one.id, one.file) for one in lab.find(ignore=ids)} == {("mdoc-missing", "p1/stack.st")}


def test_the_only_angles_are_of_the_only_stack_whatever_they_are_called(lab):
    lab.remove(Lab.RAW)
    lab.angles("tilts.rawtlt", ANGLES[:4])
    assert "tilt-count" in lab.ids()
