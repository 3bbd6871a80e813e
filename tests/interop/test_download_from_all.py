"""One download from a Kubo's gateway, from ours, and from a plain web server that holds a CAR, at once."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
import time
from contextlib import contextmanager

import pytest
from fcoin_node import free_port

from etdb.blocks import DagReader, FilesInPlace, write_car
from etdb.blocks.gateway import GatewayStore
from etdb.blocks.remotecar import RemoteCar
from etdb.download import download, plan_download
from etdb.oip.tomogram import FileEntry, Tomogram
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving

pytestmark = pytest.mark.interop
MIB = 1 << 20
FILES = {
    **{f"raw/{n}.st": hashlib.shake_128(bytes([n])).digest(24 * MIB + n) for n in range(3)},
    **{f"notes/{n}.txt": b"note %d" % n for n in range(40)},
}


class Plain(http.server.SimpleHTTPRequestHandler):
    """Python's own server: whole files, no ranges."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@contextmanager
def plain_server(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Plain, directory=folder))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def lab(tmp_path):
    """The files of a lab, its record, and a CAR of the dataset."""
    store = FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")
    added = {}
    for path, data in FILES.items():
        place = tmp_path / "lab" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        added[path] = store.add_file(place)
    root = store.add_directory(added)
    entries = tuple(FileEntry(path=path, size_bytes=len(data)) for path, data in FILES.items())
    static = tmp_path / "static"
    static.mkdir()
    write_car(static / f"{root}.car", [root], DagReader(store).blocks(root))
    yield store, Tomogram(title="T", files=entries, location=str(root)), static
    store.close()


def content(folder):
    return {path: (folder / path).read_bytes() for path in FILES}


def test_three_kinds_of_sources_in_one_download(lab, kubo_daemon, tmp_path):
    store, tomogram, static = lab
    kubo_daemon.run("dag", "import", str(static / f"{tomogram.location}.car"))
    with serving(gateway_app(store)) as ours, plain_server(static) as plain:
        sources = [
            RemoteCar(f"{plain}/{tomogram.location}.car", scratch=tmp_path),
            GatewayStore(kubo_daemon.gateway),
            GatewayStore(ours),
        ]
        report = download(plan_download([("ab" * 32, tomogram)]), sources, tmp_path / "out", jobs=6)
        for one in sources:
            one.close()
    assert report.is_complete, report
    assert content(report.datasets[0].folder) == FILES
    assert set(report.sources) == {one.name for one in sources}
    assert report.banned == ()


def test_kubo_is_killed_and_comes_back(lab, start_kubos, tmp_path):
    _, tomogram, static = lab
    listens = f"/ip4/127.0.0.1/tcp/{free_port()}"
    kubo = start_kubos.start(tmp_path / "kubo", Addresses__Gateway=listens)
    kubo.run("dag", "import", str(static / f"{tomogram.location}.car"))
    source = GatewayStore(kubo.gateway)
    done, kills, starts = 0, [], []

    def progress(count):
        nonlocal done
        done += count
        if done > 16 * MIB and not kills:
            kills.append(done)
            kubo.kill()

    def sleep(seconds):
        if kills and not starts:
            starts.append(done)
            kubo.start()
        time.sleep(seconds)

    report = download(
        plan_download([("ab" * 32, tomogram)]), [source], tmp_path / "out", jobs=3, progress=progress, sleep=sleep
    )
    source.close()
    assert kills
    assert starts
    assert report.is_complete, report
    assert content(report.datasets[0].folder) == FILES
    assert report.fetched_bytes == sum(map(len, FILES.values())), "nothing was brought twice"
