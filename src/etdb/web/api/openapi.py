"""The API's description of itself: OpenAPI 3.1, made from its operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from etdb.web.api.operations import Operation, Parameter
from etdb.web.api.problems import Problem

__all__ = ["openapi_document"]

_VERSION = "1.0.0"


def openapi_document(title: str, operations: Sequence[Operation], base: str) -> dict[str, Any]:
    """The description of these operations below a base path."""
    typed = [one.gives for one in operations if not isinstance(one.gives, str)]
    schemas, components = msgspec.json.schema_components([*typed, Problem], ref_template="#/components/schemas/{name}")
    by_type = dict(zip(map(repr, [*typed, Problem]), schemas, strict=True))
    paths: dict[str, Any] = {}
    for one in operations:
        paths[base + one.path] = {"get": _operation(one, by_type)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{title} API",
            "version": _VERSION,
            "description": "Datasets of electron tomography with where they come from and what was checked. "
            "Nothing needs a key. Answers carry an ETag that changes with the catalogue.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(one: Operation, by_type: dict[str, Any]) -> dict[str, Any]:
    content = (
        {one.gives: {"schema": {"type": "string", "format": "binary"}}}
        if isinstance(one.gives, str)
        else {"application/json": {"schema": by_type[repr(one.gives)]}}
    )
    problem = {"application/problem+json": {"schema": by_type[repr(Problem)]}}
    responses: dict[str, Any] = {
        "200": {"description": one.summary, "content": content},
        "304": {"description": "The catalogue is what the client has seen"},
        "400": {"description": "A parameter has no meaning", "content": problem},
        "404": {"description": "There is no such thing here", "content": problem},
        "429": {"description": "Too many requests", "content": problem},
    }
    return {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.tag],
        "parameters": [_parameter(parameter) for parameter in one.parameters],
        "responses": responses,
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    schema = {"type": "array", "items": one.schema} if one.is_list else one.schema
    made: dict[str, Any] = {"name": one.name, "in": one.place, "description": one.description, "schema": schema}
    if one.place == "path":
        made["required"] = True
    if one.example is not None:
        made["example"] = one.example
    return made
