"""Write the examples of the API's description from what a small portal answers; a test compares them again."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from etdb.ipfs import parse_cid
from etdb.testing.asking import ask
from etdb.testing.portal import sample_portal
from etdb.web.api import openapi, routes
from etdb.web.application import portal_app
from etdb.web.portal import Portal

FILE = Path(openapi.__file__).with_name(openapi.EXAMPLES_NAME)
_MAX_TEXT = 400
_QUERIES = {
    "list_datasets": "?q=bdellovibrio&facets=species&files=true",
    "get_slice": "?axis=z&index=2&format=png",
    "list_ledger": "?limit=2",
}


_MODEL = "get_model"
"""The one operation whose CID is that of a model."""


def paths(portal: Portal) -> dict[str, str]:
    """What stands in the paths of the examples."""
    first = portal.get("0101")
    root = parse_cid(first.tomogram.location)
    volume, model = (portal.reader.resolve(root, name)[-1] for name in ("rec.mrc", "points.mod"))
    return {
        "dataset_id": first.dataset_id,
        "address": first.tomogram.publisher,
        "cid": str(volume),
        "kind": "orphans",
        _MODEL: str(model),
    }


async def _ask_all(portal: Portal, given: dict[str, str]) -> dict[str, Any]:
    app = portal_app(portal)
    made: dict[str, Any] = {}
    for one in routes.OPERATIONS:
        used = {name: value for name, value in given.items() if f"{{{name}}}" in one.path}
        if one.name == _MODEL:
            used = {"cid": given[_MODEL]}
        address = routes.BASE + one.path.format(**used) + _QUERIES.get(one.name, "")
        answer = await ask(app, address)
        assert answer.status == 200, (address, answer.status, answer.body[:200])
        made[one.name] = {"request": address, "path": used}
        if answer.headers["content-type"] == "application/json":
            made[one.name]["value"] = _shortened(json.loads(answer.body))
        elif answer.headers["content-type"].split(";")[0] in {"application/jsonl", "text/csv"}:
            made[one.name]["value"] = "\n".join(
                line[:_MAX_TEXT] + "…" for line in answer.body.decode().splitlines()[:2]
            )
    return made


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value[:4]]
    return value[:_MAX_TEXT] + "…" if isinstance(value, str) and len(value) > _MAX_TEXT else value


def examples() -> str:
    """The file's text."""
    with tempfile.TemporaryDirectory() as folder, sample_portal(Path(folder)) as portal:
        made = asyncio.run(_ask_all(portal, paths(portal)))
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(examples(), encoding="utf-8")
