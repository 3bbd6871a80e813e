"""The key movie and the viewer in browsers of other makes: Firefox, and WebKit, which Safari is made of."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager

import pytest
from tests.browser.conftest import MOVIE_ID
from tests.browser.other_browsers import Firefox, WebKit, missing_programs

pytestmark = pytest.mark.interop

BROWSERS = {"firefox": Firefox, "webkit": WebKit}
# Debian's WebKit (2.50) stands still at the end of the second time round, also on a bare page of nginx with a movie.
ROUNDS = {"firefox": 2, "webkit": 1}
WAIT_S = 60.0
MOVIE = """
const movie = document.querySelector("video");
return movie && [movie.currentTime, movie.paused, movie.muted, movie.loop, movie.videoWidth, String(movie.error)];
"""
SHADES = """
const canvas = document.querySelector(".viewer[data-ready=true] canvas");
if (!canvas) return 0;
const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
return new Set(pixels.filter((_, at) => at % 4 === 0)).size;
"""


@contextmanager
def opened(name, folder):
    if missing := missing_programs(name):
        pytest.skip(f"left out: the pages in {name}, because {missing} is not on this machine")
    driven = BROWSERS[name](folder)
    try:
        yield driven
    finally:
        driven.end()


def wait_until(is_so, trouble):
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, trouble()
        time.sleep(0.2)


@pytest.mark.parametrize("name", BROWSERS)
def test_the_movie_plays_at_once_and_loops_and_the_viewer_draws(name, site, tmp_path):
    with opened(name, tmp_path) as browser:
        browser.go(f"{site}/datasets/{MOVIE_ID}")
        seen = [browser.run(MOVIE)]

        def has_begun_again() -> bool:
            seen.append(browser.run(MOVIE))
            again = sum(later[0] < before[0] - 0.5 for before, later in itertools.pairwise(seen))
            return again == ROUNDS[name]

        wait_until(has_begun_again, lambda: seen[-3:])
        assert seen[-1][1:] == [False, True, True, 160, "null"]
        wait_until(lambda: browser.run(SHADES) > 20, lambda: browser.run("return document.body.innerText")[:500])
