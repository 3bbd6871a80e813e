"""``etdb providers`` and ``etdb fetch``: a machine that knows a CID, routing servers, and nothing else."""

import datetime as dt
import json
from contextlib import closing

import pytest

from etdb.blocks import FilesInPlace
from etdb.cli import main
from etdb.ipfs import DAG_PB, UNIXFS_V1_2025, FileDag, build_tree, cid_of, leaf_digest
from etdb.manifest import MANIFEST_NAME, ManifestFile, encode_manifest
from etdb.oip import FileEntry, Tomogram
from etdb.testing.blocks import hostile_gateway
from etdb.testing.routing import http_provider, routing_server
from etdb.web.gateway import gateway_app
from etdb.web.serving import serving
from etdb.workspace import Workspace

FILES = {"raw/tilts.st": bytes(range(256)) * 9000, "notes.txt": b"short"}
PEER = "12D3KooWBPYKRYk6Vb2aZ1YxJYxA1y3xqXnSpMgKrSJvyGyNqKfW"


@pytest.fixture(scope="module")
def dataset():
    """Its root, and all of its blocks."""
    blocks, placed = [], {}
    for path, data in FILES.items():
        step = UNIXFS_V1_2025.leaf_bytes
        leaves = [data[at : at + step] for at in range(0, len(data), step)]
        dag = FileDag(b"".join(leaf_digest(leaf, UNIXFS_V1_2025) for leaf in leaves), len(data), UNIXFS_V1_2025)
        blocks += [(cid_of(leaf), leaf) for leaf in leaves]
        blocks += [(node.cid, node.data) for node in dag.nodes()]
        placed[path] = (dag.root, dag.tree_size)
    root, nodes = build_tree(placed)
    blocks += [(cid_of(node.data, codec=DAG_PB), node.data) for node in nodes]
    return root.cid, blocks


@pytest.fixture
def etdb(tmp_path, monkeypatch, capsys):
    """The command line in a folder that is no workspace; gives the status and the document."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETDB_WORKSPACE", raising=False)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words), "--json"])
        return ended.value.code, json.loads(capsys.readouterr().out)

    return run


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("as_lines", [False, True])
def test_a_cid_a_router_and_its_gateway_are_enough(etdb, dataset, tmp_path, as_lines):
    root, blocks = dataset
    with hostile_gateway(blocks) as gateway, routing_server() as router:
        router.as_lines = as_lines
        router.name(root, http_provider(gateway.url))
        status, said = etdb("fetch", root, "--router", router.url, "--allow-private", "-o", "data")
        assert (status, said["complete"], said["files"]) == (0, True, 2)
        assert said["sources"] == [gateway.url]
        assert content(tmp_path / "data" / str(root)) == FILES
        status, said = etdb("fetch", root, "--router", router.url, "--allow-private", "-o", "data")
        assert (status, said["fetched_bytes"]) == (0, 0)
    assert router.asked == [f"/routing/v1/providers/{root}"] * 2


def test_what_came_is_verified_with_its_cid(etdb, tmp_path):
    """It has a manifest, and there is no record that the manifest could agree with."""
    draft = Tomogram(title="A title", files=(FileEntry(path="notes.txt", size_bytes=5),))
    described = [ManifestFile(path="notes.txt", size_bytes=5, cid=str(cid_of(b"short")))]
    leaves = [b"short", encode_manifest(draft, described, prepared_on=dt.date(2026, 1, 1))]
    placed = dict(zip(("notes.txt", MANIFEST_NAME), ((cid_of(leaf), len(leaf)) for leaf in leaves), strict=True))
    root, nodes = build_tree(placed)
    blocks = [*((cid_of(leaf), leaf) for leaf in leaves), *((node.cid, node.data) for node in nodes)]
    with hostile_gateway(blocks) as gateway:
        assert etdb("fetch", root.cid, "--gateway", gateway.url, "-o", "data")[0] == 0
    folder = tmp_path / "data" / str(root.cid)
    status, said = etdb("verify", folder, "--record", root.cid)
    found = {one["claim"]: one["outcome"] for one in said["results"]}
    assert (status, found["file_bytes"], found["manifest_agrees"]) == (0, "held", "not possible")
    (folder / "notes.txt").write_bytes(b"other")
    status, said = etdb("verify", folder, "--record", root.cid)
    assert (status, said["error"]) == (4, "verification")


def test_a_single_file(etdb, tmp_path):
    cid = cid_of(b"alone")
    with hostile_gateway([(cid, b"alone")]) as gateway:
        status, said = etdb("fetch", cid, "--gateway", gateway.url)
    assert (status, said["files"]) == (0, 1)
    assert content(tmp_path / str(cid)) == {str(cid): b"alone"}


def test_a_router_alone_cannot_have_us_call_this_machine(etdb, dataset):
    root, blocks = dataset
    with hostile_gateway(blocks) as gateway, routing_server() as router:
        router.name(root, http_provider(gateway.url), http_provider(gateway.url.replace("127.0.0.1", "localhost")))
        status, said = etdb("fetch", root, "--router", router.url)
        assert (status, said["error"]) == (5, "source")
        assert "--kubo" in said["hint"]
        assert f"not called: {gateway.url}" in said["message"]
        assert "--allow-private" in said["hint"]
        status, said = etdb("providers", root, "--router", router.url)
        assert status == 5
        assert {one["answer"] for one in said["providers"]} == {"may not be called"}
        assert gateway.requests == []


def test_who_has_it_and_how_that_was_found(etdb, dataset):
    root, blocks = dataset
    peer = {"Schema": "peer", "ID": PEER, "Addrs": ["/ip4/198.35.26.96/tcp/4001"], "Protocols": ["transport-bitswap"]}
    with hostile_gateway(blocks) as named, hostile_gateway([]) as empty, routing_server() as router:
        router.name(root, http_provider(empty.url), peer)
        options = ("--router", router.url, "--router", "http://127.0.0.1:9", "--gateway", named.url, "--allow-private")
        status, said = etdb("providers", root, *options)
    assert status == 0
    rows = [(one["name"], one["transport"], one["found_by"], one["answer"]) for one in said["providers"]]
    assert rows == [
        (named.url, "http", "named by you", "has it"),
        (empty.url, "http", router.url, "does not have it"),
        (PEER, "bitswap", router.url, ""),
    ]
    assert [one["router"] for one in said["routers_that_failed"]] == ["http://127.0.0.1:9"]


def test_a_liar_is_named_and_left_for_another(etdb, dataset, tmp_path):
    root, blocks = dataset
    with hostile_gateway(blocks, "wrong-bytes") as liar, hostile_gateway(blocks) as honest, routing_server() as router:
        router.name(root, http_provider(liar.url), http_provider(honest.url))
        status, said = etdb("fetch", root, "--router", router.url, "--allow-private")
    assert status == 0
    assert [one["source"] for one in said["banned"]] == [liar.url]
    assert content(tmp_path / str(root)) == FILES


def test_nobody_to_ask(etdb):
    status, said = etdb("fetch", cid_of(b"x"))
    assert (status, said["error"]) == (3, "input")
    assert "--router" in said["hint"]
    status, said = etdb("fetch", "not-a-cid", "--gateway", "http://127.0.0.1:9")
    assert (status, said["error"]) == (3, "input")


def test_kubo_is_wanted_and_not_there(etdb, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, said = etdb("fetch", cid_of(b"x"), "--kubo")
    assert (status, said["error"]) == (3, "configuration")
    assert "Kubo" in said["message"]


def test_the_settings_say_whom_to_ask(etdb, dataset, tmp_path):
    root, blocks = dataset
    workspace = Workspace.init(tmp_path / "third", "main")
    with hostile_gateway(blocks) as gateway, routing_server() as router:
        router.name(root, http_provider(gateway.url))
        settings = workspace.root / "etdb.toml"
        listed = settings.read_text().replace("# routers = []", f'routers = ["{router.url}"]')
        settings.write_text(listed.replace("# allow_private = false", "allow_private = true"))
        status, said = etdb("-w", workspace.root, "fetch", root)
    assert (status, said["complete"]) == (0, True), said


def test_download_and_verify_ask_routing_servers_too(desk, tmp_path):
    """A machine that has the record and no gateway: who has the content is found out."""
    assert desk.publish().status == 0
    named = desk.index()
    away = desk.workspace.digests_path.with_name("away.sqlite")
    desk.workspace.digests_path.rename(away)
    files = FilesInPlace(away, content_folder=desk.workspace.content_folder)
    app = gateway_app(files)
    with closing(files), serving(app) as url:
        app.state.providers.announce(url)
        router = ("--router", url, "--allow-private")
        said = desk.run("--json", "download", named, "-o", tmp_path / "data", *router)
        assert said.status == 0, said
        assert said.document["sources"] == [url]
        said = desk.run("--json", "verify", named, *router)
        assert said.status == 0, said
        held = {one["claim"]: one["outcome"] for one in said.document["results"]}
        assert held["file_bytes"] == "held"
        assert desk.run("--json", "download", named, "-o", tmp_path / "again").status == 3
