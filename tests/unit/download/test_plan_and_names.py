import pytest

from etdb.download import FILE_CLASSES, dataset_folder_name, file_class, plan_download, safe_component, safe_paths
from etdb.errors import InputError
from etdb.manifest import MANIFEST_NAME
from etdb.oip.tomogram import FILE_ROLES, FileEntry, Tomogram

ID = "ab" * 32


def record(*files, **fields):
    return Tomogram(title="T", location="bafy", files=files, **fields)


def entry(path, role="other", size=1, media_type=""):
    return FileEntry(path=path, role=role, size_bytes=size, media_type=media_type)


def test_every_role_is_in_a_class():
    assert {file_class(entry("a", role)) for role in FILE_ROLES} == set(FILE_CLASSES)


@pytest.mark.parametrize(
    ("role", "media_type", "expected"),
    [
        ("preview", "image/png", "images"),
        ("snapshot", "video/mp4", "videos"),
        ("other", "image/jpeg", "images"),
        ("other", "image/tiff", "others"),
        ("reconstruction", "image/tiff", "reconstructions"),
        ("tilt_series", "image/png", "tilt-series"),
    ],
)
def test_pictures_and_movies_go_by_their_media_type(role, media_type, expected):
    assert file_class(entry("a", role, media_type=media_type)) == expected


def test_sizes_and_counts():
    t = record(entry("a.st", "tilt_series", 10), entry("b.rec", "reconstruction", None), entry("c", size=5))
    plan = plan_download([(ID, t), (ID, t)])
    assert (plan.files, plan.size_bytes, plan.files_of_unknown_size) == (3, 15, 1)
    plan = plan_download([(ID, t)], ["tilt-series", "others"])
    assert [f.path for f in plan.datasets[0].files] == ["a.st", "c"]
    assert plan.datasets[0].left_out == ("b.rec",)
    assert plan_download([(ID, t)], ["none"]).files == 0


@pytest.mark.parametrize("types", [["tilt"], ["none", "images"], ["TILT-SERIES"]])
def test_wrong_types(types):
    with pytest.raises(InputError):
        plan_download([(ID, record())], types)


@pytest.mark.parametrize("fields", [{"location": ""}, {"storage_network": "bittorrent"}])
def test_no_content(fields):
    with pytest.raises(InputError, match="no content on IPFS"):
        plan_download([(ID, Tomogram(title="T", **{"location": "bafy", **fields}))])


def test_names_do_not_depend_on_the_chosen_types():
    t = record(entry("a/B.st", "tilt_series"), entry("a/b.st", "reconstruction"))
    whole = {f.path: f.target for f in plan_download([(ID, t)]).datasets[0].files}
    for types in (["tilt-series"], ["reconstructions"]):
        for f in plan_download([(ID, t)], types).datasets[0].files:
            assert f.target == whole[f.path]
    assert len({v.casefold() for v in whole.values()}) == 2


def test_the_manifest_and_our_own_files_cannot_be_overwritten():
    names = [MANIFEST_NAME, "RO-Crate-Metadata.JSON", "etdb-dataset.json", ".etdb-incomplete/x.part", "a\0b"]
    targets = [f.target for f in plan_download([(ID, record(*map(entry, names)))]).datasets[0].files]
    assert len(targets) == 4
    assert not {t.casefold() for t in targets} & {MANIFEST_NAME, "etdb-dataset.json"}
    assert not any(t.startswith(".") for t in targets)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b.mrc", "a b.mrc"),
        ("ä.mrc", "ä.mrc"),
        ("a\u0308.mrc", "ä.mrc"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("-rf", "_-rf"),
        (".bashrc", "_.bashrc"),
        ("a\nb", "a_b"),
        ("a:b\\c", "a_b_c"),
        ("con", "_con"),
        ("COM1.txt", "_COM1.txt"),
        ("a. ", "a"),
        ("x\u202egnp.exe", "x_gnp.exe"),
        ("\ud800", "_"),
    ],
)
def test_safe_component(name, expected):
    assert safe_component(name) == expected


def test_long_names_keep_their_suffix_and_stay_apart():
    one, two = safe_component("ü" * 300 + "1.mrc"), safe_component("ü" * 300 + "2.mrc")
    assert one != two
    assert one.endswith(".mrc")
    assert len(one.encode()) <= 200


def test_folder_names():
    assert dataset_folder_name("rr2014-01-14-5", ID) == "rr2014-01-14-5-abababab"
    assert dataset_folder_name("a/../b\n c", ID) == "a_.._b c-abababab"
    assert dataset_folder_name("", ID) == "abababab"
    assert "/" not in dataset_folder_name("x", "../../../etc")


def test_two_datasets_never_share_a_folder():
    other = ID[:8] + "cd" * 28
    folders = [d.folder for d in plan_download([(ID, record(sid="A")), (other, record(sid="a"))]).datasets]
    assert len({f.casefold() for f in folders}) == 2


def test_a_file_and_a_folder_of_one_name():
    names = safe_paths(["a", "a/b", "A/c", "x/y", "x"])
    assert len(set(names.values())) == 5
    files = {n.casefold() for n in names.values()}
    folders = {n.casefold().rpartition("/")[0] for n in names.values()} - {""}
    assert not files & folders


def test_the_other_name_of_a_folder_can_be_taken_as_well():
    folder_of_the_second = safe_paths(["d", "d/x"])["d/x"].partition("/")[0]
    names = safe_paths(["d", folder_of_the_second, "d/x"])
    assert len(set(names.values())) == 3
    assert names["d/x"].partition("/")[0] not in names.values()


def test_deep_and_long_paths_become_flat():
    names = safe_paths(["/".join("d" * 40) + "/f.mrc", "/".join(["n" * 190] * 8)])
    assert all("/" not in n for n in names.values())
