"""Clients of OIP's first servers, from npm, ask the portal as they asked those: js-oip and oip-js."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from etdb.testing.portal import sample_portal
from etdb.web.application import portal_app
from etdb.web.serving import serving

pytestmark = pytest.mark.interop

OIP_JS = Path(__file__).resolve().parent / "oip_js"
FIRST, SECOND, EDIT = "01" * 32, "03" * 32, "05" * 32


@pytest.fixture
def ask(run_node: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict]:
    monkeypatch.setenv("NODE_BACKEND", "js")
    monkeypatch.chdir(tmp_path)  # oip-js keeps what it knows in the folder that it is started in

    def one(script: str, path: str) -> dict:
        with sample_portal(tmp_path) as portal, serving(portal_app(portal)) as url:
            publisher = portal.get(FIRST).tomogram.publisher
            given = {"url": url + path, "dataset": FIRST, "publisher": publisher}
            return json.loads(run_node(script, json.dumps(given)))

    return one


def test_js_oip_asks_the_daemon(ask):
    found = ask("jsoip_daemon.mjs", "/oip")
    first = {
        "className": "ResearchTomogram",
        "txid": EDIT,
        "title": "Bdellovibrio, attack phase",
        "isValid": True,
        "isSigned": True,
    }
    assert found["latest"]["success"]
    assert [one["txid"] for one in found["latest"]["artifacts"]] == [SECOND, EDIT]
    assert all(one["isValid"] and one["isSigned"] for one in found["latest"]["artifacts"])
    assert [one["txid"] for one in found["latest042"]["artifacts"]] == [SECOND]
    assert found["latest041"] == {"success": True, "artifacts": []}
    assert [one["txid"] for one in found["byType"]["artifacts"]] == [SECOND, EDIT]
    assert found["byQuery"]["artifacts"] == [first]
    assert found["artifact"] == found["record"] == first
    assert found["none"]["success"] is False
    assert found["parts"] == [[0, 1, True, "01" * 5], [1, 1, True, "01" * 5]]
    assert json.loads(found["joined"].removeprefix("json:"))["oip042"]["publish"]["artifact"]["type"] == "research"
    assert found["floData"].startswith("oip-mp(0,1,")
    assert found["found"] == [FIRST, "02" * 32]
    assert (found["version"], found["status"]["Height"], found["records"]) == ("etdb", 2, True)


def test_oip_js_asks_alexandria(ask):
    if not (OIP_JS / "node_modules").is_dir():
        pytest.skip("left out: oip-js is not installed (needs npm; run: make interop)")
    found = ask("oip_js/ask_v2.mjs", "/alexandria/v2")
    (first,) = found["all"]
    assert first == found["one"]
    assert (first["txid"], first["title"]) == (FIRST, "Bdellovibrio, attack phase")
    assert first["type"] == "Research-Tomogram"
    assert first["species"] == "Bdellovibrio bacteriovorus"
    assert first["publisherName"] == "The sample lab"
    assert first["files"] == [["rec.mrc", 1536], ["note.txt", 6]]
    assert found["found"] == [FIRST]
    assert set(found["publishers"]) == {"The sample lab", found["publishers"][1]}
