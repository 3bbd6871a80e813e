"""A dataset on somebody else's page: the frames, the lines of HTML for them, and what oEmbed answers."""

import html
import json
import re
from urllib.parse import urlencode

import msgspec
import pytest

from etdb.catalogue import Query
from etdb.testing.asking import document
from etdb.web.embedding import MOVIE_SIZE, VIEWER_SIZE, embed_html, has_volumes, view_of
from etdb.web.pages.render import EMBED_HEADERS, PAGE_HEADERS

FIRST, SECOND = "01" * 32, "03" * 32
BASE = "https://etdb.example.org"
VIEWER = f"/datasets/{FIRST}/embed/viewer"
LOOK = "view:v=0,x=3,y=4,z=1,t=1,b=-20,w=1e+3,p=max,m=0-1"


def oembed(ask, url, **more):
    return ask("/oembed?" + urlencode({"url": url, **more}))


def frame(line):
    found = re.fullmatch(r"<iframe src=\"([^\"]*)\" width=\"(\d+)\" height=\"(\d+)\" (.*)></iframe>", line)
    return found[1], int(found[2]), int(found[3])


def test_the_viewer_s_frame_relaxes_framing_and_nothing_else(asked):
    answer = asked(VIEWER)
    body = answer.body.decode()
    assert answer.status == 200
    assert {name: answer.headers.get(name) for name in EMBED_HEADERS} == EMBED_HEADERS
    ours, theirs = (one["content-security-policy"] for one in (PAGE_HEADERS, EMBED_HEADERS))
    assert theirs == ours.replace("frame-ancestors 'none'", "frame-ancestors *")
    assert f'data-volumes="/api/v1/datasets/{FIRST}/volumes" data-page="/datasets/{FIRST}"' in body
    assert 'src="/static/viewer/viewer.js"' in body
    assert f'href="/datasets/{FIRST}" target="_blank"' in body
    assert "data-viewer" not in asked(f"/datasets/{FIRST}/embed").body.decode()


def test_of_what_has_no_volume_or_was_withdrawn_the_frame_is_the_usual_one(asked):
    (other,) = [one["id"] for one in document(asked("/api/v1/datasets?q=Caulobacter"))["results"]]
    (gone,) = [one["id"] for one in document(asked("/api/v1/datasets?withdrawn=true"))["results"]]
    usual = asked(f"/datasets/{other}/embed/viewer")
    assert (usual.status, usual.body) == (200, asked(f"/datasets/{other}/embed").body)
    withdrawn = asked(f"/datasets/{gone}/embed/viewer")
    assert withdrawn.status == 410
    assert b"data-viewer" not in withdrawn.body
    assert asked("/datasets/ffffff/embed/viewer").status == 404


def test_the_page_offers_the_viewer_s_line_only_where_there_is_a_volume(asked):
    (other,) = [one["id"] for one in document(asked("/api/v1/datasets?q=Caulobacter"))["results"]]
    with_volume, without = (asked(f"/datasets/{one}").body.decode() for one in (FIRST, other))
    lines = [html.unescape(one) for one in re.findall(r"<code>(&lt;iframe.*?)</code>", with_volume)]
    assert [frame(one) for one in lines] == [
        (f"{BASE}/datasets/{FIRST}/embed", *MOVIE_SIZE),
        (f"{BASE}{VIEWER}", *VIEWER_SIZE),
    ]
    assert "fullscreen; clipboard-write" in lines[1]
    assert len(re.findall("&lt;iframe", without)) == 1


@pytest.mark.parametrize(
    ("behind", "address", "size"),
    [
        ("", "/embed", MOVIE_SIZE),
        (f"#{LOOK}", f"/embed/viewer#{LOOK}", VIEWER_SIZE),
        (f"#{LOOK.replace(',', '%2C')}", f"/embed/viewer#{LOOK}", VIEWER_SIZE),
        ("/embed/viewer", "/embed/viewer", VIEWER_SIZE),
        ("#files", "/embed", MOVIE_SIZE),
        ('#view:"><script>', "/embed", MOVIE_SIZE),
        ("#view:" + "x" * 400, "/embed", MOVIE_SIZE),
    ],
)
def test_oembed_answers_for_the_page_and_for_a_view_of_the_viewer(asked, behind, address, size):
    given = document(oembed(asked, f"{BASE}/datasets/{FIRST}{behind}"))
    assert frame(given["html"]) == (f"{BASE}/datasets/{FIRST}{address}", *size)
    assert (given["width"], given["height"]) == size


def test_oembed_keeps_to_the_place_it_is_given_and_refuses_what_is_no_dataset(asked):
    given = document(oembed(asked, f"{BASE}/datasets/{FIRST}#{LOOK}", maxwidth="400", maxheight="300"))
    assert frame(given["html"])[1:] == (400, 300)
    (other,) = [one["id"] for one in document(asked("/api/v1/datasets?q=Caulobacter"))["results"]]
    assert frame(document(oembed(asked, f"{BASE}/datasets/{other}#{LOOK}"))["html"])[0].endswith("/embed")
    for url, status in (("", 404), (f"{BASE}/about", 404), ("http://[", 400), (f"{BASE}/datasets/ffffff", 404)):
        assert oembed(asked, url).status == status, url
    assert oembed(asked, f"{BASE}/datasets/{FIRST}", maxwidth="-1").status == 400


def test_a_title_cannot_leave_the_line(portal):
    view = portal.search(Query(terms={"sid": ("sample2014-01-14-1",)})).results[0]
    nasty = "a\"b'c<script>\n\u202eend"
    view = msgspec.structs.replace(view, tomogram=msgspec.structs.replace(view.tomogram, title=nasty))
    line = embed_html(BASE, view, VIEWER_SIZE, viewer=True, at=LOOK)
    assert "<script" not in line
    assert "\n" not in line
    assert "\u202e" not in line
    assert line.count("<") == line.count(">") == 2
    assert json.dumps(line)


def test_which_views_and_volumes_are_meant(portal):
    assert view_of(LOOK) == LOOK
    assert view_of("view:") == "view:"
    assert [view_of(one) for one in ("", "View:x=1", "view:x=1&y", "view:x=1\n", " view:x=1", "view:%22")] == [""] * 6
    views = {one.tomogram.sid: one for one in portal.search(Query()).results}
    assert has_volumes(views["sample2014-01-14-1"])
    assert not has_volumes(views["another-1"])
