import copy
import json

import pytest

from etdb.em import level_paths, parse_ome_zarr
from etdb.errors import FormatError

AXES = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
SCALES = [
    {
        "version": "0.4",
        "name": "tomo",
        "axes": AXES,
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]},
            {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [2.0, 1.0, 1.0]}]},
        ],
    }
]
ARRAYS = {
    "0": {"shape": [10, 20, 30], "chunks": [10, 10, 10], "dtype": "<i2"},
    "1": {"shape": [5, 10, 15], "chunks": [5, 10, 10], "dtype": "<i2"},
}


def test_version_0_4():
    group = {"multiscales": SCALES}
    assert level_paths(group) == ("0", "1")
    look = parse_ome_zarr("a/tomo.zarr", group, ARRAYS)
    assert (look.folder, look.version, look.axes, look.name) == ("a/tomo.zarr", "0.4", ("z", "y", "x"), "tomo")
    assert [(one.shape, one.data_type, one.spacing_angstrom) for one in look.levels] == [
        ((10, 20, 30), "int16", (10.0, 5.0, 5.0)),
        ((5, 10, 15), "int16", (20.0, 10.0, 10.0)),
    ]
    assert not look.is_labels


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_that_zarr_wrote(tmp_path, version):
    zarr = pytest.importorskip("zarr", reason="left out: zarr is not installed (etdb[previews])")
    scales = copy.deepcopy(SCALES)
    attributes = {"multiscales": scales} if version == 2 else {"ome": {"version": "0.5", "multiscales": scales}}
    root = zarr.open_group(tmp_path / "t.zarr", mode="w", zarr_format=version, attributes=attributes)
    for path, size in (("0", 16), ("1", 8)):
        root.create_array(path, shape=(size, size, size), chunks=(8, 8, 8), dtype="uint8")
    group_name, array_name = (".zattrs", ".zarray") if version == 2 else ("zarr.json", "zarr.json")
    group = json.loads((tmp_path / "t.zarr" / group_name).read_bytes())
    arrays = {path: json.loads((tmp_path / "t.zarr" / path / array_name).read_bytes()) for path in level_paths(group)}
    look = parse_ome_zarr("t.zarr", group, arrays)
    assert [(one.shape, one.chunk_shape, one.data_type) for one in look.levels] == [
        ((16, 16, 16), (8, 8, 8), "uint8"),
        ((8, 8, 8), (8, 8, 8), "uint8"),
    ]
    assert look.version == {2: "0.4", 3: "0.5"}[version]


def test_labels():
    assert parse_ome_zarr("t", {"multiscales": SCALES, "image-label": {}}, ARRAYS).is_labels
    assert parse_ome_zarr("t.zarr/labels/cells", {"multiscales": SCALES}, ARRAYS).is_labels


def test_units_that_are_no_length_tell_no_spacing():
    scales = copy.deepcopy(SCALES)
    scales[0]["axes"] = [{"name": "t", "type": "time", "unit": "second"}, {"name": "y"}, "x"]
    levels = parse_ome_zarr("t", {"multiscales": scales}, ARRAYS).levels
    assert levels[0].spacing_angstrom == (None, None, None)


def changed(change):
    group, arrays = {"multiscales": copy.deepcopy(SCALES)}, copy.deepcopy(ARRAYS)
    change(group["multiscales"][0], arrays)
    return group, arrays


@pytest.mark.parametrize(
    "change",
    [
        lambda scale, arrays: scale["datasets"][0].update(path="../../etc"),
        lambda scale, arrays: scale["datasets"][0].update(path="/etc"),
        lambda scale, arrays: scale["datasets"][0].update(path=7),
        lambda scale, arrays: scale.update(datasets=[]),
        lambda scale, arrays: scale.update(datasets=scale["datasets"] * 17),
        lambda scale, arrays: scale.update(axes=AXES * 2),
        lambda scale, arrays: scale.pop("axes"),
        lambda scale, arrays: arrays["0"].update(shape=[10, 20]),
        lambda scale, arrays: arrays["0"].update(shape=[10, 20, -3]),
        lambda scale, arrays: arrays["0"].update(shape=[10, 20, True]),
        lambda scale, arrays: arrays["0"].update(chunks=None),
        lambda scale, arrays: arrays.pop("1"),
    ],
)
def test_what_contradicts_itself_is_refused(change):
    with pytest.raises(FormatError):
        parse_ome_zarr("t", *changed(change))


@pytest.mark.parametrize("group", [None, [], {}, {"multiscales": []}, {"multiscales": [3]}, {"attributes": {"ome": 1}}])
def test_no_image_is_refused(group):
    with pytest.raises(FormatError):
        parse_ome_zarr("t", group, {})
