"""The slice viewer in Chromium: what it draws compared with the volume, hands and keys, proofs, slow lines."""

import io
import os
import re
import time
from contextlib import closing
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from tests.browser.viewer.viewing import CLOSE, SAMPLE, Lab, opened, portal_of
from tests.browser.viewer.volumes import CUBE, known_dataset, ramps, write_large, write_mrc

from etdb.em.contrast import Levels, to_grey

pytestmark = pytest.mark.browser

WIDE = "b=0,w=10000"
LEVELS = Levels(0.0, 10_000.0)
ROOT = "document.querySelector('[data-viewer]')"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer")
    made = Lab(folder)
    made.known = made.publish(known_dataset(folder / "known"), "Ramps and a cube")
    with closing(made.store):
        yield made


@pytest.fixture(scope="module")
def portal(lab):
    with portal_of(lab) as (url, _):
        yield url


def go(page, portal, dataset, view=""):
    page.goto(f"{portal}/datasets/{dataset}" + (f"#view:{view}" if view else ""))
    page.locator("[data-viewer]").scroll_into_view_if_needed()
    until(page, f"{ROOT}?.dataset.ready")
    settled(page)


def until(page, condition, seconds=20):
    """Ask again until it is so; Playwright's own waiting evaluates text, which the pages' policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def settled(page):
    """Every pane has its sharp picture."""
    until(page, f"{ROOT}.dataset.sharp !== undefined && {ROOT}.viewer.source.busy.size === 0")


def sample(page, pane, horizontal, vertical):
    return page.evaluate(SAMPLE, [pane, horizontal, vertical])


def view(page):
    return page.evaluate(f"{ROOT}.viewer.view")


def expected(value):
    return int(to_grey(np.array([value]), LEVELS)[0])


@pytest.mark.parametrize("ratio", [1, 2])
def test_three_planes_are_the_volume(browser, lab, portal, ratio):
    values = ramps()
    with opened(browser, device_scale_factor=ratio) as page:
        go(page, portal, lab.known, f"v=0,x=30,y=66,z=15,{WIDE}")
        for pane, places in {
            "xy": [(h, v, values[15, v, h]) for h, v in [(5, 5), (120, 40), (5, 80), (120, 90), (35, 72)]],
            "zy": [(h, v, values[h, v, 30]) for h, v in [(3, 30), (44, 30), (3, 75), (44, 90), (12, 72)]],
            "xz": [(h, v, values[v, 66, h]) for h, v in [(5, 3), (120, 20), (5, 30), (120, 40), (36, 18)]],
        }.items():
            for h, v, value in places:
                red, green, blue = sample(page, pane, h, v)
                assert red == green == blue
                assert abs(red - expected(value)) <= CLOSE, (pane, h, v)


def test_the_cross_hair_links_the_planes(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=100,y=20,z=30,{WIDE}")
        box = page.locator(".pane-xy").bounding_box()
        at = page.evaluate(
            """() => { const p = document.querySelector('[data-viewer]').viewer.panes.xy, r = devicePixelRatio;
            return [(p.canvas.width / 2 + (30.5 - p.middle[0]) * p.scale) / r,
                    (p.canvas.height / 2 + (96 - 66.5 - p.middle[1]) * p.scale) / r]; }"""
        )
        page.mouse.click(box["x"] + at[0], box["y"] + at[1])
        settled(page)
        assert {name: view(page)[name] for name in "xyz"} == {"x": 30, "y": 66, "z": 30}
        page.locator(".pane-zy").hover()
        page.mouse.wheel(0, 120)
        page.mouse.wheel(0, -120)
        page.mouse.wheel(0, -120)
        until(page, f"{ROOT}.viewer.view.x === 31")
        # The line through the first pane stands where the third one is cut.
        red, green, blue = sample(page, "xy", 31, 5)
        assert red > blue and red > green  # noqa: PT018


@pytest.mark.parametrize(("projection", "put"), [("", np.mean), (",p=max", np.max)])
def test_thickness(browser, lab, portal, projection, put):
    values = ramps()[2:17].astype(float)
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=64,y=48,z=9,t=15,{WIDE}{projection}")
        for h, v in [(30, 68), (100, 20), (10, 90)]:
            assert abs(sample(page, "xy", h, v)[0] - expected(put(values[:, v, h]))) <= CLOSE


def test_contrast_by_hand_and_back(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, "v=0,x=64,y=48,z=30")
        before = sample(page, "xy", 100, 20)[0]
        page.get_by_label("White", exact=True).evaluate("e => { e.value = 400; e.dispatchEvent(new Event('input')); }")
        until(page, f"{ROOT}.viewer.view.white !== null")
        settled(page)
        black, white = view(page)["black"], view(page)["white"]
        value = ramps()[30, 20, 100]
        assert abs(sample(page, "xy", 100, 20)[0] - int(to_grey(np.array([value]), Levels(black, white))[0])) <= CLOSE
        page.get_by_role("button", name="Auto contrast").click()
        settled(page)
        assert view(page)["black"] is None
        assert abs(sample(page, "xy", 100, 20)[0] - before) <= 1


def test_a_permalink_shows_the_same_again(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, "v=0,x=30,y=66,z=15")
        page.locator(".pane-xy").hover()
        page.keyboard.down("Control")
        for _ in range(4):
            page.mouse.wheel(0, -120)
        page.keyboard.up("Control")
        page.mouse.down()
        page.mouse.move(500, 500, steps=4)
        page.mouse.up()
        page.get_by_label("Slice thickness").select_option("5")
        page.get_by_label("How slices are put together").select_option("max")
        settled(page)
        page.wait_for_timeout(400)
        address, first = page.url, view(page)
        picture = page.locator(".pane-xy").evaluate("c => c.toDataURL()")
    with opened(browser) as page:
        page.goto(address)
        until(page, f"{ROOT}?.dataset.ready")
        settled(page)
        again = view(page)
        assert {k: v for k, v in again.items() if not isinstance(v, float)} == {
            k: v for k, v in first.items() if not isinstance(v, float)
        }
        for name in ("zoom", "middleX", "middleY"):
            assert again[name] == pytest.approx(first[name], rel=1e-5)
        assert page.locator(".pane-xy").evaluate("c => c.toDataURL()") == picture


def test_keys_alone(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, "v=0,x=30,y=66,z=15")
        page.locator(".pane-xy").focus()
        for keys, name, value in [
            (["ArrowUp", "ArrowUp", "ArrowDown"], "z", 16),
            (["Shift+ArrowUp"], "z", 26),
            (["PageDown"], "z", 16),
            (["End"], "z", 47),
            (["Home"], "z", 0),
        ]:
            for key in keys:
                page.keyboard.press(key)
            assert view(page)[name] == value
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowUp")
        assert view(page)["x"] == 31
        page.keyboard.press("+")
        assert page.evaluate(f"{ROOT}.viewer.panes.zy.isFit") is False
        page.keyboard.press("r")
        assert page.evaluate(f"{ROOT}.viewer.panes.zy.isFit") is True
        page.keyboard.press("m")
        until(page, f"{ROOT}.dataset.models === '1'")
        page.keyboard.press("f")
        until(page, "document.fullscreenElement !== null")
        page.keyboard.press("f")
        until(page, "document.fullscreenElement === null")
        settled(page)


def test_the_picture_as_png(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=30,y=66,z=15,o=0,{WIDE}")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Save the picture").click()
        download = waiting.value
        assert download.suggested_filename == "ramps.mrc-z16.png"
        data = download.path().read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        size = page.evaluate(f"[{ROOT}.viewer.panes.xy.canvas.width, {ROOT}.viewer.panes.xy.canvas.height]")
        assert [int.from_bytes(data[at : at + 4], "big") for at in (16, 20)] == size


def test_a_tilt_series_tells_its_angles(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known)
        page.get_by_label("Volume").select_option(label="tilts.st")
        until(page, f"{ROOT}.viewer.volume.path === 'tilts.st'")
        settled(page)
        assert page.evaluate(f"{ROOT}.viewer.shownPanes") == ["xy"]
        assert page.evaluate(f"{ROOT}.viewer.panes.xy.label") == "0.0°   (3 of 5)"
        page.locator(".pane-xy").focus()
        page.keyboard.press("End")
        assert page.evaluate(f"{ROOT}.viewer.panes.xy.label") == "60.5°   (5 of 5)"
        page.keyboard.press("Home")
        assert page.evaluate(f"{ROOT}.viewer.panes.xy.label") == "\N{MINUS SIGN}60.0°   (1 of 5)"
        settled(page)


def test_two_volumes_quickly_switched(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=64,y=48,z=15,{WIDE}")
        for name in ("small.mrc", "ramps.mrc", "small.mrc", "tilts.st", "ramps.mrc"):
            page.get_by_label("Volume").select_option(label=name)
        settled(page)
        assert page.evaluate(f"{ROOT}.viewer.volume.path") == "ramps.mrc"
        page.evaluate(f"{ROOT}.viewer.change({{z: 15, black: 0, white: 10000}})")
        settled(page)
        assert abs(sample(page, "xy", 100, 20)[0] - expected(ramps()[15, 20, 100])) <= CLOSE


def test_annotations(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=100,y=20,z=15,{WIDE},m=0")
        until(page, f"{ROOT}.dataset.models === '1'")
        # The square's left side, x = 20, between voxels 19 and 20; in another section it is not there.
        red, green, _ = sample(page, "xy", 19.5, 68)
        assert green > 200 > red
        marks = page.evaluate(f"{ROOT}.viewer.panes.xy.marks")
        assert [len(one["circles"]) for one in marks] == [0, 1]
        assert marks[1]["circles"][0] == pytest.approx([90, 66, 6])
        page.evaluate(f"{ROOT}.viewer.change({{z: 20}})")
        settled(page)
        marks = page.evaluate(f"{ROOT}.viewer.panes.xy.marks")
        assert [len(one["lines"]) for one in marks] == [0, 0]
        # Ball one lies 5.5 - 0.5 below the slice, ball two 4.5 - 0.5 + ... above: both are cut smaller.
        assert len(marks[1]["circles"]) == 2
        assert all(0 < circle[2] < 6 for circle in marks[1]["circles"])
        page.evaluate(f"{ROOT}.viewer.change({{x: 30}})")
        settled(page)
        through = page.evaluate(f"{ROOT}.viewer.panes.zy.marks")[0]["circles"]
        assert [[round(n, 1) for n in one] for one in through] == [[15.5, 36, -1], [15.5, 20, -1]]
        page.get_by_role("button", name="Show the list of annotations").click()
        page.get_by_label("ramps.mod").uncheck()
        assert page.evaluate(f"{ROOT}.viewer.panes.xy.marks.length") == 0


@pytest.mark.parametrize(("path", "index"), [("ramps.mrc", 15), ("small.mrc", 5)])
def test_checked_bytes_are_what_is_drawn(browser, lab, portal, path, index):
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=10,y=10,z={index}")
        page.get_by_label("Volume").select_option(label=path)
        page.evaluate(f"{ROOT}.viewer.change({{z: {index}, black: 0, white: 10000}})")
        settled(page)
        page.get_by_label("Check bytes").check()
        until(page, f"{ROOT}.dataset.checked === 'held'")
        assert "checked in this browser" in page.locator(".viewer-status").inner_text()
        assert "entity-bytes=" in page.locator(".viewer-status a").get_attribute("href")
        values = ramps() if path == "ramps.mrc" else (ramps()[:12, :30, :40] / 7).astype(np.float32)
        for h, v in [(5, 5), (30, 5), (5, 25), (35, 22)]:
            assert abs(sample(page, "xy", h, v)[0] - expected(values[index, v, h])) <= 1


def test_a_checked_view_says_why_it_has_one_plane_and_the_others_come_back(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=30,y=66,z=15,{WIDE}")
        others = page.locator(".pane-zy, .pane-xz")
        assert [one.is_visible() for one in others.all()] == [True, True]
        page.get_by_label("Check bytes").check()
        until(page, f"{ROOT}.dataset.checked === 'held'")
        assert [one.is_visible() for one in others.all()] == [False, False]
        assert "Planes x and y cannot be checked" in page.locator(".viewer-status").inner_text()
        page.get_by_label("Check bytes").uncheck()
        settled(page)
        assert [one.is_visible() for one in others.all()] == [True, True]
        assert "Planes x and y" not in page.locator(".viewer-status").inner_text()
        assert abs(sample(page, "zy", 3, 30)[0] - expected(ramps()[3, 30, 30])) <= CLOSE


@pytest.mark.parametrize("is_hashed_here", [True, False])
def test_a_corrupted_leaf_visibly_fails(browser, tmp_path, is_hashed_here):
    """One byte changed after publishing, size and time kept: whether the portal looks or not, nothing is drawn."""
    (tmp_path / "d").mkdir()
    lab = Lab(tmp_path)
    path = write_mrc(tmp_path / "d" / "ramps.mrc", ramps())
    dataset = lab.publish(tmp_path / "d", "Damaged")
    state, data = path.stat(), bytearray(path.read_bytes())
    data[1024 + 2 * (15 * 96 * 128 + 5000)] ^= 1
    with path.open("r+b") as out:
        out.write(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with closing(lab.store), portal_of(lab, check=is_hashed_here) as (url, _), opened(browser) as page:
        page.expected += ["Failed to load resource", "ERR_"]
        go(page, url, dataset, f"v=0,x=10,y=10,z=15,{WIDE}")
        assert sample(page, "xy", 100, 20)[0] > 50
        page.get_by_label("Check bytes").check()
        until(page, f"{ROOT}.dataset.checked === 'failed'")
        status = page.locator(".viewer-status.trouble")
        assert "is not shown" in status.inner_text()
        red, green, blue = re.findall(r"\d+", status.evaluate("e => getComputedStyle(e).color"))[:3]
        assert int(red) > int(green) + 50 and int(red) > int(blue) + 50  # noqa: PT018
        assert sample(page, "xy", 100, 20)[0] < 15
        if not is_hashed_here:
            assert "a block is not what its CID names" in status.inner_text()


def test_fingers(browser, lab, portal):
    with opened(browser, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740}) as page:
        go(page, portal, lab.known, "v=0,x=64,y=48,z=15")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.locator(".pane-xy").scroll_into_view_if_needed()
        box = page.locator(".pane-xy").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = page.evaluate(f"{ROOT}.viewer.panes.xy.scale")
        cdp = page.context.new_cdp_session(page)

        def touch(kind, *points):
            cdp.send(
                "Input.dispatchTouchEvent",
                {"type": kind, "touchPoints": [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(points)]},
            )

        touch("touchStart", (x - 20, y), (x + 20, y))
        for spread in (30, 40, 50, 60):
            touch("touchMove", (x - spread, y), (x + spread, y))
        touch("touchEnd")
        until(page, f"{ROOT}.viewer.panes.xy.scale > {2 * before}")
        middle = page.evaluate(f"{ROOT}.viewer.panes.xy.middle")
        touch("touchStart", (x, y))
        touch("touchMove", (x + 30, y))
        touch("touchMove", (x + 40, y))
        touch("touchEnd")
        until(page, f"{ROOT}.viewer.panes.xy.middle[0] < {middle[0]}")
        assert view(page)["z"] == 15


def test_slow_and_failing_answers_are_told(browser, lab, portal):
    with opened(browser) as page:
        page.expected += ["Failed to load resource", "ERR_"]
        go(page, portal, lab.known, "v=0,x=64,y=48,z=15")
        page.route("**/slice?*", lambda route: route.abort())
        page.evaluate(f"{ROOT}.viewer.change({{z: 2}})")
        page.wait_for_selector(".viewer-status.trouble")
        assert "does not answer" in page.locator(".viewer-status").inner_text()
        page.unroute("**/slice?*")
        page.evaluate(f"{ROOT}.viewer.change({{z: 3}})")
        settled(page)
        page.wait_for_selector(".viewer-status:not(.trouble)")
        held = []
        page.route("**/slice?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright asks for its arguments
        page.evaluate(f"{ROOT}.viewer.change({{z: 5}})")
        page.get_by_text("Still waiting for the portal").wait_for()
        for route in held:
            route.continue_()
        page.unroute("**/slice?*")
        settled(page)
        assert "Still waiting" not in page.locator(".viewer-status").inner_text()


def test_what_is_not_shown_says_why_and_resizing_keeps_the_view(browser, lab, portal):
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=0,x=100,y=20,z=15,{WIDE}")
        page.get_by_text("Not shown here").click()
        assert "packed.mrc.gz: it is packed" in page.locator("details.viewer-help").inner_text()
        for size in ({"width": 700, "height": 700}, {"width": 1600, "height": 1000}):
            page.set_viewport_size(size)
            page.wait_for_timeout(300)
            settled(page)
            _, y, x = (one.start + 2 for one in CUBE)
            assert abs(sample(page, "xy", x + 5, y + 5)[0] - 255) <= CLOSE
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_an_ome_zarr_is_the_volume_too(browser, lab, portal):
    values = ramps()
    with opened(browser) as page:
        go(page, portal, lab.known, f"v=2,x=100,y=20,z=15,{WIDE}")
        assert page.evaluate(f"{ROOT}.viewer.volume.path") == "zcopy.ome.zarr"
        for pane, h, v, value in [
            ("xy", 35, 72, values[15, 72, 35]),
            ("xy", 110, 60, values[15, 60, 110]),
            ("zy", 40, 80, values[40, 80, 100]),
            ("xz", 20, 30, values[30, 20, 20]),
        ]:
            assert abs(sample(page, pane, h, v)[0] - expected(value)) <= CLOSE
        assert page.get_by_label("Check bytes").is_disabled()


@pytest.mark.parametrize("volume", [0, 2])
def test_neuroglancer_draws_what_we_serve(browser, lab, portal, volume):
    """Our virtual OME-Zarr of the MRC file, and the OME-Zarr of the dataset out of the gateway."""
    with opened(browser) as page:
        go(page, portal, lab.known, f"v={volume},x=30,y=66,z=15,{WIDE}")
        address = page.get_by_role("link", name="Neuroglancer").get_attribute("href")
    assert ("/zarr/" if volume == 0 else "/ipfs/") in unquote(address)
    with opened(browser) as page:
        # What Chromium says of software rendering is about this machine. The version of an OME-Zarr is found by asking.
        page.expected += ["GPU stall", "GroupMarkerNotSet", "WebGL", "swiftshader"] + ["404"] * bool(volume)
        asked = []
        page.on("response", lambda answer: asked.append((answer.status, answer.url)))
        page.goto(address)
        until(page, "Boolean(globalThis.viewer?.layerManager?.managedLayers?.[0]?.layer?.isReady)")
        page.wait_for_timeout(4000)
        assert [one for one in asked if one[0] >= 400 and not one[1].endswith((".zarray", ".zattrs"))] == []
        assert {urlsplit(one[1]).netloc for one in asked if one[1].startswith("http")} == {urlsplit(portal).netloc}
        assert any("/0/c/" in one[1] for one in asked)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    grey = np.asarray(picture).astype(int)
    # The first plane, at the cross-hair: inside the white cube. Left of the cube it is as dark as the ramp says.
    assert grey[255, 315].min() > 240
    red, green, blue = grey[255, 240]
    assert red == green == blue
    # 4.7 pixels a voxel: 80 pixels left of the cross-hair is x = 13.
    assert abs(red - expected(ramps()[15, 66, 13])) <= 12


@pytest.mark.parametrize("lacks", ["WebGL 2", "installed"])
def test_where_neuroglancer_cannot_open_the_view_says_why(browser, lab, portal, monkeypatch, lacks):
    with opened(browser) as page:
        if lacks == "installed":
            monkeypatch.setattr("etdb.web.api.volumes.has_neuroglancer", lambda: False)
            anew = {"range": "bytes=0-"}  # not the answer that is kept
            page.route("**/volumes", lambda route: route.continue_(headers={**route.request.headers, **anew}))
        else:
            page.add_init_script(
                "const given = HTMLCanvasElement.prototype.getContext;"
                "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
                "return kind === 'webgl2' ? null : given.call(this, kind, ...rest)}"
            )
        go(page, portal, lab.known, f"v=0,x=30,y=66,z=15,{WIDE}")
        link = page.get_by_role("link", name="Neuroglancer")
        link.focus()
        page.keyboard.press("Enter")
        assert lacks in page.locator(".viewer-status.trouble").inner_text()
        assert len(page.context.pages) == 1
        assert link.get_attribute("aria-disabled") == ("true" if lacks == "installed" else "false")


def test_a_large_volume_on_a_slow_line(browser, tmp_path):
    """1,024 x 1,024 x 400 int16 at 1.5 Mbit/s and 150 ms: what the first pictures cost, and what scrubbing asks for."""
    (tmp_path / "d").mkdir()
    lab = Lab(tmp_path)
    write_large(tmp_path / "d" / "large.mrc")
    dataset = lab.publish(tmp_path / "d", "Large")
    with closing(lab.store), portal_of(lab) as (url, _), opened(browser) as page:
        cdp = page.context.new_cdp_session(page)
        cdp.send("Network.enable")
        line = {"offline": False, "latency": 150, "downloadThroughput": 187_500, "uploadThroughput": 93_750}
        cdp.send("Network.emulateNetworkConditions", line)
        asked, begun, ended = {}, [], []

        def requested(event):
            if "/slice?" in event["request"]["url"]:
                asked[event["requestId"]] = event["request"]["url"]
                begun.append(event["requestId"])

        def finished(event):
            if event["requestId"] in asked:
                ended.append((event["requestId"], event.get("encodedDataLength", 0)))

        cdp.on("Network.requestWillBeSent", requested)
        cdp.on("Network.loadingFinished", finished)
        cdp.on("Network.loadingFailed", finished)
        page.goto(f"{url}/datasets/{dataset}#view:v=0")
        until(page, f"{ROOT}?.dataset.ready", 60)
        until(page, f"Object.values({ROOT}.viewer.panes).every((pane) => pane.bitmap)", 60)
        coarse = [size for name, size in ended if "format=webp" in asked[name]]
        assert len(coarse) == 3
        print(f"the first pictures of three planes: {coarse} bytes, {sum(coarse)} in all")
        assert sum(coarse) <= 40_000
        until(page, f"{ROOT}.dataset.sharp === 'z200' && {ROOT}.viewer.source.busy.size === 0", 90)
        assert all(size < 1_200_000 for _, size in ended)
        # Eighty slices in two seconds: what is asked for is what the line can bring, and the last one is seen.
        before = len(begun)
        stepping = f"""async () => {{
          let most = 0;
          for (let n = 0; n < 80; n++) {{
            {ROOT}.viewer.step({ROOT}.viewer.panes.xy, -1);
            await new Promise((go) => setTimeout(go, 25));
            most = Math.max(most, {ROOT}.viewer.source.sharp.size + {ROOT}.viewer.source.busy.size);
          }}
          return most;
        }}"""
        most = page.evaluate(stepping)
        assert view(page)["z"] == 120
        until(page, f"{ROOT}.dataset.sharp === 'z120'", 60)
        print(f"eighty steps asked for {len(begun) - before} pictures")
        assert len(begun) - before < 40
        assert most <= 2 * 3
