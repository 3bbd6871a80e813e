"""What the API answers about datasets, publishers and the portal, operation by operation."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request

from etdb.catalogue import FIELDS, Query
from etdb.errors import NotFoundError
from etdb.web.api.documents import (
    DatasetDocument,
    DatasetList,
    FieldDocument,
    FileDocument,
    PublisherDocument,
    RevisionDocument,
    dataset_document,
    list_document,
    revision_document,
)
from etdb.web.api.operations import DATASET_ID, Operation, Parameter, Reply, asked_base, asked_flag, asked_whole
from etdb.web.api.querying import LIST_PARAMETERS, wanted_query
from etdb.web.portal import Portal, Statistics

__all__ = ["DATASET_OPERATIONS"]

_MAX_REVISION: Final = 10**9


def _datasets(request: Request, portal: Portal) -> Reply:
    page = portal.search(wanted_query(request))
    base = asked_base(request, portal)
    next_url, headers = "", {}
    if page.next_cursor:
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        next_url = f"{base}{request.url.path}?{urlencode([*pairs, ('cursor', page.next_cursor)])}"
        headers = {"link": f'<{next_url}>; rel="next"'}
    files = asked_flag(request, "files")
    return Reply(document=list_document(page, next_url=next_url, base=base, files=files), headers=headers)


def _dataset(request: Request, portal: Portal) -> Reply:
    number = asked_whole(request, "revision", 0, 1, _MAX_REVISION) or None
    view = portal.get(request.path_params["dataset_id"], revision=number)
    return Reply(document=dataset_document(view, base=asked_base(request, portal)))


def _files(request: Request, portal: Portal) -> Reply:
    found = dataset_document(portal.get(request.path_params["dataset_id"]), base=asked_base(request, portal))
    return Reply(document=found.files)


def _revisions(request: Request, portal: Portal) -> Reply:
    view = portal.get(request.path_params["dataset_id"])
    return Reply(document=[revision_document(one) for one in portal.catalogue.history(view.dataset_id)])


def _artifact(request: Request, portal: Portal) -> Reply:
    view = portal.get(request.path_params["dataset_id"])
    return Reply(document=portal.catalogue.artifact(view.dataset_id, revision=view.revision))


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
        name=found.results[0].publisher_name,
        datasets=found.total,
        labs=tuple(one.value for one in found.facets["lab"]),
        institutions=tuple(one.value for one in found.facets["institution"]),
        first_published_s=found.results[0].time_s,
    )


def _statistics(_request: Request, portal: Portal) -> Reply:
    return Reply(document=portal.statistics())


def _fields(_request: Request, _portal: Portal) -> Reply:
    return Reply(
        document=[
            FieldDocument(
                name=one.name,
                kind=one.kind,
                help=one.help,
                unit=one.unit,
                is_facet=one.terms,
                is_range=bool(one.column),
            )
            for one in FIELDS
        ]
    )


DATASET_OPERATIONS: Final = (
    Operation(
        name="list_datasets",
        path="/datasets",
        summary="Find datasets",
        answer=_datasets,
        gives=DatasetList,
        parameters=LIST_PARAMETERS,
    ),
    Operation(
        name="get_dataset",
        path="/datasets/{dataset_id}",
        summary="One dataset with its files, its place on the ledger and what was checked",
        answer=_dataset,
        gives=DatasetDocument,
        parameters=(
            DATASET_ID,
            Parameter(
                name="revision",
                description="As this revision left it, from 1; without it the newest, or the one whose id is asked.",
                schema={"type": "integer", "minimum": 1, "maximum": _MAX_REVISION},
            ),
        ),
    ),
    Operation(
        name="list_files",
        path="/datasets/{dataset_id}/files",
        summary="The files of a dataset",
        answer=_files,
        gives=tuple[FileDocument, ...],
        parameters=(DATASET_ID,),
    ),
    Operation(
        name="list_revisions",
        path="/datasets/{dataset_id}/revisions",
        summary="What became of a dataset: its record, corrections, transfers and withdrawal, the first one first",
        answer=_revisions,
        gives=list[RevisionDocument],
        parameters=(DATASET_ID,),
    ),
    Operation(
        name="get_artifact",
        path="/datasets/{dataset_id}/artifact",
        summary="A dataset's record in the names of the protocol (OIP 0.42), as it stands on the ledger",
        answer=_artifact,
        gives=dict[str, Any],
        parameters=(DATASET_ID,),
    ),
    Operation(
        name="list_fields",
        path="/fields",
        summary="What can be asked: filters, facets, ranges, with their units",
        answer=_fields,
        gives=list[FieldDocument],
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
)
