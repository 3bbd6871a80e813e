"""What the API answers about the ledger: how far it is read, what made no record, messages as they came."""

from __future__ import annotations

import base64
from typing import Any, Final, get_args

from starlette.requests import Request

from etdb.catalogue import MAX_PAGE
from etdb.errors import InputError
from etdb.web.api.documents import (
    AsideDocument,
    LedgerDocument,
    LedgerList,
    ListName,
    MessageDocument,
    OrphansDocument,
    OtherDocument,
)
from etdb.web.api.operations import DATASET_ID, Operation, Parameter, Reply, asked_whole
from etdb.web.portal import Portal

__all__ = ["LEDGER_OPERATIONS"]

_USUAL_LIST: Final = 100
_MAX_AFTER: Final = 10**15 - 1


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


def _listed(request: Request, portal: Portal) -> Reply:
    kind = request.path_params["kind"]
    if kind not in get_args(ListName):
        raise InputError(f"there is no list {kind[:40]!r}", hint="aside, orphans or other")
    found = portal.catalogue.listed(
        kind,
        limit=asked_whole(request, "limit", _USUAL_LIST, 1, MAX_PAGE),
        after=asked_whole(request, "after", 0, 0, _MAX_AFTER),
    )
    return Reply(document=LedgerList(kind=kind, items=tuple(_item(one) for one in found.items), after=found.next_after))


def _item(one: Any) -> AsideDocument | OrphansDocument | OtherDocument:
    made = {"txid": getattr(one, "txid", ""), "height": one.height}
    if hasattr(one, "reason"):
        return AsideDocument(**made, reason=one.reason, detail=one.detail)
    if hasattr(one, "protocol"):
        return OtherDocument(**made, protocol=one.protocol, kind=one.kind, title=one.title, publisher=one.publisher)
    return OrphansDocument(
        height=one.height,
        publisher=one.publisher,
        reference=one.reference,
        count=one.count,
        present=one.present,
        missing=one.missing,
        txids=one.txids,
    )


def _messages(request: Request, portal: Portal) -> Reply:
    view = portal.get(request.path_params["dataset_id"])
    return Reply(document=[message_document(one) for one in portal.catalogue.messages(view.dataset_id)])


def message_document(message: Any) -> MessageDocument:
    """A message as the API gives it: its text where it is text, its bytes either way."""
    try:
        text = message.data.decode()
    except UnicodeDecodeError:  # a part may end within a letter
        text = None
    return MessageDocument(
        txid=message.txid,
        height=message.height,
        position=message.position,
        text=text,
        data_base64=base64.b64encode(message.data).decode(),
    )


LEDGER_OPERATIONS: Final = (
    Operation(
        name="get_ledger",
        path="/ledger",
        summary="How far the ledger is indexed, and what was found on it",
        answer=_ledger,
        gives=LedgerDocument,
        tag="ledger",
        depends_on_state=False,
        live=True,
    ),
    Operation(
        name="list_ledger",
        path="/ledger/{kind}",
        summary="What made no dataset: set aside (and why), parts that wait for others, other records",
        answer=_listed,
        gives=LedgerList,
        parameters=(
            Parameter(
                name="kind",
                place="path",
                description="The list.",
                schema={"enum": [*get_args(ListName)]},
                example="aside",
            ),
            Parameter(
                name="limit", description="Items a page.", schema={"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
            ),
            Parameter(
                name="after",
                description="`after` of the page before.",
                schema={"type": "integer", "minimum": 0, "maximum": _MAX_AFTER},
            ),
        ),
        tag="ledger",
    ),
    Operation(
        name="list_messages",
        path="/datasets/{dataset_id}/messages",
        summary="The messages of a dataset's record as they stand on the ledger, in the order of its parts",
        answer=_messages,
        gives=list[MessageDocument],
        parameters=(DATASET_ID,),
        tag="ledger",
    ),
)
