import pytest

from etdb.sources import guess_media_type, guess_role


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
        ("noextension", (), "other"),
        ("rec", (), "other"),
    ],
)
def test_roles(path, neighbours, role):
    assert guess_role(path, neighbours) == role


def test_media_types():
    assert guess_media_type("a/B.JPG") == "image/jpeg"
    assert guess_media_type("a.unknown") == guess_media_type("a") == "application/octet-stream"
