"""The routes of the OIP daemon (``/oip/...``), over what this portal shows.

Reference: oipwg/oip, ``httpapi`` and ``modules/*/api.go`` (2020). Where the daemon was wrong we are not: artifacts are
those whose signature holds, parts are joined by address, count and whole reference, and withdrawn records are not
listed. Records of other kinds than tomograms, and OIP 0.5, have empty lists.
"""

from __future__ import annotations

import base64
import datetime as dt
import importlib.metadata
import platform
import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from etdb.catalogue import DatasetView, Expression, Not, Query, StoredMessage, Test, joined_text
from etdb.errors import FormatError, InputError, NotFoundError
from etdb.oip import EditMessage, Part, load_json, parse_message
from etdb.web.oldapi.lists import (
    DAEMON_HEADERS,
    DaemonError,
    Make,
    answered,
    artifact_document,
    found_list,
    plain_list,
    respond,
    views_of,
)
from etdb.web.oldapi.question import parse_question
from etdb.web.portal import Portal

__all__ = ["daemon_routes"]

_FLO_DATA_RECORDS: Final = 50
_SHORT: Final = 10
_NOT_NSFW: Final = Not(Test(field="nsfw", operator="is", value="yes"))
_COUNTED: Final = {
    "artifact.floAddress": "publisher",
    "artifact.details.speciesName": "species",
    "artifact.details.microscopist": "microscopist",
    "artifact.details.institution": "institution",
    "artifact.details.lab": "lab",
    "artifact.details.scopeName": "microscope",
    "artifact.details.strain": "strain",
    "artifact.info.tags": "tags",
    "artifact.info.year": "year",
}


def daemon_routes() -> list[Route]:
    """All that is answered below ``/oip``."""
    made: list[tuple[str, Make]] = [
        ("daemon/version", _version),
        ("sync/status", _status),
        ("artifact/get/latest", _latest),
        ("artifact/get/{id}", _artifact),
        ("artifact/search", _search),
        ("artifact/cardinality", _cardinality),
        ("oip042/artifact/get/latest", _latest),
        ("oip042/artifact/get/{id}", _artifact),
        ("oip042/record/get/{id}", _record),
        ("oip042/record/get/{id}/version/{edit_id}", _record_version),
        ("oip042/edit/get/{id}", _edit),
        ("multipart/get/ref/{id}", _parts),
        ("multipart/get/id/{id}", _part),
        ("floData/get/{id}", _flo_data),
        ("floData/latest", _flo_data_latest),
        ("floData/search", _flo_data_search),
        *(
            (path, _none)
            for path in (
                "oip041/artifact/get/latest",
                "oip041/artifact/get/{id}",
                "alexandria/artifact/get/latest",
                "alexandria/artifact/get/{id}",
                "alexandria/publisher/get/latest",
                "alexandria/publisher/get/{id}",
                "historian/get/latest",
                "historian/get/{id}",
                "o5/record/get/latest",
                "o5/record/get/{id}",
                "o5/record/search",
                "o5/template/get/latest",
                "o5/template/get/{id}",
                "o5/template/search",
            )
        ),
    ]
    return [Route(f"/oip/{path}", answered(make), methods=["GET", "HEAD"]) for path, make in made] + [
        Route("/oip/{rest:path}", _nothing, methods=["GET", "HEAD"])
    ]


def _nothing(_request: Request) -> Response:
    return Response("404 not found", status_code=404, media_type="text/plain", headers=DAEMON_HEADERS)


def _none(request: Request, _portal: Portal) -> Response:
    return plain_list(request, [])


def _version(request: Request, portal: Portal) -> Response:
    started = dt.datetime.fromtimestamp(portal.started_s, dt.UTC)
    document = {
        "BuiltBy": "etdb",
        "BuildDate": "",
        "GoVersion": f"Python {platform.python_version()}",
        "GitCommitHash": importlib.metadata.version("etdb"),
        "Started": started.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Uptime": f"{time.time() - portal.started_s:.0f}s",
    }
    return respond(request, document)


def _status(request: Request, portal: Portal) -> Response:
    follower = getattr(request.app.state, "follower", None)
    numbers = portal.statistics()
    is_behind = bool(follower and not follower.is_following)
    height = -1 if numbers.height is None else numbers.height
    document = {
        "IsInitialSync": is_behind,
        "MultipartSyncComplete": not is_behind,
        "EditSyncComplete": not is_behind,
        "Height": height,
        "Timestamp": numbers.block_time_s or 0,
        "LatestHeight": height,
        "Progress": 0 if is_behind else 1,
    }
    return respond(request, document)


def _latest(request: Request, portal: Portal) -> Response:
    is_any = request.query_params.get("nsfw", "true").lower() in {"1", "t", "true"}
    return found_list(request, portal, None if is_any else _NOT_NSFW)


def _search(request: Request, portal: Portal) -> Response:
    return found_list(request, portal, _question(request))


def _question(request: Request) -> Expression:
    asked = request.query_params.get("q")
    if asked is None:
        raise DaemonError("unable to decode query", hint="q= is missing")
    return parse_question(asked)


def _artifact(request: Request, portal: Portal) -> Response:
    return _views(request, portal, views_of(portal, request.path_params["id"]))


def _views(request: Request, portal: Portal, views: list[DatasetView]) -> Response:
    return plain_list(request, [artifact_document(portal, one) for one in views if one.withdrawn is None])


def _record(request: Request, portal: Portal) -> Response:
    """The record with all edits applied; only the whole id will do, as it did."""
    views = [one for one in views_of(portal, request.path_params["id"]) if one.dataset_id == request.path_params["id"]]
    return _views(request, portal, views)


def _record_version(request: Request, portal: Portal) -> Response:
    edit_id = request.path_params["edit_id"]
    views = [one for one in views_of(portal, edit_id) if one.dataset_id == request.path_params["id"]]
    return _views(request, portal, views)


def _edit(request: Request, portal: Portal) -> Response:
    edit_id = request.path_params["id"]
    results = []
    for view in views_of(portal, edit_id):
        for one in portal.catalogue.history(view.dataset_id):
            if one.kind == "edit" and one.revision_id == edit_id:
                found = [_by_txid(portal, txid) for txid in one.txids]
                text = joined_text([message for message in found if message is not None])
                results.append(_edit_document(portal, text, view.dataset_id, one.revision_id, one.height))
    return plain_list(request, results)


def _edit_document(portal: Portal, text: bytes, dataset_id: str, edit_id: str, height: int) -> dict[str, Any]:
    if not isinstance(parse_message(text), EditMessage):
        raise FormatError("not an edit")
    document = load_json(text.removeprefix(b"json:"))
    body = next(iter(document.values())) if isinstance(document, dict) else {}
    return {
        "edit": body.get("edit", body) if isinstance(body, dict) else {},
        "meta": {
            "block_hash": portal.catalogue.block_hash(height) or "",
            "txid": edit_id,
            "originalTxid": dataset_id,
            "block": height,
            "time": portal.catalogue.block_time(height) or 0,
            "type": "oip042",
            "completed": True,
        },
    }


def _by_txid(portal: Portal, txid: str) -> StoredMessage | None:
    return next(iter(portal.catalogue.messages_like(txid, limit=1)), None)


def _cardinality(request: Request, portal: Portal) -> Response:
    """How many values a field has."""
    asked = request.query_params.get("f", "")
    field = _COUNTED.get(asked.removesuffix(".keyword"))
    if field is None:
        raise DaemonError("invalid search request", hint="one of: " + ", ".join(_COUNTED))
    return respond(request, {"c": len(portal.values(field)), "f": asked})


def _parts(request: Request, portal: Portal) -> Response:
    return plain_list(request, _part_documents(portal, portal.catalogue.parts_of(request.path_params["id"])))


def _part(request: Request, portal: Portal) -> Response:
    found = portal.catalogue.messages_like(request.path_params["id"], limit=10)
    return plain_list(request, _part_documents(portal, found))


def _part_documents(portal: Portal, messages: tuple[StoredMessage, ...]) -> list[dict[str, Any]]:
    joined: dict[str, str | None] = {}
    return [made for message in messages if (made := _part_document(portal, message, joined)) is not None]


def _part_document(portal: Portal, message: StoredMessage, joined: dict[str, str | None]) -> dict[str, Any] | None:
    try:
        part = parse_message(message.data)
    except FormatError:
        return None
    if not isinstance(part, Part):
        return None
    first = part.reference or message.txid
    if first not in joined:
        joined[first] = _joined(portal, first)
    whole = joined[first]
    return {
        "part": part.number,
        "max": part.last,
        "reference": first[:_SHORT],
        "address": part.address,
        "signature": part.signature,
        "data": part.data.decode("utf-8", "replace"),
        "meta": {
            "complete": whole is not None,
            "stale": False,
            "time": portal.catalogue.block_time(message.height) or 0,
            "txid": message.txid,
            "block": message.height,
            "block_hash": portal.catalogue.block_hash(message.height) or "",
            "assembled": whole or "",
        },
    }


def _joined(portal: Portal, first: str) -> str | None:
    """The whole text of a record by its first transaction, or None while it is not whole."""
    try:
        view = portal.get(first)
        return joined_text(portal.catalogue.messages(view.dataset_id)).decode("utf-8", "replace")
    except (InputError, NotFoundError, FormatError):
        return None


def _flo_data(request: Request, portal: Portal) -> Response:
    found = portal.catalogue.messages_like(request.path_params["id"], limit=10)
    return plain_list(request, [_transaction(portal, one) for one in found])


def _flo_data_latest(request: Request, portal: Portal) -> Response:
    return _flo_data_of(request, portal, None)


def _flo_data_search(request: Request, portal: Portal) -> Response:
    """The transactions of the records that a question finds: texts of the ledger have no index of their own here."""
    return _flo_data_of(request, portal, _question(request))


def _flo_data_of(request: Request, portal: Portal, condition: Expression | None) -> Response:
    limit = request.query_params.get("limit", "10")
    wanted = min(int(limit), 1_000) if limit.isascii() and limit.isdigit() and len(limit) < 9 and int(limit) else 10
    found: list[dict[str, Any]] = []
    for view in portal.search(Query(condition=condition, limit=_FLO_DATA_RECORDS)).results:
        if len(found) >= wanted:
            break
        found += [_transaction(portal, one) for one in portal.catalogue.messages(view.dataset_id)]
    return plain_list(request, found[:wanted])


def _transaction(portal: Portal, message: StoredMessage) -> dict[str, Any]:
    try:
        text = message.data.decode()
    except UnicodeDecodeError:
        text = base64.b64encode(message.data).decode()
    return {
        "block": message.height,
        "block_hash": portal.catalogue.block_hash(message.height) or "",
        "is_coinbase": False,
        "tx": {
            "txid": message.txid,
            "floData": text,
            "time": portal.catalogue.block_time(message.height) or 0,
            "blockhash": portal.catalogue.block_hash(message.height) or "",
        },
    }
