"""What the API answers, operation by operation."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request

from etdb.catalogue import FACETS, FIELDS, MAX_PAGE, SORTS, Query, parse_query
from etdb.errors import InputError, NotFoundError
from etdb.web.api.documents import (
    DatasetDocument,
    DatasetList,
    FileDocument,
    LedgerDocument,
    PublisherDocument,
    dataset_document,
    list_document,
)
from etdb.web.api.operations import Operation, Parameter, Reply
from etdb.web.portal import Portal, Statistics

__all__ = ["OPERATIONS", "wanted_query"]

_PLAIN: Final = frozenset({"q", "sort", "limit", "cursor", "facets", "files"})
_ID: Final = Parameter(
    name="dataset_id",
    place="path",
    description="The dataset's id, or any beginning of it that no other shares.",
    schema={"type": "string", "pattern": "^[0-9a-f]{1,64}$"},
)
_FILTERS: Final = tuple(
    Parameter(
        name=field.name,
        description=field.help + (f", in {field.unit}" if field.unit else "") + (" (MIN..MAX)" if field.column else ""),
        is_list=field.terms,
    )
    for field in FIELDS
)
_QUERY: Final = (
    Parameter(name="q", description="Words to look for in all fields; `-word` leaves out.", example="flagella"),
    *_FILTERS,
    Parameter(name="sort", description="The order.", schema={"type": "string", "enum": [one.name for one in SORTS]}),
    Parameter(
        name="limit", description="Datasets a page.", schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
    ),
    Parameter(name="cursor", description="`next_cursor` of the page before."),
    Parameter(name="facets", description="Facets to count, with commas: " + ", ".join(FACETS) + "."),
    Parameter(name="files", description="Whether files are listed.", schema={"type": "boolean"}),
)


def wanted_query(request: Request) -> Query:
    """The query of a request.

    Raises:
        InputError: a name or value in it has no meaning.
    """
    asked = request.query_params
    limit = asked.get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 7):
        raise InputError(f"limit is a number from 1 to {MAX_PAGE}")
    return parse_query(
        [(name, value) for name, value in asked.multi_items() if name not in _PLAIN],
        text=asked.get("q", ""),
        sort=asked.get("sort", ""),
        limit=int(limit),
        cursor=asked.get("cursor", ""),
        facets=tuple(name for name in asked.get("facets", "").split(",") if name),
    )


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _datasets(request: Request, portal: Portal) -> Reply:
    page = portal.search(wanted_query(request))
    next_url, headers = "", {}
    if page.next_cursor:
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        next_url = f"{_base(request)}{request.url.path}?{urlencode([*pairs, ('cursor', page.next_cursor)])}"
        headers = {"link": f'<{next_url}>; rel="next"'}
    files = _flag(request, "files")
    return Reply(document=list_document(page, next_url=next_url, base=_base(request), files=files), headers=headers)


def _dataset(request: Request, portal: Portal) -> Reply:
    return Reply(document=dataset_document(portal.get(request.path_params["dataset_id"]), base=_base(request)))


def _files(request: Request, portal: Portal) -> Reply:
    found = dataset_document(portal.get(request.path_params["dataset_id"]), base=_base(request))
    return Reply(document=found.files)


def _publishers(_request: Request, portal: Portal) -> Reply:
    return Reply(document=[_publisher(portal, one.value) for one in portal.values("publisher")])


def _one_publisher(request: Request, portal: Portal) -> Reply:
    return Reply(document=_publisher(portal, request.path_params["address"]))


def _publisher(portal: Portal, address: str) -> PublisherDocument:
    asked = Query(terms={"publisher": (address,)}, sort="oldest", limit=1, facets=("lab", "institution"))
    found = portal.search(asked)
    if not found.total:
        raise NotFoundError(f"nobody published here as {address[:64]}")
    return PublisherDocument(
        address=address,
        datasets=found.total,
        labs=tuple(one.value for one in found.facets["lab"]),
        institutions=tuple(one.value for one in found.facets["institution"]),
        first_published_s=found.results[0].time_s,
    )


def _statistics(_request: Request, portal: Portal) -> Reply:
    return Reply(document=portal.statistics())


def _ledger(request: Request, portal: Portal) -> Reply:
    numbers = portal.statistics()
    follower = getattr(request.app.state, "follower", None)
    return Reply(
        document=LedgerDocument(
            network=portal.network,
            height=numbers.height,
            block_hash=numbers.block_hash,
            block_time_s=numbers.block_time_s,
            counts=portal.catalogue.counts(),
            is_following=bool(follower and follower.is_following),
        )
    )


def _facets(_request: Request, _portal: Portal) -> Reply:
    return Reply(document=[{"name": one.name, "kind": one.kind, "help": one.help, "unit": one.unit} for one in FIELDS])


def _flag(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "false")
    if value not in {"true", "false"}:
        raise InputError(f"{name} is true or false, not {value[:40]!r}")
    return value == "true"


OPERATIONS: Final = (
    Operation(
        name="list_datasets",
        path="/datasets",
        summary="Find datasets",
        answer=_datasets,
        gives=DatasetList,
        parameters=_QUERY,
    ),
    Operation(
        name="get_dataset",
        path="/datasets/{dataset_id}",
        summary="One dataset with its files, its place on the ledger and what was checked",
        answer=_dataset,
        gives=DatasetDocument,
        parameters=(_ID,),
    ),
    Operation(
        name="list_files",
        path="/datasets/{dataset_id}/files",
        summary="The files of a dataset",
        answer=_files,
        gives=tuple[FileDocument, ...],
        parameters=(_ID,),
    ),
    Operation(
        name="list_fields",
        path="/fields",
        summary="What can be asked: filters, facets, ranges, with their units",
        answer=_facets,
        gives=list[dict[str, Any]],
    ),
    Operation(
        name="list_publishers",
        path="/publishers",
        summary="Who published what is shown here",
        answer=_publishers,
        gives=list[PublisherDocument],
        tag="publishers",
    ),
    Operation(
        name="get_publisher",
        path="/publishers/{address}",
        summary="One publisher",
        answer=_one_publisher,
        gives=PublisherDocument,
        parameters=(Parameter(name="address", place="path", description="The publisher's address."),),
        tag="publishers",
    ),
    Operation(
        name="get_statistics",
        path="/statistics",
        summary="The numbers of this portal",
        answer=_statistics,
        gives=Statistics,
        tag="portal",
    ),
    Operation(
        name="get_ledger",
        path="/ledger",
        summary="How far the ledger is indexed, and what was found on it",
        answer=_ledger,
        gives=LedgerDocument,
        tag="portal",
    ),
)
