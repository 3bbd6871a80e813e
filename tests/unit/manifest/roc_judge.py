"""The RO-Crate validator's verdict on a folder, with the network cut off; prints one JSON document.

The validator wants to fetch the JSON-LD context. It gets the one that the package rocrate carries; anything else that
it asks for fails.
"""

from __future__ import annotations

import io
import json
import socket
import sys
import urllib.request
from pathlib import Path

import requests
import rocrate
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"
CONTEXT = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
asked: list[str] = []


def answer(url: str) -> bytes:
    asked.append(url)
    if url != CONTEXT_URL:
        raise ConnectionError(f"the network is cut off: {url}")
    return CONTEXT


def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **_: object) -> requests.Response:
    url = str(request.url)
    raw = HTTPResponse(
        body=io.BytesIO(answer(url)),
        headers={"Content-Type": "application/ld+json"},
        status=200,
        preload_content=False,
        request_url=url,
    )
    return adapter.build_response(request, raw)


def open_url(_opener: object, target: object, *_: object, **__: object) -> object:
    url = target if isinstance(target, str) else target.full_url  # type: ignore[attr-defined]
    body = io.BytesIO(answer(url))
    return urllib.request.addinfourl(body, {"Content-Type": "application/ld+json"}, url, 200)  # type: ignore[attr-defined,arg-type]


def no_connection(*_: object, **__: object) -> None:
    raise ConnectionError("the network is cut off")


HTTPAdapter.send = send  # type: ignore[method-assign,assignment]
urllib.request.OpenerDirector.open = open_url  # type: ignore[method-assign,assignment]
socket.socket.connect = no_connection  # type: ignore[method-assign,assignment]

from rocrate_validator import models, services  # noqa: E402 - after the network is cut off

settings = services.ValidationSettings(
    rocrate_uri=sys.argv[1],
    profile_identifier="ro-crate-1.1",
    requirement_severity=models.Severity.REQUIRED,
    requirement_severity_only=True,
    abort_on_first=False,
)
result = services.validate(settings)
issues = [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues(models.Severity.REQUIRED)]
print(json.dumps({"passed": result.passed(models.Severity.REQUIRED), "issues": issues, "asked": sorted(set(asked))}))
