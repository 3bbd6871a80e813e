"""The viewer's addresses as clients meet them: documents, pictures, the virtual Zarr, Neuroglancer, refusals."""

import http.client
import json
from contextlib import closing
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest
from tests.unit.web.volumes.conftest import known_volume, write_mrc

from etdb.catalogue import Catalogue
from etdb.oip import FileEntry, Tomogram
from etdb.testing.catalogue import dataset_id_of, fill_catalogue
from etdb.web import neuroglancer
from etdb.web.api import volumes as api
from etdb.web.application import portal_app
from etdb.web.portal import Portal
from etdb.web.serving import serving
from etdb.web.volumes import shelf
from etdb.workspace import PortalSettings


class Answer:
    def __init__(self, response, content):
        self.status_code, self.content = response.status, content
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def text(self):
        return self.content.decode()

    def json(self):
        return json.loads(self.content)


class Client:
    """Plain requests, as they are written: nothing is followed or made better on the way."""

    def __init__(self, url, portal):
        self.place, self.portal = urlsplit(url).netloc, portal

    def get(self, path, method="GET", **headers):
        with closing(http.client.HTTPConnection(self.place, timeout=20)) as connection:
            connection.request(method, path, headers=headers)
            with connection.getresponse() as response:
                return Answer(response, response.read())


@pytest.fixture
def client(site):
    folder = site.folder / "d"
    folder.mkdir()
    write_mrc(folder / "a.rec", known_volume((6, 40, 50)))
    (folder / "b.mrc.gz").write_bytes(b"1")
    (folder / "c.mrc").write_bytes(b"no volume at all")
    (folder / "d.mod").write_bytes(b"no model")
    root = site.add_folder(folder)
    entries = [FileEntry(path=path, role="reconstruction") for path in ("a.rec", "b.mrc.gz", "c.mrc", "d.mod", "e.mrc")]
    with Catalogue(site.folder / "catalogue.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, [Tomogram(title="t", location=str(root), files=tuple(entries))])
        portal = Portal(
            catalogue,
            site.store,
            PortalSettings(requests_per_second=1_000_000, requests_at_once=1_000_000),
            network="local",
        )
        with serving(portal_app(portal)) as url:
            yield Client(url, portal)


@pytest.fixture
def listed(client):
    return client.get(f"/api/v1/datasets/{dataset_id_of(0)}/volumes").json()


def test_what_is_shown_comes_first_and_the_rest_says_why_not(listed):
    assert [(one["path"], bool(one["reason"])) for one in listed] == [
        ("a.rec", False),
        ("b.mrc.gz", True),
        ("c.mrc", True),
        ("e.mrc", True),
    ]
    assert "packed" in listed[1]["reason"]
    assert "shorter than a header" in listed[2]["reason"]
    assert "not on this machine" in listed[3]["reason"]
    assert listed[0]["shape"] == [6, 40, 50]
    assert listed[0]["zarr_url"] == f"/zarr/{listed[0]['cid']}/"


def test_the_api_describes_them(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    for path in ("/datasets/{dataset_id}/models", "/models/{cid}", "/datasets/{dataset_id}/volumes"):
        assert "200" in paths["/api/v1" + path]["get"]["responses"]


def test_models_that_cannot_be_drawn_say_why(client):
    (only,) = client.get(f"/api/v1/datasets/{dataset_id_of(0)}/models").json()
    assert only["model"] is None
    assert "not a model" in only["reason"]


@pytest.mark.parametrize(("form", "mark"), [("jpeg", b"\xff\xd8"), ("webp", b"RIFF"), ("png", b"\x89PNG")])
def test_pictures(client, listed, form, mark):
    found = client.get(f"{listed[0]['slice_url']}?axis=z&index=3&format={form}")
    assert found.status_code == 200
    assert found.content.startswith(mark)
    assert found.headers["content-type"] == f"image/{form}"
    assert "immutable" in found.headers["cache-control"]
    assert "content-encoding" not in found.headers


@pytest.mark.parametrize(
    "query",
    [
        "axis=t", "index=-1", "index=1e3", "thickness=0", "thickness=65", "binning=65", "format=tiff",
        "black=1", "black=nan&white=2", "projection=min", "unknown=1",
    ],
)  # fmt: skip
def test_questions_without_meaning(client, listed, query):
    found = client.get(f"{listed[0]['slice_url']}?{query}")
    assert found.status_code == 400
    assert found.headers["content-type"] == "application/problem+json"


def test_a_slice_beyond_the_last(client, listed):
    assert client.get(f"{listed[0]['slice_url']}?index=6").status_code == 404


@pytest.mark.parametrize("url", ["/api/v1/volumes/x/slice", "/api/v1/models/x", "/zarr/x/zarr.json"])
def test_what_is_no_cid(client, url):
    assert client.get(url).status_code == 404


def test_no_more_slices_at_a_time_than_the_limit(client, listed, monkeypatch):
    monkeypatch.setattr(api, "_WAIT_S", 0)
    taken = [api._cutting.acquire() for _ in range(api.MAX_SLICES)]
    try:
        assert client.get(listed[0]["slice_url"]).status_code == 429
    finally:
        for _ in taken:
            api._cutting.release()
    assert client.get(listed[0]["slice_url"]).status_code == 200


def test_no_more_volumes_are_opened_at_a_time_than_the_limit(client, monkeypatch):
    monkeypatch.setattr(shelf, "_WAIT_S", 0)
    opening = client.portal.volumes._opening
    taken = [opening.acquire() for _ in range(shelf.MAX_OPENING)]
    listing = f"/api/v1/datasets/{dataset_id_of(0)}/volumes"
    try:
        assert client.get(listing).status_code == 429
    finally:
        for _ in taken:
            opening.release()
    found = client.get(listing).json()
    assert [one["path"] for one in found if not one["reason"]] == ["a.rec"]
    taken = [opening.acquire(blocking=False) for _ in range(shelf.MAX_OPENING)]
    assert all(taken)  # each place came back
    try:
        assert client.get(found[0]["slice_url"]).status_code == 200  # it is open
    finally:
        for _ in taken:
            opening.release()


def test_the_virtual_zarr_is_open_to_other_pages_and_kept_for_ever(client, listed):
    base = listed[0]["zarr_url"]
    found = client.get(base + "zarr.json", origin="https://elsewhere.example")
    assert found.headers["access-control-allow-origin"] == "*"
    assert msgspec.json.decode(found.content)["attributes"]["ome"]["version"] == "0.5"
    chunk = client.get(base + "0/c/0/0/0")
    assert "immutable" in chunk.headers["cache-control"]
    values = np.frombuffer(chunk.content, "<i2").reshape(16, 128, 128)
    assert np.array_equal(values[:6, :40, :50], known_volume((6, 40, 50)))
    assert not values[6:].any()
    assert client.get(base + "0/c/0/0/0", "HEAD").status_code == 200
    assert client.get(base + "zarr.json", "OPTIONS").status_code == 204
    missing = client.get(base + ".zattrs")
    assert missing.status_code == 404
    assert missing.headers["access-control-allow-origin"] == "*"


def test_neuroglancer_is_served_with_a_policy_of_its_own(client):
    pytest.importorskip("neuroglancer", reason="left out: neuroglancer is not installed")
    assert client.get("/neuroglancer").headers["location"] == neuroglancer.CLIENT
    page = client.get(neuroglancer.CLIENT)
    policy = page.headers["content-security-policy"]
    assert "connect-src 'self'" in policy
    assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
    assert "/static/neuroglancer.js" in page.text
    assert "wasm-unsafe-eval" not in client.get("/").headers["content-security-policy"]
    script = next(name for name in neuroglancer._names() if name.startswith("main") and name.endswith(".js"))
    assert "immutable" in client.get(neuroglancer.CLIENT + script).headers["cache-control"]
    for name in ("../server.py", "..%2f__init__.py", "main.js.map", "nothing.js"):
        assert client.get(neuroglancer.CLIENT + name).status_code == 404


def test_without_neuroglancer(client, monkeypatch):
    monkeypatch.setattr(neuroglancer, "_folder", lambda: None)
    found = client.get(neuroglancer.CLIENT)
    assert found.status_code == 404
    assert "pip install 'etdb[neuroglancer]'" in found.text
    listed = client.get(f"/api/v1/datasets/{dataset_id_of(0)}/volumes").json()
    assert listed[0]["neuroglancer_url"] == ""
