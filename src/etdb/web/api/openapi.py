"""The API's description of itself: OpenAPI 3.1, made from its operations, with answers of a sample as examples."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import Any

import msgspec

from etdb.web.api.operations import Operation, Parameter
from etdb.web.api.problems import Problem

__all__ = ["EXAMPLES_NAME", "openapi_document"]

EXAMPLES_NAME = "examples.json"
"""Beside this module; `docs/reference/make_api_examples.py` writes it, and a test compares it with real answers."""
_VERSION = "1.0.0"
_HEADERS = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}


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
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(one.tag for one in operations)],
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(one: Operation, by_type: dict[str, Any]) -> dict[str, Any]:
    example = _examples().get(one.name, {})
    if isinstance(one.gives, str):
        binary = {"schema": {"type": "string", "format": "binary"}}
        content: dict[str, Any] = {form: dict(binary) for form in (one.gives, *one.also_gives)}
    else:
        content = {"application/json": {"schema": by_type[repr(one.gives)]}}
    if "value" in example:
        described = next(iter(content.values()))
        described["examples"] = {"sample": {"summary": example["request"], "value": example["value"]}}
    problem = {"application/problem+json": {"schema": by_type[repr(Problem)]}}
    responses: dict[str, Any] = {"200": {"description": one.summary, "content": content}}
    if one.depends_on_state:
        responses["304"] = {"description": "The catalogue is what the client has seen"}
    if any(parameter.name == "dataset_id" for parameter in one.parameters):
        responses["409"] = {"description": "Several datasets begin so", "content": problem}
    responses |= {
        "400": {"description": "A parameter has no meaning", "content": problem},
        "404": {"description": "There is no such thing here", "content": problem},
        "414": {"description": "The address is too long", "content": problem},
        "405": {"description": "Only GET, HEAD and OPTIONS are answered", "content": problem},
        "429": {"description": "Too many requests", "headers": _HEADERS, "content": problem},
    }
    responses |= {str(status): {"description": words, "content": problem} for status, words in one.refusals.items()}
    given = example.get("path", {})
    return {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.tag],
        "parameters": [_parameter(parameter, given.get(parameter.name)) for parameter in one.parameters],
        "responses": responses,
    }


def _parameter(one: Parameter, example: Any) -> dict[str, Any]:
    schema = {"type": "array", "items": one.schema} if one.is_list else one.schema
    made: dict[str, Any] = {"name": one.name, "in": one.place, "description": one.description}
    if one.is_json:
        return made | {"content": {"application/json": {"schema": schema, "example": one.example}}}
    made["schema"] = schema
    if one.place == "path":
        made["required"] = True
    if one.example is not None or example is not None:
        made["example"] = one.example if one.example is not None else example
    return made


@functools.cache
def _examples() -> dict[str, Any]:
    text = resources.files("etdb.web.api").joinpath(EXAMPLES_NAME).read_bytes()
    found: dict[str, Any] = msgspec.json.decode(text)
    return found
