"""Pages from templates: escaped throughout, with the headers that keep a page from doing what it should not."""

from __future__ import annotations

from typing import Any, Final

import jinja2
from starlette.requests import Request
from starlette.responses import Response

from etdb.web import shown
from etdb.web.pages.pictures import small_picture_url
from etdb.web.portal import Portal, role_file
from etdb.web.static import static_url

__all__ = ["PAGE_HEADERS", "page", "render"]

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-src 'self'; frame-ancestors {ancestors}"
)
PAGE_HEADERS: Final = {
    "content-security-policy": _POLICY.format(ancestors="'none'"),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
"""Of every page: nothing from elsewhere, no script or style within the page, and nobody puts it into a frame."""
EMBED_HEADERS: Final = {name: value for name, value in PAGE_HEADERS.items() if name != "cross-origin-opener-policy"} | {
    "content-security-policy": _POLICY.format(ancestors="*")
}
STATIC_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
"""Of the site's own files: a worker lives by the policy of its script."""

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("etdb.web"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_templates.filters |= {
    "instant": shown.instant,
    "number": shown.number,
    "safe_text": shown.safe,
    "short_id": shown.short_id,
    "size": shown.size,
    "urlencode": shown.url_part,
}
_templates.globals |= {
    "claims_line": shown.claims_line,
    "claim_name": shown.CLAIM_NAMES.__getitem__,
    "count": shown.count,
    "file_url": shown.file_url,
    "outcome_mark": shown.OUTCOME_MARKS.__getitem__,
    "role_file": role_file,
    "small_picture_url": small_picture_url,
    "role_name": lambda role: shown.term_name("file_role", role),
    "static_url": static_url,
    "term_name": shown.term_name,
}


def render(template: str, portal: Portal, **values: Any) -> bytes:
    """A template with these values, as UTF-8; lone surrogates of foreign text become U+FFFD."""
    text = _templates.get_template(template).render(portal=portal, site=portal.settings, **values)
    return text.encode("utf-8", "replace")


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    variant: str = "",
    **values: Any,
) -> Response:
    """A page as a response: kept by those who ask again only while the catalogue's state is the same.

    ``variant`` is a word for what else the page depends on; such a page is not kept for others who ask.
    """
    portal: Portal = request.app.state.portal
    etag = f'"{variant}{portal.state()}-{static_url.version}"'
    own = PAGE_HEADERS | {"etag": etag, "cache-control": "no-cache"} | (headers or {})
    if status == 200 and etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=own)
    body = render(template, portal, path=request.url.path, **values)
    return Response(body, status_code=status, headers=own, media_type="text/html; charset=utf-8")
