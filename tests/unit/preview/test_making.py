import gzip
import io
import subprocess

import numpy as np
import pytest
from PIL import Image

from etdb.errors import SourceFileError
from etdb.media import movies
from etdb.preview import make_product, thumbnail_jpeg


def frames_of(path):
    with subprocess.Popen(
        [str(movies.ffmpeg_path()), "-loglevel", "error", "-i", str(path), "-f", "image2pipe", "-c:v", "pgm", "-"],
        stdout=subprocess.PIPE,
    ) as process:
        data = process.stdout.read()
    assert process.returncode == 0
    found, place = [], 0
    while place < len(data):
        head = data[place : place + 40].split(b"\n")
        width, height = map(int, head[1].split())
        start = place + sum(len(line) + 1 for line in head[:3])
        found.append(np.frombuffer(data, np.uint8, width * height, start).reshape(height, width))
        place = start + width * height
    return found


def make(bench, kind, **fields):
    (product,) = [one for one in bench.plan(**fields).products if one.kind == kind]
    return make_product(product, bench.out)


def test_the_key_image_shows_the_central_slab_the_right_way_up(bench):
    volume = bench.noise((41, 60, 80))
    volume[18:23, 40:55, 10:30] += 2000  # bright, in the upper left: rows of MRC go upwards
    bench.mrc("cell_rec.mrc", volume)
    made = make(bench, "pictures")
    assert [one.path for one in made] == [
        "keyimg_aa-1.jpg",
        "keyimg_aa-1.webp",
        "keyimg_aa-1_s.jpg",
        "keyimg_aa-1_s.webp",
    ]
    assert made[0].notes == "mean of sections 20-22 of 41; bar 20 nm"
    for one in made[:2]:
        with Image.open(one.file) as image:
            picture = np.asarray(image.convert("L")).astype(int)
        assert picture.shape == (360, 480)
        assert picture[40:100, 70:170].mean() > 200
        assert picture[250:, 250:].mean() < 100
    with Image.open(made[2].file) as image:
        assert image.size == (256, 192)
    assert sorted(bench.out.iterdir()) == sorted(one.file for one in made)  # nothing half is left


def test_the_movie_goes_from_the_middle_through_all_sections_and_back(bench):
    volume = bench.noise((250, 64, 64)) // 4
    for z in range(250):
        volume[z, 10:20, z // 5 : z // 5 + 8] += 1500
    bench.mrc("cell_rec.mrc", volume)
    (made,) = make(bench, "movie")
    assert made.notes == "slices through z, means of 3 sections"
    frames = frames_of(made.file)
    assert len(frames) == 84
    assert frames[0].shape == (512, 512)
    # The rows of the file go upwards, so that row 10 is shown at 8 x (64 - 10).
    places = [np.flatnonzero(frame[360:424].mean(axis=0) > 180).mean() / 8 for frame in frames]
    shown = [*range(42, 84, 2), *range(83, 0, -2), *range(0, 42, 2)]
    assert places == pytest.approx([n * 250 / 84 / 5 + 4 for n in shown], abs=2)
    with Image.open(make(bench, "pictures")[0].file) as image:
        poster = np.asarray(image.convert("L")).astype(int)
    bar = np.s_[:400]  # the picture without its scale bar
    assert np.abs(poster[bar] - frames[0][bar]).mean() < 0.5 * np.abs(poster[bar] - frames[20][bar]).mean()


def test_a_movie_is_the_same_bytes_again_and_a_packed_file_gives_what_a_plain_one_does(bench):
    plain = bench.mrc("cell_rec.mrc", bench.noise((40, 64, 64)))
    first = make(bench, "movie")[0].file.read_bytes()
    assert make(bench, "movie")[0].file.read_bytes() == first
    (plain.parent / "cell_rec.mrc.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert make(bench, "movie")[0].file.read_bytes() == first


def test_a_tilt_series_rocks_there_and_back_in_the_order_of_its_angles(bench):
    angles = [0, 10, -10, 20, -20]
    stack = np.stack([bench.noise((1, 128, 128))[0] // 8 for _ in angles])
    for section, angle in enumerate(angles):
        stack[section, 40:60, 64 + 2 * angle : 72 + 2 * angle] += 3000
    bench.mrc("cell.st", stack, 5.0)
    bench.text("cell.rawtlt", "\n".join(map(str, angles)))
    pictures = make(bench, "pictures")
    assert pictures[0].notes.startswith("projection at 0.0 degrees; bar ")
    (made,) = make(bench, "tilt_movie")
    assert made.notes == "tilt series from -20.0 to 20.0 degrees"
    places = [int(np.argmax(frame[280:340].mean(axis=0))) // 4 for frame in frames_of(made.file)]
    assert [round((place - 66) / 20) for place in places] == [-2, -1, 0, 1, 2, 1, 0, -1]


def test_without_angles_the_number_is_shown_and_said(bench):
    bench.mrc("cell.st", bench.noise((4, 64, 64)))
    (made,) = make(bench, "tilt_movie")
    assert made.notes == "tilt series in the order of its file"


@pytest.mark.parametrize(
    "volume",
    [
        np.full((5, 40, 60), 7, np.int16),
        np.full((3, 20, 20), np.nan, np.float32),
        np.zeros((8, 8, 8), np.int8),
        np.arange(2 * 3 * 3000, dtype=np.float32).reshape(2, 3, 3000),
        np.full((2, 40, 40), 3e38, np.float32),
        np.random.default_rng(0).normal(size=(4, 33, 47)).astype(np.float16),
        np.random.default_rng(0).normal(size=(4, 33, 47)).astype(np.complex64),
    ],
    ids=["constant", "nan", "tiny", "line", "huge", "odd-half", "complex"],
)
def test_odd_volumes_are_shown(bench, volume):
    bench.mrc("odd_rec.mrc", volume)
    plan = bench.plan(zarr=True)
    kinds = {product.kind: make_product(product, bench.out) for product in plan.products}
    assert set(kinds) == {"pictures", "movie", "zarr"}
    for frame in frames_of(kinds["movie"][0].file):
        assert all(side % 2 == 0 and side >= 48 for side in frame.shape)


def test_a_missing_scale_is_said(bench):
    bench.mrc("cell_rec.mrc", bench.noise((4, 64, 64)), None)
    assert make(bench, "pictures")[0].notes.endswith("; scale not known")


def test_a_file_that_shrinks_on_the_way_is_an_error_and_leaves_nothing(bench):
    path = bench.mrc("cell_rec.mrc", bench.noise((40, 64, 64)))
    plan = bench.plan(zarr=True)
    path.write_bytes(path.read_bytes()[:100_000])
    for product in plan.products:
        with pytest.raises(SourceFileError, match="ended"):
            make_product(product, bench.out)
    assert [one.name for one in bench.out.rglob("*.mp4*")] == []
    assert [one.name for one in bench.out.glob("*.zarr")] == []


def test_a_small_picture_for_a_sheet(bench):
    bench.mrc("cell_rec.mrc", bench.noise((4, 64, 64)))
    with Image.open(io.BytesIO(thumbnail_jpeg(bench.plan().products[0].source, 200))) as image:
        assert image.size == (200, 200)


def test_an_encoder_that_outlived_its_run_does_not_write_into_the_next_movie(bench):
    bench.mrc("cell_rec.mrc", bench.noise((20, 64, 64)))
    (made,) = make(bench, "movie")
    whole = made.file.read_bytes()
    made.file.unlink()
    with made.file.with_name(f".{made.file.name}.tmp").open("wb") as left:
        (again,) = make(bench, "movie")
        left.write(b"its last frames")
        left.flush()
        assert again.file.read_bytes() == whole
