"""Every page in a real browser: it loads whole, can be used with keys alone and on a phone, and axe finds nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from tests.browser.conftest import FEATURED, GONE_ID, MOVIE_ID, OTHER_ID, PUBLISHER, check_axe

from etdb.testing.wall import full_portal
from etdb.web.application import portal_app
from etdb.web.serving import serving

pytestmark = pytest.mark.browser

PAGES = {
    "home": "/",
    "browse": "/datasets",
    "table": "/datasets?view=table",
    "nothing": "/datasets?q=zzzz",
    "values": "/datasets/values/lab",
    "advanced": "/advanced",
    "dataset": f"/datasets/{MOVIE_ID}",
    "revised": f"/datasets/{'01' * 32}",
    "older": f"/datasets/{'01' * 32}?revision=1",
    "embed": f"/datasets/{MOVIE_ID}/embed",
    "embedded viewer": f"/datasets/{MOVIE_ID}/embed/viewer",
    "withdrawn": f"/datasets/{GONE_ID}",
    "withdrawn, embedded": f"/datasets/{GONE_ID}/embed",
    "featured": "/featured",
    "section": f"/featured/{FEATURED}",
    "publisher": f"/publishers/{PUBLISHER}",
    "other records": "/ledger?list=other",
    "record": f"/records/{OTHER_ID}",
    "challenges": "/challenges",
    "apps": "/apps",
    "publishers": "/publishers",
    "ledger": "/ledger",
    "about": "/about",
    "faq": "/faq",
    "terms": "/terms",
    "contact": "/contact",
    "api": "/api",
}


WORDS = {
    "dataset": "Flagellar motor, with a movie",
    "embedded viewer": "Flagellar motor, with a movie",
    "withdrawn": "This dataset was withdrawn",
    "withdrawn, embedded": "This dataset was withdrawn",
    "featured": "Cytoskeletal elements",
    "section": "Flagellar motor, with a movie",
    "publisher": "Flagellar motor, with a movie",
    "other records": OTHER_ID[:8],
    "record": '"type":"music"',
}


def visit(page, name):
    """Open a page; a tombstone's status, which the browser speaks of, is no trouble."""
    answer = page.goto(PAGES[name])
    settle(page)
    is_gone = name.startswith("withdrawn")
    assert answer.status == (410 if is_gone else 200)
    if is_gone:
        assert len(page.troubles) == 2
        assert all(one == f"410 {page.url}" or "status of 410" in one for one in page.troubles)
        page.troubles.clear()
    assert WORDS.get(name, "") in page.locator("body").text_content()


def settle(page):
    page.wait_for_load_state("networkidle")


def wait_until(page, expression):
    """The pages forbid the evaluation of text, which Playwright's own waiting does within them."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"this never came: {expression}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_loads_whole_and_axe_finds_nothing(page, name, scheme):
    page.emulate_media(color_scheme=scheme)
    visit(page, name)
    assert page.troubles == []
    check_axe(page)


@pytest.mark.parametrize("width", [360, 1920])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(page, name, width):
    page.set_viewport_size({"width": width, "height": 740})
    visit(page, name)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_a_missing_page_helps(page):
    for address, words in (("/datasets/ffff", "This is not here"), ("/featured/nothing", "This is not here")):
        assert page.goto(address).status == 404
        assert page.get_by_role("heading", level=1).inner_text() == words
        check_axe(page)


def test_words_are_searched_and_a_facet_narrows_at_once(page):
    from playwright.sync_api import expect

    page.goto("/")
    page.get_by_role("searchbox").fill("bdellovibrio")
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets?q=*")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 dataset")
    page.goto("/datasets")
    page.locator("summary", has_text="Laboratory").click()
    page.get_by_role("checkbox", name="Movie lab").check()
    page.wait_for_url("**/datasets?*lab=Movie*")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 dataset")
    page.get_by_label("Drop Laboratory: Movie lab").click()
    page.wait_for_url(lambda address: "lab=" not in address)
    expect(page.get_by_role("heading", level=1)).to_have_text("3 datasets")
    assert page.troubles == []


@pytest.mark.parametrize(("name", "most_bytes"), [("home", 300_000), ("browse", 300_000), ("about", 100_000)])
def test_pages_weigh_little(page, name, most_bytes):
    """With all that they load, as it comes over the line."""
    came = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda said: came.append(said["encodedDataLength"]))
    page.goto(PAGES[name])
    settle(page)
    assert 3 <= len(came) <= 40
    assert 1_000 < sum(came) <= most_bytes


def test_a_home_page_full_of_large_thumbnails_weighs_little(browser, tmp_path):
    """All that came over the line, headers too, when somebody has looked at the page to its end."""
    came, asked = [], []
    large = [25_000 + 1_000 * (number % 16) for number in range(18)]
    with full_portal(tmp_path, large) as portal, serving(portal_app(portal)) as url:
        context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.on("request", lambda one: asked.append(one.url))
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", lambda said: came.append(said["encodedDataLength"]))
        page.goto("/")
        for _ in range(12):
            page.mouse.wheel(0, 600)
            page.wait_for_timeout(50)
        settle(page)
        shown = page.locator("main img")
        pictures = {shown.nth(number).get_attribute("src") for number in range(shown.count())}
        assert 6 <= len(pictures) <= 18
        assert pictures <= {urlsplit(one).path for one in asked}
        assert page.evaluate("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
        assert len(came) >= len(pictures) + 3
        assert 200_000 < sum(came) <= 300_000
        context.close()


def test_ranges_apply_with_the_button_and_stay_in_the_address(page):
    page.goto("/datasets")
    page.locator("summary", has_text="Ranges").click()
    page.get_by_label("Taken, from").fill("2020-01-01")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**acquired_on**")
    assert "acquired_on" in page.url
    assert page.get_by_role("heading", level=1).inner_text() == "1 dataset"


def test_advanced_search_adds_rows_and_finds(page):
    page.goto("/advanced")
    page.get_by_label("Field, condition 1").select_option("species")
    page.get_by_label("Value, condition 1").fill("coli")
    page.get_by_label("Joined by, condition 2").select_option("not")
    page.get_by_label("Field, condition 2").select_option("tilt_max_deg")
    comparison = page.get_by_label("Comparison, condition 2")
    assert comparison.input_value() == "is"
    comparison.select_option("below")
    page.get_by_label("Value, condition 2").fill("50")
    page.get_by_role("button", name="Add a row").click()
    assert page.locator(".row").count() == 4
    page.get_by_role("button", name="Remove condition 4").click()
    page.get_by_role("button", name="Search", exact=True).last.click()
    page.wait_for_url("**/datasets?filter=*")
    assert page.get_by_role("heading", level=1).inner_text() == "1 dataset"
    page.get_by_role("link", name="Advanced search").click()
    assert page.get_by_label("Value, condition 1").input_value() == "coli"
    assert page.get_by_label("Joined by, condition 2").input_value() == "not"
    assert page.troubles == []


def test_advanced_search_works_without_javascript(browser, site):
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/advanced")
    page.get_by_label("Field, condition 1").select_option("title")
    page.get_by_label("Value, condition 1").fill("motor")
    page.get_by_role("button", name="Add a row").click()
    assert page.get_by_label("Value, condition 1").input_value() == "motor"
    page.get_by_label("Value, condition 1").press("Enter")
    assert page.get_by_role("heading", level=1).inner_text() == "1 dataset"
    context.close()


def test_the_movie_really_plays_muted_and_looping(page):
    for address in (f"/datasets/{MOVIE_ID}", f"/datasets/{MOVIE_ID}/embed"):
        page.goto(address)
        wait_until(page, "document.querySelector('video').currentTime > 0.3")
        video = page.locator("video")
        assert video.evaluate("v => [v.muted, v.loop, v.videoWidth, v.paused]") == [True, True, 160, False]


def test_who_wants_no_motion_gets_a_movie_that_waits(browser, site):
    context = browser.new_context(base_url=site, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"/datasets/{MOVIE_ID}")
    wait_until(page, "document.querySelector('video').readyState > 1")
    wait_until(page, "document.querySelector('video').paused")
    context.close()


def test_a_file_is_downloaded_as_it_is(page):
    page.goto(f"/datasets/{MOVIE_ID}")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download one.png").click()
    assert started.value.suggested_filename == "one.png"
    assert started.value.path().read_bytes()[:4] == b"\x89PNG"
    assert "Hashes" in page.locator("table.files").inner_text()


def test_snapshots_open_large_and_keys_turn_them(page):
    page.goto(f"/datasets/{MOVIE_ID}")
    page.get_by_role("link", name="of one.png").click()
    shown = page.get_by_role("dialog")
    assert shown.is_visible()
    page.keyboard.press("ArrowRight")
    assert "2 of 2" in shown.inner_text()
    check_axe(page)
    page.keyboard.press("Escape")
    assert not shown.is_visible()


def test_keys_alone_lead_from_the_first_page_to_a_dataset(page):
    page.goto("/datasets")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(80):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "(() => {const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();"
            "const isSeen = s.outlineStyle !== 'none' && s.outlineWidth !== '0px';"
            "return [e.closest('.card') !== null, isSeen, r.width > 0]})()"
        )
        assert seen[1:] == [True, True], page.evaluate("document.activeElement.outerHTML")[:200]
        if seen[0]:
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets/*")
    assert page.get_by_role("heading", level=1).is_visible()
