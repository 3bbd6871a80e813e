"""Pillow and ffmpeg make the files; we say their sizes."""

import io
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.em import read_movie, read_picture
from etdb.errors import FormatError

Image = pytest.importorskip("PIL.Image", reason="left out: Pillow is not installed (etdb[previews])")
SAVES = {
    "jpeg": ({}, {"progressive": True}, {"icc_profile": bytes(70_000), "exif": b"Exif\0\0" + bytes(9000)}),
    "png": ({},),
    "gif": ({},),
    "webp": ({}, {"lossless": True}, {"exif": b"Exif\0\0" + bytes(200)}),
    "bmp": ({},),
}
CASES = [(form, options) for form, several in SAVES.items() for options in several]


def saved(form, options, width, height):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (9, 200, 30)).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("form", "options"), CASES)
@pytest.mark.parametrize("size", [(1, 1), (640, 37), (3, 1200)])
def test_pictures_that_pillow_made(form, options, size):
    look = read_picture(io.BytesIO(saved(form, options, *size)))
    assert (look.form, look.width, look.height) == (form, *size)


@pytest.mark.parametrize(("form", "options"), CASES)
def test_cut_off_pictures_are_refused_or_right(form, options):
    data = saved(form, options, 640, 37)
    for end in (0, 1, 4, 11, 20, 24, 25):
        try:
            look = read_picture(io.BytesIO(data[:end]))
        except FormatError:
            continue
        assert (look.width, look.height) == (640, 37)


@given(st.binary(max_size=200))
def test_a_jpeg_of_anything_ends(tail):
    try:
        look = read_picture(io.BytesIO(b"\xff\xd8" + tail))
    except FormatError:
        return
    assert look.width > 0


def test_no_side_is_refused():
    data = bytearray(saved("png", {}, 5, 5))
    data[16:20] = bytes(4)
    with pytest.raises(FormatError):
        read_picture(io.BytesIO(bytes(data)))


@pytest.fixture(scope="module")
def movies(tmp_path_factory):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="left out: imageio-ffmpeg is not installed (etdb[previews])")
    folder = tmp_path_factory.mktemp("movies")
    picture = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=2.5"]
    sound = ["-f", "lavfi", "-i", "sine=duration=2.5"]
    more = {"a.mp4": [], "fast.mp4": [*sound, "-movflags", "+faststart"], "a.mov": [], "a.avi": [], "a.flv": []}
    for name, options in more.items():
        command = [ffmpeg.get_ffmpeg_exe(), "-v", "error", *picture, *options, str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return folder


@pytest.mark.parametrize(
    ("name", "form", "codec"),
    [
        ("a.mp4", "mp4", "avc1"),
        ("fast.mp4", "mp4", "avc1"),
        ("a.mov", "mov", "avc1"),
        ("a.avi", "avi", "FMP4"),
        ("a.flv", "flv", "FLV1"),
    ],
)
def test_movies_that_ffmpeg_made(movies, name, form, codec):
    with (movies / name).open("rb") as file:
        look = read_movie(file)
    assert (look.form, look.width, look.height, look.codec) == (form, 320, 240, codec)
    assert look.duration_s == pytest.approx(2.5, abs=0.11)


def test_a_movie_without_its_index_is_refused(movies):
    data = (movies / "a.mp4").read_bytes()
    with pytest.raises(FormatError, match="no index"):
        read_movie(io.BytesIO(data[: data.find(b"moov") - 4]))


@pytest.mark.parametrize("data", [b"", b"RIFF\0\0\0\0AVI ", b"text" * 100, b"\0\0\0\x04ftyp" + bytes(40)])
def test_no_movie_is_refused(data):
    with pytest.raises(FormatError):
        read_movie(io.BytesIO(data))


def test_boxes_without_end_are_refused():
    endless = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08free" * 3000 + b"\0\0\0\x08moov"
    with pytest.raises(FormatError, match="boxes"):
        read_movie(io.BytesIO(endless))
    deep = b""
    for _ in range(40):
        deep = (len(deep) + 8).to_bytes(4, "big") + b"moov" + deep
    with pytest.raises(FormatError, match="levels"):
        read_movie(io.BytesIO(b"\0\0\0\x10ftypisom\0\0\0\0" + deep))


@pytest.mark.parametrize("inside", [8, 12, 15])
def test_a_box_whose_head_reaches_beyond_its_folder_is_refused(tmp_path, inside):
    """What is left of the folder is less than nothing then: with 15 bytes the whole rest of the file was read."""
    box = b"\0\0\0\x01mvhd" + (100).to_bytes(8, "big")
    movie = b"\0\0\0\x10ftypisom\0\0\0\0" + (8 + inside).to_bytes(4, "big") + b"moov" + box
    path = tmp_path / "a.mp4"
    path.write_bytes(movie + bytes(1000))
    with path.open("rb") as file, pytest.raises(FormatError):
        read_movie(file)
