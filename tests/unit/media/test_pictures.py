import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from etdb.media import draw_label, draw_scale_bar, encode_jpeg, encode_webp, fit_grey, plan_scale_bar


@given(st.integers(32, 2000), st.floats(0.01, 1e6))
def test_a_bar_is_round_and_fits(width, pixel_angstrom):
    bar = plan_scale_bar(width, pixel_angstrom)
    number, unit = bar.text.split()
    assert unit in {"nm", "µm"}
    length_angstrom = float(number) * {"nm": 10, "µm": 1e4}[unit]
    assert bar.pixels * pixel_angstrom == pytest.approx(length_angstrom)
    mantissa = f"{length_angstrom:.5e}"
    assert mantissa.split("e", maxsplit=1)[0] in {"1.00000", "2.00000", "5.00000"}
    assert width * 0.28 / 2.5 * 0.999 <= bar.pixels <= width * 0.28 * 1.001


@pytest.mark.parametrize(
    ("width", "pixel", "text"),
    [(1024, 13.1, "200 nm"), (1024, 40, "1 µm"), (400, 1.0, "10 nm"), (256, 0.1, "0.5 nm"), (512, 3.36e3, "20 µm")],
)
def test_lengths_in_the_units_of_the_field(width, pixel, text):
    assert plan_scale_bar(width, pixel).text == text


@pytest.mark.parametrize("pixel", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_no_spacing_no_bar(pixel):
    assert plan_scale_bar(512, pixel) is None


def test_the_bar_is_as_long_as_it_says():
    bar = plan_scale_bar(500, 10.0)
    drawn = draw_scale_bar(np.full((400, 500), 120, np.uint8), bar)
    rows = [max(map(len, "".join("1" if v == 255 else "0" for v in row).split("0"))) for row in drawn]
    assert max(rows) == round(bar.pixels) == 100
    where = np.argwhere(drawn != 120)
    assert where[:, 0].min() > 300  # the lower left, nothing else is touched
    assert where[:, 1].max() < 250


def test_words_say_that_there_is_no_scale_and_the_original_stays():
    ground = np.full((400, 500), 120, np.uint8)
    assert (draw_scale_bar(ground, None) != 120).any()
    assert (draw_label(ground, "-60.0°")[:200, 250:] != 120).any()
    assert (ground == 120).all()


@pytest.mark.parametrize("shape", [(48, 48), (48, 600), (600, 48)])
def test_small_and_narrow_pictures_are_drawn_on(shape):
    for bar in (None, plan_scale_bar(shape[1], 5.0)):
        assert draw_scale_bar(np.zeros(shape, np.uint8), bar).shape == shape


def test_files_that_others_read():
    picture = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (200, 1))
    for data, kind in ((encode_jpeg(picture), "JPEG"), (encode_webp(picture), "WEBP")):
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == (kind, (300, 200))
            read = np.asarray(image.convert("L")).astype(int)
        assert np.abs(read - picture).max() < 12
    assert fit_grey(picture, 150).shape == (100, 150)
    assert fit_grey(picture, 400) is picture
