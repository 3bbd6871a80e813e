"""The whole way: files in place, a gateway over HTTP, a download into an empty folder."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from etdb.blocks import FilesInPlace
from etdb.blocks.gateway import GatewayStore
from etdb.download import NetworkFinder, SourcePool, download, plan_content, plan_download
from etdb.ipfs import cid_of
from etdb.manifest import MANIFEST_NAME
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving

from .conftest import MIB, noise

FILES = {"raw/a tilt series.st": noise(5 * MIB + 17), "tiny.txt": b"x"}


@pytest.fixture
def served(tmp_path):
    store = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
    added = {}
    for path, data in FILES.items():
        place = tmp_path / "lab" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        added[path] = store.add_file(place)
    root = store.add_directory(added)
    entries = tuple(FileEntry(path=p, size_bytes=len(d), role="tilt_series") for p, d in FILES.items())
    with serving(gateway_app(store)) as url:
        yield url, Tomogram(title="T", files=entries, location=str(root)), tmp_path / "lab"
    store.close()


def fetch(url, tomogram, target):
    gateway = GatewayStore(url)
    try:
        return download(plan_download([("ab" * 32, tomogram)]), [gateway], target, jobs=2, sleep=lambda _: None)
    finally:
        gateway.close()


def test_files_in_place_to_another_folder(served, tmp_path):
    url, tomogram, _ = served
    report = fetch(url, tomogram, tmp_path / "out")
    assert report.is_complete, report.datasets[0].failed
    assert report.sources == (url,)
    folder = report.datasets[0].folder
    assert {p: (folder / p).read_bytes() for p in FILES} == FILES
    assert not (folder / MANIFEST_NAME).exists()


def test_a_gateway_of_ours_says_itself_that_it_has_a_dataset(tmp_path):
    store = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
    root = store.add_directory({"a.txt": store.add_bytes(b"content")})
    app = gateway_app(store)
    with serving(app) as url:
        app.state.providers.announce(url)
        with NetworkFinder([url], allow_private=True) as finder:
            pool = SourcePool([], finder=finder).for_dataset(root)
            plan = plan_content(root, pool)
            report = download(plan, [], tmp_path / "out", finder=finder)
            assert finder.find(cid_of(b"somebody else's"), 1) == []
    store.close()
    assert report.is_complete
    assert report.sources == (url,)
    assert (tmp_path / "out" / str(root) / "a.txt").read_bytes() == b"content"
    assert [one.name for one in (tmp_path / "out" / str(root)).iterdir()] == ["a.txt"], "no record: nothing beside it"


def test_a_file_that_changed_at_the_lab_is_never_taken_for_the_published_one(served, tmp_path):
    url, tomogram, lab = served
    path: Path = lab / "raw/a tilt series.st"
    data = bytearray(path.read_bytes())
    data[3 * MIB] ^= 1
    path.write_bytes(data)
    report = fetch(url, tomogram, tmp_path / "out")
    assert [f.path for f in report.datasets[0].failed] == ["raw/a tilt series.st"]
    assert not (report.datasets[0].folder / "raw/a tilt series.st").exists()
    path.write_bytes(FILES["raw/a tilt series.st"])
    again = fetch(url, replace(tomogram), tmp_path / "out")
    assert again.is_complete, again.datasets[0].failed
    assert again.kept_bytes >= 3 * MIB
