"""`etdb verify ID` in a workspace that can only be read: it says what holds, and that it notes nothing."""

from __future__ import annotations

from etdb import schema


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_holds_is_said_and_nothing_is_written(desk, monkeypatch):
    assert desk.publish().status == 0
    assert desk.run("index").status == 0
    dataset_id = desk.run("--json", "search").document["results"][0]["dataset_id"]
    monkeypatch.setattr(schema.os, "access", lambda _path, _mode: False)
    before = files(desk.workspace.root)
    said = desk.run("--json", "verify", dataset_id, "--no-content")
    assert said.status == 0
    assert "not noted" in said.err
    assert "held" in {one["outcome"] for one in said.document["results"]}
    assert files(desk.workspace.root) == before
    monkeypatch.undo()
    noted = desk.run("--json", "verify", dataset_id, "--no-content")
    assert "not noted" not in noted.err
    assert noted.document["results"] == said.document["results"]
    assert files(desk.workspace.root) != before
