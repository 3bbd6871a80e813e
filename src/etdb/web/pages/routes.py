"""The pages and their addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from etdb.catalogue import MAX_PAGE, Query
from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.manifest import MANIFEST_NAME
from etdb.trust import Claim
from etdb.web.api.volumes import is_volume
from etdb.web.machine import json_ld
from etdb.web.pages.browsing import RANGES_SHOWN, Browsing
from etdb.web.pages.citing import citation
from etdb.web.pages.metadata import described
from etdb.web.pages.render import EMBED_HEADERS, STATIC_HEADERS, page
from etdb.web.pages.texts import TEXTS, load_text
from etdb.web.portal import Portal, role_file
from etdb.web.static import static_file

__all__ = ["page_routes"]

_WALL: Final = 12
_SIMILAR: Final = 6
_LEDGER_ROWS: Final = 50
_MISSING: Final = ("nobody", "not here")
_FOREVER: Final = "public, max-age=31536000, immutable"


def page_routes() -> list[Route]:
    """Every page; the application's ``state.portal`` is what they show."""
    return [
        Route("/", _shown(_home)),
        Route("/datasets", _shown(_browse)),
        Route("/datasets/{dataset_id}", _shown(_dataset)),
        Route("/datasets/{dataset_id}/embed", _shown(_embed)),
        Route("/datasets/{dataset_id}/cite.{form}", _shown(_cite)),
        Route("/tomogram/{dataset_id}", _shown(_old_address)),
        Route("/publishers", _shown(_publishers)),
        Route("/publishers/{address}", _shown(_publisher)),
        Route("/ledger", _shown(_ledger)),
        *(Route(f"/{name}", _shown(_text)) for name in TEXTS),
        Route("/static/theme.css", _theme),
        Route("/static/{name:path}", _static),
    ]


def _shown(make: Callable[[Request, Portal], Response]) -> Callable[[Request], Response]:
    """A page as a route: Starlette runs it in a thread; what cannot be shown is a page too."""

    def respond(request: Request) -> Response:
        portal: Portal = request.app.state.portal
        try:
            return make(request, portal)
        except EtdbError as error:
            return error_page(request, error)

    return respond


def error_page(request: Request, error: EtdbError) -> Response:
    """An error as a page: what happened, and where one can go on."""
    words = error.message if isinstance(error, (InputError, NotFoundError)) else "This page cannot be shown now."
    candidates = getattr(error, "fields", {}).get("candidates", ())
    return page(
        request,
        "error.html",
        status=error.http_status,
        headers={"cache-control": "no-store"},
        message=words,
        hint=error.hint if isinstance(error, InputError) else "",
        candidates=[str(one) for one in candidates],
        status_code=error.http_status,
    )


def _home(request: Request, portal: Portal) -> Response:
    return page(request, "home.html", wall=portal.newest(_WALL), statistics=portal.statistics())


def _browse(request: Request, portal: Portal) -> Response:
    browsing = Browsing(request.query_params.multi_items())
    found = browsing.answer(portal)
    ranges = [(name, title, kind, *browsing.bounds(name)) for name, title, kind in RANGES_SHOWN]
    return page(request, "browse.html", browsing=browsing, found=found, ranges=ranges)


def _dataset(request: Request, portal: Portal) -> Response:
    asked = request.path_params["dataset_id"]
    view = portal.get(asked)
    if asked != view.dataset_id:
        return RedirectResponse(f"/datasets/{view.dataset_id}", status_code=302)
    messages = portal.catalogue.messages(view.dataset_id)
    availability = portal.availability(view)

    def comes(path: str) -> bool:
        """Whether it is worth asking this site for a file."""
        return availability not in _MISSING or portal.holds(view, path)

    return page(
        request,
        "dataset.html",
        variant="" if availability == "here" else f"-{availability.replace(' ', '-')}",
        availability=availability,
        view=view,
        tomogram=view.tomogram,
        groups=described(view.tomogram),
        claims=[(view.claims[claim], claim.meaning) for claim in Claim],
        messages=messages,
        similar=portal.similar(view, _SIMILAR),
        key_movie=role_file(view, ("key_movie",), when=lambda path: _plays(path) and comes(path)),
        key_image=role_file(
            view, ("key_image", "thumbnail", "snapshot"), when=lambda path: _is_picture(path) and comes(path)
        ),
        snapshots=[
            one for one in view.tomogram.files if one.role == "snapshot" and _is_picture(one.path) and comes(one.path)
        ],
        citation=citation(view, portal, "txt").strip(),
        has_volume=any(is_volume(one.path) and comes(one.path) for one in view.tomogram.files),
        json_ld=json_ld(view, portal, (portal.settings.url or str(request.base_url)).rstrip("/")),
        manifest_name=MANIFEST_NAME,
        source=str(request.base_url).rstrip("/"),
    )


def _embed(request: Request, portal: Portal) -> Response:
    view = portal.get(request.path_params["dataset_id"])
    return page(
        request,
        "embed.html",
        headers=EMBED_HEADERS,
        view=view,
        tomogram=view.tomogram,
        key_movie=role_file(view, ("key_movie",), when=_plays),
        key_image=role_file(view, ("key_image", "thumbnail", "snapshot"), when=_is_picture),
    )


def _cite(request: Request, portal: Portal) -> Response:
    form = request.path_params["form"]
    view = portal.get(request.path_params["dataset_id"])
    text = citation(view, portal, form)
    types = {"bib": "application/x-bibtex", "ris": "application/x-research-info-systems", "txt": "text/plain"}
    name = f'attachment; filename="{view.dataset_id[:10]}.{form}"'
    return Response(
        text.encode("utf-8", "replace"),
        media_type=f"{types[form]}; charset=utf-8",
        headers={"content-disposition": name, "x-content-type-options": "nosniff"},
    )


def _old_address(request: Request, portal: Portal) -> Response:
    view = portal.get(request.path_params["dataset_id"])
    return RedirectResponse(f"/datasets/{view.dataset_id}", status_code=301)


def _publishers(request: Request, portal: Portal) -> Response:
    rows = []
    for found in portal.values("publisher"):
        mine = portal.search(Query(terms={"publisher": (found.value,)}, sort="oldest", limit=1, facets=("lab",)))
        labs = [one.value for one in mine.facets["lab"]]
        rows.append((found.value, found.count, labs, mine.results[0].time_s if mine.results else None))
    return page(request, "publishers.html", rows=rows)


def _publisher(request: Request, portal: Portal) -> Response:
    address = request.path_params["address"]
    facets = ("species", "lab", "institution", "microscope")
    found = portal.search(Query(terms={"publisher": (address,)}, limit=_WALL, facets=facets))
    if not found.total:
        raise NotFoundError(f"nobody published here as {address[:64]}")
    first = portal.search(Query(terms={"publisher": (address,)}, sort="oldest", limit=1)).results[0]
    return page(request, "publisher.html", address=address, found=found, first=first)


def _ledger(request: Request, portal: Portal) -> Response:
    kind = request.query_params.get("list", "aside")
    if kind not in {"aside", "orphans", "other"}:
        raise InputError(f"there is no list {kind[:40]!r}", hint="aside, orphans or other")
    after = request.query_params.get("after", "0")
    if not after.isascii() or not after.isdigit() or len(after) > 15:
        raise InputError("`after` is a number that this page gave")
    listing = portal.catalogue.listed(kind, limit=min(_LEDGER_ROWS, MAX_PAGE), after=int(after))
    return page(
        request,
        "ledger.html",
        kind=kind,
        listing=listing,
        counts=portal.catalogue.counts(),
        statistics=portal.statistics(),
    )


def _text(request: Request, portal: Portal) -> Response:
    name = request.url.path.strip("/")
    title, html = load_text(name, portal.settings.texts_folder)
    return page(request, "text.html", title=title, html=html)


def _theme(request: Request) -> Response:
    """The site's own colour; a stylesheet of its own, since pages hold no style."""
    accent = request.app.state.portal.settings.accent
    css = f":root{{--accent:{accent};--accent-strong:{accent}}}\n" if accent else "\n"
    return Response(css, media_type="text/css; charset=utf-8", headers={"cache-control": "no-cache"})


def _static(request: Request) -> Response:
    found = static_file(request.path_params["name"])
    if found is None:
        return error_page(request, NotFoundError("there is no such file"))
    kept = _FOREVER if request.query_params.get("v") == found.digest else "no-cache"
    headers = STATIC_HEADERS | {"cache-control": kept, "etag": f'"{found.digest}"'}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)


def _plays(path: str) -> bool:
    return path.lower().endswith((".mp4", ".webm", ".m4v"))


def _is_picture(path: str) -> bool:
    return path.lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".gif"))
