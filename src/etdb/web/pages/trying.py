"""The page to try the API at: its description as a form for each operation. It works without JavaScript."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from etdb.errors import EtdbError, NotFoundError
from etdb.web.api.openapi import openapi_document
from etdb.web.api.problems import CORS, problem_response
from etdb.web.api.routes import BASE, OPERATIONS
from etdb.web.pages.render import page
from etdb.web.portal import Portal

__all__ = ["try_routes"]

_TAGS: Final = {
    "datasets": "Datasets",
    "publishers": "Publishers",
    "volumes": "Volumes and slices",
    "ledger": "The ledger",
    "export": "Everything at once",
    "portal": "This portal",
}
_FIRST_SHOWN: Final = 4
_MAX_EXAMPLE: Final = 6_000


def try_routes() -> list[Route]:
    """The page, and where its forms go: to the address that they make."""
    return [Route("/api", _try, methods=["GET"]), Route("/api/try/{name}", _tried, methods=["GET"])]


def _try(request: Request) -> Response:
    portal: Portal = request.app.state.portal
    document = openapi_document(portal.settings.name, OPERATIONS, BASE)
    newest = portal.newest(1)
    shown = [_shown(path, methods["get"], newest[0].dataset_id if newest else "") for path, methods in _paths(document)]
    groups = [(title, [one for one in shown if one["tag"] == tag]) for tag, title in _TAGS.items()]
    base = portal.base_url(str(request.base_url))
    return page(request, "api.html", groups=groups, base=base, description=document["info"]["description"])


def _paths(document: dict[str, Any]) -> Any:
    return document["paths"].items()


def _shown(path: str, described: dict[str, Any], dataset_id: str) -> dict[str, Any]:
    fields = [_field(one, dataset_id) for one in described["parameters"]]
    first = [one for number, one in enumerate(fields) if one["required"] or number < _FIRST_SHOWN]
    content = described["responses"]["200"]["content"]
    media_type, answer = next(iter(content.items()))
    sample = answer.get("examples", {}).get("sample")
    return {
        "name": described["operationId"],
        "path": path,
        "summary": described["summary"],
        "tag": described["tags"][0],
        "fields": first,
        "more": [one for one in fields if one not in first],
        "media_type": media_type,
        "example": _text(sample["value"]) if sample else "",
    }


def _field(one: dict[str, Any], dataset_id: str) -> dict[str, Any]:
    if "content" in one:
        content = one["content"]["application/json"]
        one = one | {"schema": {"type": "string"}, "example": msgspec.json.encode(content["example"]).decode()}
    schema = one["schema"].get("items", one["schema"])
    required = bool(one.get("required"))
    value = dataset_id if one["name"] == "dataset_id" and dataset_id else one.get("example", "") if required else ""
    return {
        "name": one["name"],
        "help": one["description"],
        "required": required,
        "choices": schema.get("enum", []),
        "kind": "number" if schema.get("type") in {"integer", "number"} else "text",
        "value": value,
        "placeholder": "" if required else one.get("example", ""),
    }


def _text(value: Any) -> str:
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return text if len(text) <= _MAX_EXAMPLE else text[:_MAX_EXAMPLE] + "\n…"


def _tried(request: Request) -> Response:
    """Send a form on to the address that it makes; fields that are empty are left out."""
    operation = next((one for one in OPERATIONS if one.name == request.path_params["name"]), None)
    try:
        if operation is None:
            raise NotFoundError("there is no such operation")
        asked = request.query_params
        address = BASE + operation.path
        for one in operation.parameters:
            if one.place == "path":
                address = address.replace(f"{{{one.name}}}", quote(asked.get(one.name, "").strip(), safe="") or "-")
        known = {one.name for one in operation.parameters if one.place == "query"}
        pairs = [(name, value) for name, value in asked.multi_items() if name in known and value]
    except EtdbError as error:
        return problem_response(error, CORS)
    return RedirectResponse(address + (f"?{urlencode(pairs)}" if pairs else ""), status_code=303)
