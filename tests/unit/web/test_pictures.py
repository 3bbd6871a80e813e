"""The home page's pictures: what all of them weigh, which come first, and what strangers say of theirs."""

import re

import msgspec
import pytest

from etdb.catalogue import Query
from etdb.oip import FileEntry
from etdb.testing.asking import asking
from etdb.testing.wall import full_portal, heavy_picture
from etdb.web.application import portal_app
from etdb.web.pages.featured import load_featured, shown_sections
from etdb.web.pages.pictures import PICTURE_BYTES_AT_HOME, home_tiles, small_picture, small_picture_url

LARGE = tuple(25_000 + 1_000 * (number % 16) for number in range(18))


def pictures(ask):
    return list(dict.fromkeys(re.findall(r'<img src="(/ipfs/[^"]+)"', ask("/").body.decode())))


def weight(ask):
    return sum(len(ask(url).body) for url in pictures(ask))


def test_a_picture_is_of_the_weight_it_was_made_for():
    assert len(heavy_picture(30_000, 3)) == 30_000


def test_a_full_home_page_of_large_thumbnails_stays_within_its_bytes(tmp_path):
    with full_portal(tmp_path, LARGE) as portal:
        ask = asking(portal_app(portal))
        page = ask("/").body.decode()
        assert PICTURE_BYTES_AT_HOME * 0.8 < weight(ask) <= PICTURE_BYTES_AT_HOME < sum(LARGE)
        everything = [ask(url) for url in dict.fromkeys(re.findall(r'(?:src|href)="(/(?:static|ipfs)/[^"]+)"', page))]
        assert all(one.status == 200 for one in everything)
        assert len(page.encode()) + sum(len(one.body) for one in everything) < 300_000
        assert "Dataset 17" in page
        assert 'href="/featured/' in page


def test_small_thumbnails_all_have_their_place(tmp_path):
    with full_portal(tmp_path, [9_000] * 18) as portal:
        ask = asking(portal_app(portal))
        assert len(pictures(ask)) == 18
        assert 'class="no-picture"' not in ask("/").body.decode()


def test_the_newest_comes_first_and_sections_have_a_share_of_their_own(tmp_path):
    with full_portal(tmp_path, LARGE) as portal:
        _, _, sections = load_featured()
        wall, featured = home_tiles(portal, portal.newest(12), shown_sections(portal, sections)[:6])
    assert [one.view.tomogram.title for one in wall][:3] == ["Dataset 17", "Dataset 16", "Dataset 15"]
    assert [bool(one.picture) for one in wall[:4]] == [True] * 4
    assert featured[0].section is not None
    assert featured[0].picture
    assert featured[1].picture


def test_one_huge_thumbnail_takes_no_picture_from_the_others(tmp_path):
    with full_portal(tmp_path, [9_000, 9_000, 9_000, 700_000]) as portal:
        wall, _ = home_tiles(portal, portal.newest(12), [])
    assert [bool(one.picture) for one in wall] == [False, True, True, True]


def test_huge_thumbnails_alone_leave_a_few_tiles_and_no_bytes(tmp_path):
    with full_portal(tmp_path, [400_000] * 8) as portal:
        wall, _ = home_tiles(portal, portal.newest(12), [])
    assert [one.picture for one in wall] == [""] * 3


def test_a_section_s_dataset_on_the_wall_is_loaded_once(tmp_path):
    with full_portal(tmp_path, [60_000] * 3) as portal:
        _, _, sections = load_featured()
        wall, featured = home_tiles(portal, portal.newest(12), shown_sections(portal, sections)[:6])
    assert sum(bool(one.picture) for one in wall) == 2
    assert {one.picture for one in wall if one.picture} <= {one.picture for one in featured}
    assert len({one.picture for one in (*wall, *featured)} - {""}) == 3


@pytest.mark.parametrize(("where", "pictured"), [("here", 4), ("elsewhere", 8), ("nobody", 0)])
def test_a_record_that_understates_its_thumbnail_is_believed_only_of_files_elsewhere(
    tmp_path, monkeypatch, where, pictured
):
    held = where == "here"
    with full_portal(tmp_path, [50_000] * 8, said=10, held=held) as portal:
        monkeypatch.setattr(portal, "availability", lambda _view: where)
        wall, _ = home_tiles(portal, portal.newest(12), [])
        view = portal.newest(1)[0]
        assert portal.held_size(view, "keyimg_s.jpg") == (50_000 if held else None)
        assert portal.held_size(view, "none.jpg") is None
        assert portal.held_size(view, "../keyimg_s.jpg") is None
    assert sum(bool(one.picture) for one in wall) == pictured


def test_a_file_whose_weight_nobody_knows_is_not_shown_at_home(tmp_path, monkeypatch):
    with full_portal(tmp_path, [9_000], held=False) as portal:
        monkeypatch.setattr(portal, "availability", lambda _view: "elsewhere")
        view = portal.search(Query(limit=1)).results[0]
        entry = msgspec.structs.replace(view.tomogram.files[0], size_bytes=None)
        view = msgspec.structs.replace(view, tomogram=msgspec.structs.replace(view.tomogram, files=(entry,)))
        wall, _ = home_tiles(portal, [view], [])
        assert [one.picture for one in wall] == [""]
        assert small_picture_url(view)


def chosen(portal, *files):
    view = portal.search(Query(limit=1)).results[0]
    found = small_picture(msgspec.structs.replace(view, tomogram=msgspec.structs.replace(view.tomogram, files=files)))
    return found and found.path


def test_of_the_encodings_of_a_thumbnail_the_smallest_stands_for_the_dataset(tmp_path):
    def file(path, size, role="thumbnail"):
        return FileEntry(path=path, size_bytes=size, role=role)

    with full_portal(tmp_path, [9_000]) as portal:
        jpeg, webp = file("a/small.jpg", 9_000), file("a/small.webp", 4_000)
        assert chosen(portal, jpeg, webp) == "a/small.webp"
        assert chosen(portal, file("a/small.jpg", None), webp) == "a/small.webp"
        assert chosen(portal, jpeg, file("b/small.webp", 10)) == "a/small.jpg", "another picture"
        assert chosen(portal, file("movie.mp4", 10), file("key.png", 90, "key_image")) == "key.png"
        assert chosen(portal, file("movie.mp4", 10)) is None
