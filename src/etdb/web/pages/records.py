"""A message of the ledger by itself: other records of the index, and what was put aside, as they came."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from etdb.errors import NotFoundError
from etdb.web.pages.render import page
from etdb.web.portal import Portal

__all__ = ["record"]

MAX_TEXT_SHOWN: Final = 20_000
_ID: Final = re.compile(r"[0-9a-f]{6,64}")


def record(request: Request, portal: Portal) -> Response:
    """The page of a message; that of a dataset's first one is the dataset's."""
    asked = request.path_params["txid"].lower()
    found = portal.catalogue.messages_like(asked, limit=2) if _ID.fullmatch(asked) else ()
    if len(found) != 1 and not (found and found[0].txid == asked):
        raise NotFoundError("no message on the ledger has this id" if not found else "several ids begin so")
    message = found[0]
    try:
        view = portal.get(message.txid)
    except NotFoundError:
        view = None
    if view is not None:
        return RedirectResponse(f"/datasets/{view.dataset_id}", status_code=302)
    if portal.is_partial:
        raise NotFoundError(f"{portal.settings.name} does not show this message")
    text = message.data[:MAX_TEXT_SHOWN].decode("utf-8", "replace")
    time_s = portal.catalogue.block_time(message.height)
    is_cut = len(message.data) > MAX_TEXT_SHOWN
    return page(request, "record.html", message=message, text=text, time_s=time_s, is_cut=is_cut)
