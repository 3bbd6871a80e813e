"""The slice viewer in a frame on somebody else's page, which another server has."""

import http.server
import json
import threading
import time
import urllib.parse
import urllib.request
from contextlib import closing, contextmanager

import numpy as np
import pytest
from tests.browser.conftest import check_axe
from tests.browser.viewer.viewing import CLOSE, SAMPLE, Lab, opened, portal_of
from tests.browser.viewer.volumes import known_dataset, ramps

from etdb.em.contrast import Levels, to_grey

pytestmark = pytest.mark.browser

LOOK = "view:v=0,x=30,y=66,z=15,b=0,w=10000"
READY = "(() => { const r = document.querySelector('[data-viewer]');"
READY += " return Boolean(r && r.dataset.sharp && r.viewer.source.busy.size === 0); })()"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    made = Lab(folder)
    made.known = made.publish(known_dataset(folder / "known"), 'Ramps & a "cube"')
    with closing(made.store):
        yield made


@pytest.fixture(scope="module")
def portal(lab):
    with portal_of(lab) as (url, _):
        yield url.rstrip("/")


@contextmanager
def foreign_page(line):
    """A page of another site, with a frame far down; gives its address, which has another host than the portal's."""
    body = f"<!doctype html><title>Theirs</title><link rel=icon href=data:,><p>{'Text. ' * 40}</p>"
    body += f"<div style='height:1500px'></div>{line}<div style='height:1500px'></div>"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def embedded(page, foreign):
    """Open that page, scroll to the frame, and give the frame once its viewer is sharp."""
    page.goto(foreign)
    assert page.evaluate("scrollY") == 0
    page.locator("iframe").scroll_into_view_if_needed()
    deadline = time.monotonic() + 20
    while len(page.frames) < 2 or not page.frames[1].evaluate(READY):
        assert time.monotonic() < deadline, "the viewer never drew"
        page.wait_for_timeout(50)
    return page.frames[1]


def line_of_page(page, portal, lab):
    page.goto(f"{portal}/datasets/{lab.known}")
    page.locator("summary", has_text="Share or embed").click()
    return page.locator("pre", has_text="/embed/viewer").inner_text()


def line_of_oembed(_page, portal, lab):
    url = urllib.parse.quote(f"{portal}/datasets/{lab.known}#{LOOK}", safe="")
    with urllib.request.urlopen(f"{portal}/oembed?url={url}&maxwidth=900") as answer:
        return json.load(answer)["html"]


@pytest.mark.parametrize("line_of", [line_of_page, line_of_oembed])
def test_the_viewer_draws_in_a_frame_of_another_site(browser, lab, portal, line_of):
    levels = Levels(0.0, 10_000.0)
    with opened(browser) as page:
        line = line_of(page, portal, lab)
        if line_of is line_of_page:
            line = line.replace("/embed/viewer", f"/embed/viewer#{LOOK}")
        with foreign_page(line) as foreign:
            frame = embedded(page, foreign)
            assert frame.url.startswith(portal)
            for h, v in [(5, 5), (120, 40), (5, 80), (120, 90), (35, 72)]:
                red, green, blue = frame.evaluate(SAMPLE, ["xy", h, v])
                assert red == green == blue
                assert abs(red - int(to_grey(np.array([ramps()[15, v, h]]), levels)[0])) <= CLOSE, (h, v)
            sizes = "[document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight]"
            assert frame.evaluate(sizes) == [0, frame.evaluate("innerHeight")], "nothing in the frame is cut off"
        page.goto("about:blank")


def test_a_frame_is_left_where_it_is_and_its_link_leads_to_the_dataset(browser, lab, portal):
    with opened(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        line = line_of_page(page, portal, lab).replace('loading="lazy"', "").replace("/viewer", f"/viewer#{LOOK}")
        with foreign_page(line) as foreign:
            page.goto(foreign)
            page.wait_for_timeout(1_500)
            assert page.evaluate("scrollY") == 0, "the frame does not pull the page to itself"
            frame = embedded(page, foreign)
            frame.get_by_role("button", name="Copy a link").click()
            frame.get_by_text("on the clipboard").wait_for()
            copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == f"{portal}/datasets/{lab.known}#{LOOK.replace(',b=', ',t=1,b=')}"
        page.goto(copied)
        assert page.get_by_role("heading", level=1).inner_text() == 'Ramps & a "cube"'
        page.goto("about:blank")


@pytest.mark.parametrize("width", [320, 800])
def test_axe_finds_nothing_in_the_frame(browser, lab, portal, width):
    with opened(browser, viewport={"width": width, "height": 560}) as page:
        page.goto(f"{portal}/datasets/{lab.known}/embed/viewer")
        deadline = time.monotonic() + 20
        while not page.evaluate(READY):
            assert time.monotonic() < deadline
            page.wait_for_timeout(50)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
        check_axe(page)
