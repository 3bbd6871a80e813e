"""Points of the CryoET Data Portal: counted, bounded, refused by the line."""

import bz2
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.em import PackedFile, read_annotations
from etdb.em import annotations as module
from etdb.errors import FormatError

TURN = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def line(x=1, y=2, z=3, **keys):
    return {"type": "point", "location": {"x": x, "y": y, "z": z}, **keys}


def read(*lines, end="\n"):
    return read_annotations(io.BytesIO((end.join(map(json.dumps, lines))).encode()))


def test_points_of_each_type():
    look = read(
        line(1.5, -2, 3),
        line(type="orientedPoint", xyz_rotation_matrix=TURN),
        line(type="orientedPoint", xyz_rotation_matrix=[row[::-1] for row in TURN]),
        line(9, 9, 9, type="instancePoint", instance_id=4),
        line(type="instancePoint", instance_id=2),
        line(type="instancePoint", instance_id=4),
    )
    assert (look.points, look.low, look.high) == (6, (1.0, -2.0, 3.0), (9.0, 9.0, 9.0))
    assert (look.oriented, look.improper, look.instance_ids) == (2, (3,), (2, 4)), "the mirrored one, by its line"


def test_packed_and_with_the_ends_of_windows():
    data = "\r\n".join(json.dumps(line(n)) for n in range(5000)).encode()
    assert read_annotations(PackedFile(io.BytesIO(bz2.compress(data)), "bzip2")).points == 5000


def test_other_json_is_none_of_it():
    assert read({"event": "start"}, line()) is None
    with pytest.raises(FormatError, match="line 2 is not a point"):
        read(line(), {"event": "start"})


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (line(type="sphere"), "no known type"),
        (line(type="orientedPoint"), "lacks"),
        (line(type="instancePoint"), "lacks"),
        (line(type="instancePoint", instance_id=1 << 64), "lacks"),
        (line(type="instancePoint", instance_id=1.5), "not a point"),
        (line(x=None), "not a point"),
        (line(x="1"), "not a point"),
        ({"type": "point", "location": {"x": 1, "y": 2}}, "not a point"),
        ({"location": {"x": 1, "y": 2, "z": 3}}, "not a point"),
        ([1, 2, 3], "not a point"),
        (line(x=float("nan")), "not a point"),
        (line(note="x" * 20_000), "longer than"),
    ],
)
def test_what_is_no_point(one, why):
    with pytest.raises(FormatError, match=f"line 1.*{why}"):
        read(one)


def test_nothing_and_too_much(monkeypatch):
    with pytest.raises(FormatError, match="no point"):
        read_annotations(io.BytesIO(b"\n \n"))
    with pytest.raises(FormatError, match="not a point"):
        read_annotations(io.BytesIO(b'{"type":"point","location":{"x":1,"y":1,"z":1},"a":' + b"[" * 9000))
    with pytest.raises(FormatError, match="longer than"):
        read_annotations(io.BytesIO(b"x" * (1 << 20)))
    monkeypatch.setattr(module, "MAX_LINES", 3)
    monkeypatch.setattr(module, "MAX_INSTANCES", 2)
    assert read(*[line()] * 3).points == 3
    with pytest.raises(FormatError, match="more than 3 lines"):
        read(*[line()] * 4)
    with pytest.raises(FormatError, match="more than 2 instances"):
        read(*[line(type="instancePoint", instance_id=n) for n in range(3)])


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: sum(x * x for x in q) > 1e-3))
def test_every_rotation_is_one_and_none_mirrored(quaternion):
    length = sum(x * x for x in quaternion) ** 0.5
    w, x, y, z = (value / length for value in quaternion)
    matrix = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    digits = [[round(value, 4) for value in row] for row in matrix]
    mirrored = [[-value for value in row] for row in matrix]
    lines = [line(type="orientedPoint", xyz_rotation_matrix=one) for one in (matrix, digits, mirrored)]
    assert read(*lines).improper == (3,)
