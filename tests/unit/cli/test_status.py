"""What ``etdb status`` says."""

from __future__ import annotations


def test_status_as_one_document(desk):
    assert desk.publish().status == 0
    said = desk.run("--json", "status")
    assert said.status == 0
    assert said.document["workspace"] == str(desk.workspace.root)
    assert said.document["journal"] == {"final": 1}
    parts = {one["name"]: one for one in said.document["folder"]}
    assert parts["journal"]["path"] == str(desk.workspace.journal_path)
    assert parts["journal"]["worth"] == "precious"
