"""What programs ask a site: feed, sitemap, oEmbed, health, metrics; and a dataset as schema.org describes one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from xml.sax.saxutils import escape, quoteattr

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from etdb.blocks import BlockStore
from etdb.catalogue import MAX_PAGE, DatasetView, Query
from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.web.api.problems import problem_response
from etdb.web.embedding import MOVIE_SIZE, VIEWER_SIZE, embed_html, has_volumes, view_of
from etdb.web.fetching import FetchingStore
from etdb.web.portal import Portal
from etdb.web.shown import file_url, safe

__all__ = ["json_ld", "machine_routes"]

FEED_ENTRIES: Final = 50
SITEMAP_URLS: Final = 50_000
_PAGES: Final = ("/", "/datasets", "/publishers", "/ledger", "/about", "/faq", "/terms", "/contact")
_NOT_XML: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 65534, 65535), "�")
_LICENCES: Final = "https://spdx.org/licenses/"


def machine_routes() -> list[Route]:
    """All of them; the application's ``state.portal`` is what they tell of."""
    return [
        Route("/feed.atom", _feed),
        Route("/sitemap.xml", _sitemap),
        Route("/robots.txt", _robots),
        Route("/oembed", _oembed),
        Route("/healthz", _health),
        Route("/readyz", _ready),
        Route("/metrics", _metrics),
    ]


def json_ld(view: DatasetView, portal: Portal, base: str) -> str:
    """A dataset as schema.org's ``Dataset``, safe to stand within a script element."""
    tomogram = view.tomogram
    people = tomogram.authors or ((tomogram.microscopist,) if tomogram.microscopist else ())
    group = tomogram.lab or tomogram.institution
    document: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": f"{base}/datasets/{view.dataset_id}",
        "url": f"{base}/datasets/{view.dataset_id}",
        "name": safe(tomogram.title, 500),
        "description": safe(tomogram.description or tomogram.title, 5_000),
        "identifier": [view.dataset_id, f"ipfs://{tomogram.location}"],
        "datePublished": _day(view.time_s),
        "isAccessibleForFree": True,
        "measurementTechnique": "electron tomography",
        "includedInDataCatalog": {"@type": "DataCatalog", "name": portal.settings.name, "url": base},
        "distribution": [
            {
                "@type": "DataDownload",
                "name": safe(one.path, 300),
                "contentUrl": base + file_url(tomogram.location, one.path),
                "encodingFormat": one.media_type or "application/octet-stream",
                **({"contentSize": str(one.size_bytes)} if one.size_bytes is not None else {}),
            }
            for one in tomogram.files[:100]
        ],
    }
    if people:
        document["creator"] = [{"@type": "Person", "name": safe(name, 200)} for name in people[:50]]
    elif group:
        document["creator"] = {"@type": "Organization", "name": safe(group, 200)}
    if tomogram.licence:
        document["license"] = _LICENCES + safe(tomogram.licence, 64)
    if tomogram.acquired_on:
        document["temporalCoverage"] = tomogram.acquired_on.isoformat()
    if words := [*tomogram.keywords, *tomogram.tags, *([tomogram.species] if tomogram.species else [])]:
        document["keywords"] = [safe(word, 100) for word in words[:50]]
    # Within a script only "<" could end it; "&" and ">" go along for readers that are less strict.
    text = json.dumps(document, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _base(request: Request, portal: Portal) -> str:
    return (portal.settings.url or str(request.base_url)).rstrip("/")


def _day(seconds: int) -> str:
    return dt.datetime.fromtimestamp(min(max(seconds, 0), 2**36), dt.UTC).date().isoformat()


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(min(max(seconds, 0), 2**36), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _xml(text: str, limit: int = 2_000) -> str:
    return escape(safe(text, limit).translate(_NOT_XML))


def _feed(request: Request) -> Response:
    portal: Portal = request.app.state.portal
    base, views = _base(request, portal), portal.search(Query(limit=FEED_ENTRIES)).results
    newest = _moment(views[0].time_s if views else 0)
    entries = "".join(
        f"<entry><id>{base}/datasets/{one.dataset_id}</id><title>{_xml(one.tomogram.title, 300)}</title>"
        f"<link href={quoteattr(f'{base}/datasets/{one.dataset_id}')}/><updated>{_moment(one.time_s)}</updated>"
        f"<author><name>{_xml(one.tomogram.lab or one.tomogram.publisher, 200)}</name></author>"
        f"<summary>{_xml(one.tomogram.description)}</summary></entry>\n"
        for one in views
    )
    body = (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>{_xml(portal.settings.name, 200)}: new datasets</title><id>{base}/</id>"
        f'<link href={quoteattr(base + "/")}/><link rel="self" href={quoteattr(base + "/feed.atom")}/>'
        f"<updated>{newest}</updated>\n{entries}</feed>\n"
    )
    return _text(request, body, "application/atom+xml")


def _sitemap(request: Request) -> Response:
    portal: Portal = request.app.state.portal
    base = _base(request, portal)
    lines = [f"<url><loc>{escape(base + path)}</loc></url>" for path in _PAGES]
    cursor = ""
    while len(lines) < SITEMAP_URLS:
        page = portal.search(Query(sort="newest", limit=MAX_PAGE, cursor=cursor))
        lines += [
            f"<url><loc>{escape(f'{base}/datasets/{one.dataset_id}')}</loc><lastmod>{_day(one.time_s)}</lastmod></url>"
            for one in page.results
        ]
        cursor = page.next_cursor
        if not cursor:
            break
    listed = "\n".join(lines[:SITEMAP_URLS])
    body = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{listed}\n</urlset>\n'
    )
    return _text(request, body, "application/xml")


def _robots(request: Request) -> Response:
    base = _base(request, request.app.state.portal)
    return Response(
        f"User-agent: *\nDisallow: /ipfs/\nDisallow: /api/\nAllow: /\nSitemap: {base}/sitemap.xml\n",
        media_type="text/plain; charset=utf-8",
    )


def _oembed(request: Request) -> Response:
    """What others need to show a dataset of this site within their page (https://oembed.com).

    The link that the slice viewer gives, with a view behind its "#", is answered with the viewer at that view.
    """
    portal: Portal = request.app.state.portal
    try:
        if request.query_params.get("format", "json") != "json":
            raise InputError("only format=json is answered")
        asked = _address(request.query_params.get("url", ""))
        parts = asked.path.strip("/").split("/")
        if len(parts) < 2 or parts[0] != "datasets":
            raise NotFoundError("this is not the address of a dataset here")
        view = portal.get(parts[1])
        at = view_of(asked.fragment)
        viewer = bool(at or parts[2:] == ["embed", "viewer"]) and has_volumes(view)
        usual = VIEWER_SIZE if viewer else MOVIE_SIZE
        wide = _bounded(request.query_params.get("maxwidth"), usual[0])
        high = _bounded(request.query_params.get("maxheight"), usual[1])
    except EtdbError as error:
        return problem_response(error)
    base = _base(request, portal)
    document = {
        "version": "1.0",
        "type": "rich",
        "title": safe(view.tomogram.title, 300),
        "provider_name": portal.settings.name,
        "provider_url": base,
        "width": wide,
        "height": high,
        "html": embed_html(base, view, (wide, high), viewer=viewer, at=at if viewer else ""),
    }
    return Response(
        msgspec.json.encode(document),
        media_type="application/json",
        headers={"access-control-allow-origin": "*", "x-content-type-options": "nosniff"},
    )


def _address(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise InputError("`url` is no address") from error


def _bounded(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise InputError("maxwidth and maxheight are whole numbers")
    return max(160, min(usual, int(text)))


def _health(_request: Request) -> Response:
    return Response("alive\n", media_type="text/plain", headers={"cache-control": "no-store"})


def _ready(request: Request) -> Response:
    """Whether the catalogue answers and the ledger is followed; 503 while it is not."""
    follower = getattr(request.app.state, "follower", None)
    try:
        height = request.app.state.portal.statistics().height
    except EtdbError as error:
        return problem_response(error)
    is_ready = follower is None or follower.is_ready
    document = {"ready": is_ready, "height": height, "trouble": follower.public_trouble if follower else ""}
    return Response(
        msgspec.json.encode(document),
        status_code=200 if is_ready else 503,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def _metrics(request: Request) -> Response:
    """Prometheus' text format, version 0.0.4."""
    portal: Portal = request.app.state.portal
    try:
        numbers = portal.statistics()
    except EtdbError as error:
        return problem_response(error)
    follower = getattr(request.app.state, "follower", None)
    rows = [
        ("etdb_datasets", "gauge", "datasets that this portal shows", numbers.datasets),
        ("etdb_dataset_bytes", "gauge", "bytes of all files, as the records say", numbers.size_bytes),
        ("etdb_ledger_height", "gauge", "the newest indexed block", -1 if numbers.height is None else numbers.height),
        ("etdb_ledger_block_time_seconds", "gauge", "the time of that block", numbers.block_time_s or 0),
        ("etdb_follower_up", "gauge", "whether the ledger is followed", int(bool(follower and follower.is_following))),
        *_fetched(portal.store),
        *((f"etdb_catalogue_{name}", "gauge", f"rows: {name}", n) for name, n in portal.catalogue.counts().items()),
    ]
    lines = [f"# HELP {name} {words}\n# TYPE {name} {kind}\n{name} {value}\n" for name, kind, words, value in rows]
    watch = getattr(request.app.state, "watch", None)
    body = "".join(lines) + (watch.metrics() if watch else "")
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


def _fetched(store: BlockStore) -> Iterator[tuple[str, str, str, int]]:
    """What a portal that fetches did since its start; nothing of one that does not."""
    if isinstance(store, FetchingStore):
        yield "etdb_fetched_blocks_total", "counter", "blocks that came from elsewhere", store.numbers.blocks
        yield "etdb_fetched_bytes_total", "counter", "bytes that came from elsewhere", store.numbers.bytes
        yield "etdb_fetch_failures_total", "counter", "blocks that nobody gave", store.numbers.failures
        yield "etdb_cache_hits_total", "counter", "blocks that had been kept", store.numbers.cached
        yield "etdb_cache_bytes", "gauge", "what is kept, about", store.cache.used_bytes
        yield "etdb_banned_sources", "gauge", "sources that gave wrong bytes of late", len(store.providers.banned)


def _text(request: Request, body: str, media_type: str) -> Response:
    etag = f'"{request.app.state.portal.state()}"'
    headers = {"etag": etag, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body.encode("utf-8", "replace"), media_type=f"{media_type}; charset=utf-8", headers=headers)
