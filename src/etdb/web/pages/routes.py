"""The pages and their addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from etdb.catalogue import FACETS, MAX_PAGE, Query
from etdb.catalogue.text import fold_term
from etdb.errors import EtdbError, InputError, NotFoundError
from etdb.web.pages.advanced import advanced
from etdb.web.pages.brand import logo, theme
from etdb.web.pages.browsing import MAX_VALUES_SHOWN, RANGES_SHOWN, Browsing
from etdb.web.pages.dataset import cite, dataset, embed, embed_viewer, old_address
from etdb.web.pages.featured import find_section, load_featured, shown_sections
from etdb.web.pages.pictures import home_tiles
from etdb.web.pages.records import record
from etdb.web.pages.render import STATIC_HEADERS, page
from etdb.web.pages.texts import TEXTS, load_text
from etdb.web.pages.wording import field_label
from etdb.web.portal import Portal
from etdb.web.static import static_file

__all__ = ["error_page", "page_routes"]

_WALL: Final = 12
_TRIED: Final = 4
_SECTIONS_AT_HOME: Final = 6
_LEDGER_ROWS: Final = 50
_FOREVER: Final = "public, max-age=31536000, immutable"


def page_routes() -> list[Route]:
    """Every page; the application's ``state.portal`` is what they show."""
    return [
        Route("/", _shown(_home)),
        Route("/datasets", _shown(_browse)),
        Route("/datasets/values/{name}", _shown(_values)),
        Route("/datasets/{dataset_id}", _shown(dataset)),
        Route("/datasets/{dataset_id}/embed", _shown(embed)),
        Route("/datasets/{dataset_id}/embed/viewer", _shown(embed_viewer)),
        Route("/datasets/{dataset_id}/cite.{form}", _shown(cite)),
        Route("/tomogram/{dataset_id}", _shown(old_address)),
        Route("/advanced", _shown(advanced)),
        Route("/featured", _shown(_featured)),
        Route("/featured/{name}", _shown(_section)),
        Route("/publishers", _shown(_publishers)),
        Route("/publishers/{address}", _shown(_publisher)),
        Route("/ledger", _shown(_ledger)),
        Route("/records/{txid}", _shown(record)),
        *(Route(f"/{name}", _shown(_text)) for name in TEXTS),
        Route("/static/theme.css", theme),
        Route("/static/logo", logo),
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
        words=request.url.path.strip("/").rpartition("/")[2].replace("-", " ")[:60],
    )


def _home(request: Request, portal: Portal) -> Response:
    _, _, sections = load_featured(portal.settings.texts_folder)
    wall, featured = home_tiles(portal, portal.newest(_WALL), shown_sections(portal, sections)[:_SECTIONS_AT_HOME])
    return page(
        request,
        "home.html",
        wall=wall,
        statistics=portal.statistics(),
        featured=featured,
        species=portal.species(limit=_WALL),
        tags=portal.values("tags", limit=_TRIED),
    )


def _browse(request: Request, portal: Portal) -> Response:
    browsing = Browsing(request.query_params.multi_items())
    found = browsing.answer(portal)
    ranges = [(name, title, kind, *browsing.bounds(name)) for name, title, kind in RANGES_SHOWN]
    return page(request, "browse.html", browsing=browsing, found=found, ranges=ranges)


def _values(request: Request, portal: Portal) -> Response:
    """All values of a facet, for the question that was asked."""
    name, find = request.path_params["name"], request.query_params.get("find", "").strip()[:200]
    if name not in FACETS:
        raise NotFoundError(f"there is no list of {name[:64]!r}")
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "find"]
    browsing = Browsing(pairs, facets=(name,), facet_limit=MAX_VALUES_SHOWN)
    values = browsing.answer(portal).facets[name]
    fitting = [one for one in values if fold_term(find) in fold_term(one.value)]
    return page(
        request,
        "values.html",
        browsing=browsing,
        name=name,
        title=field_label(name),
        values=fitting,
        find=find,
        is_cut=len(values) >= MAX_VALUES_SHOWN,
    )


def _featured(request: Request, portal: Portal) -> Response:
    title, introduction, sections = load_featured(portal.settings.texts_folder)
    shown = shown_sections(portal, sections)
    return page(request, "featured.html", title=title, introduction=introduction, sections=shown)


def _section(request: Request, portal: Portal) -> Response:
    _, _, sections = load_featured(portal.settings.texts_folder)
    return page(request, "section.html", shown=find_section(portal, sections, request.path_params["name"]))


def _publishers(request: Request, portal: Portal) -> Response:
    rows = []
    for found in portal.values("publisher"):
        mine = portal.search(Query(terms={"publisher": (found.value,)}, sort="oldest", limit=1, facets=("lab",)))
        labs = [one.value for one in mine.facets["lab"]]
        since = mine.results[0].time_s if mine.results else None
        rows.append((found.value, portal.catalogue.publisher_name(found.value), found.count, labs, since))
    return page(request, "publishers.html", rows=rows)


def _publisher(request: Request, portal: Portal) -> Response:
    address = request.path_params["address"]
    facets = ("species", "lab", "institution", "microscope")
    found = portal.search(Query(terms={"publisher": (address,)}, limit=_WALL, facets=facets))
    if not found.total:
        raise NotFoundError(f"nobody published here as {address[:64]}")
    address = found.results[0].tomogram.publisher
    first = portal.search(Query(terms={"publisher": (address,)}, sort="oldest", limit=1)).results[0]
    name = portal.catalogue.publisher_name(address)
    return page(request, "publisher.html", address=address, name=name, found=found, first=first)


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
    source = portal.base_url(str(request.base_url))
    title, html = load_text(name, portal.settings.texts_folder, source=source)
    return page(request, "text.html", title=title, html=html, name=name)


def _static(request: Request) -> Response:
    found = static_file(request.path_params["name"])
    if found is None:
        return error_page(request, NotFoundError("there is no such file"))
    kept = _FOREVER if request.query_params.get("v") == found.digest else "no-cache"
    headers = STATIC_HEADERS | {"cache-control": kept, "etag": f'"{found.digest}"'}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)
