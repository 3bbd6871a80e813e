"""The pages on a phone: what leads on is in a menu, nothing is cut, and files are rows that fit."""

from __future__ import annotations

import pytest
from tests.browser.conftest import MOVIE_ID
from tests.browser.test_pages import check_axe, settle

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
CUT = """
(names) => [...document.querySelectorAll(names)].filter((one) => {
  const box = one.getBoundingClientRect();
  const outer = one.closest("a").getBoundingClientRect();
  return one.scrollHeight > one.clientHeight + 1 || box.top < outer.top - 1 || box.bottom > outer.bottom + 1;
}).map((one) => one.textContent)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_menu_leads_on_and_is_there_without_javascript(browser, site, scheme):
    context = browser.new_context(base_url=site, viewport=PHONE, color_scheme=scheme, java_script_enabled=False)
    page = context.new_page()
    page.goto("/datasets")
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Publishers")
    assert link.count() == 0
    page.locator("summary", has_text="Menu").click()
    assert link.count() == 1
    box = link.bounding_box()
    assert box["height"] >= 40
    assert box["x"] + box["width"] <= PHONE["width"]
    link.click()
    assert page.url.endswith("/publishers")
    context.close()


def test_the_open_menu_is_accessible_and_a_wide_window_has_none(page):
    page.goto("/datasets")
    settle(page)
    assert page.get_by_role("navigation", name="Main").get_by_role("link", name="Publishers").is_visible()
    assert not page.locator("summary", has_text="Menu").is_visible()
    page.set_viewport_size(PHONE)
    page.locator("summary", has_text="Menu").click()
    check_axe(page)
    assert page.troubles == []


@pytest.mark.parametrize("address", ["/", "/datasets"])
def test_no_title_is_cut(page, address):
    page.set_viewport_size(PHONE)
    page.goto(address)
    settle(page)
    assert page.locator(".wall span, .card .title").count() > 0
    assert page.evaluate(f"({CUT})('.wall span:not(.no-picture), .card .title')") == []


def test_each_file_fits_with_its_download(page):
    page.set_viewport_size(PHONE)
    page.goto(f"/datasets/{MOVIE_ID}")
    settle(page)
    rows = page.locator(".files tbody tr")
    assert rows.count() == 6
    for row in rows.all():
        download = row.get_by_role("link", name="Download").bounding_box()
        assert download["x"] >= 0
        assert download["x"] + download["width"] <= PHONE["width"]
        assert row.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0
    table = page.locator(".scroll:has(.files)")
    assert table.evaluate("(e) => e.scrollWidth - e.clientWidth") == 0
