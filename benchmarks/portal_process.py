"""A portal in a process of its own: given its catalogue, prints its URL and serves. Or, given a folder of bodies by
path (`--bare FOLDER`), a bare ASGI application that returns the same bytes from memory, on the same server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from etdb.blocks.memory import MemoryStore
from etdb.catalogue import Catalogue
from etdb.web.application import portal_app
from etdb.web.portal import Portal
from etdb.web.serving import serve
from etdb.workspace import PortalSettings

UNLIMITED = PortalSettings(url="http://portal.test", requests_per_second=1_000_000, requests_at_once=1_000_000)


def portal_of(catalogue: Path) -> Portal:
    return Portal(Catalogue(catalogue), MemoryStore(), UNLIMITED, network="local")


def bare(kept: dict[str, Any]) -> Any:
    answers = {
        path: (
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(name.encode(), value.encode()) for name, value in one["headers"]],
            },
            {"type": "http.response.body", "body": one["body"].encode()},
        )
        for path, one in kept.items()
    }

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            start, body = answers[scope["path"]]
            await send(start)
            await send(body)

    return app


if __name__ == "__main__":
    app = (
        bare(json.loads(Path(sys.argv[2]).read_text()))
        if sys.argv[1] == "--bare"
        else portal_app(portal_of(Path(sys.argv[1])))
    )
    serve(app, on_ready=lambda url: print(url, flush=True))
