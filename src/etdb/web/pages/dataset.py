"""The page of one dataset, of its revisions, and what stands for it elsewhere: the embedded page, citations."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from etdb.catalogue import DatasetView
from etdb.errors import EtdbError, FormatError, InputError, NotFoundError
from etdb.manifest import MANIFEST_NAME, Manifest, parse_manifest
from etdb.trust import Claim
from etdb.verify import read_manifest
from etdb.web.api.volumes import is_volume
from etdb.web.embedding import MOVIE_SIZE, VIEWER_SIZE, embed_html
from etdb.web.machine import json_ld
from etdb.web.metadata import described
from etdb.web.pages.citing import citation
from etdb.web.pages.pictures import is_picture
from etdb.web.pages.render import EMBED_HEADERS, page
from etdb.web.portal import MISSING, Availability, Portal, role_file
from etdb.web.shown import file_url

__all__ = ["cite", "dataset", "embed", "embed_viewer", "old_address"]

MAX_FILES_LISTED: Final = 2_000
MAX_REVISIONS_SHOWN: Final = 100
_SIMILAR: Final = 6
_GONE: Final = 410
_MAX_MANIFEST: Final = 8 << 20


class FileHashes(Struct, frozen=True):
    """What the signed manifest says of a file's bytes."""

    cid: str
    sha256: str


def dataset(request: Request, portal: Portal) -> Response:
    """The page; a withdrawn dataset's is its tombstone, with status 410."""
    asked = request.path_params["dataset_id"]
    revision = _revision(request)
    view = portal.get(asked, revision=revision)
    if asked != view.dataset_id:
        number = view.revision if view.revision != view.revisions else revision
        query = f"?revision={number}" if number is not None else ""
        return RedirectResponse(f"/datasets/{view.dataset_id}{query}", status_code=302)
    if view.withdrawn is not None:
        return page(
            request,
            "withdrawn.html",
            status=_GONE,
            view=view,
            tomogram=view.tomogram,
            history=portal.catalogue.history(view.dataset_id)[-MAX_REVISIONS_SHOWN:],
            groups=described(view.tomogram),
            citation=citation(view, portal, "txt").strip(),
        )
    base = portal.base_url(str(request.base_url))
    availability, comes = _coming(portal, view)
    has_volume = _has_volume(view, comes)
    return page(
        request,
        "dataset.html",
        variant=_variant(availability),
        availability=availability,
        view=view,
        tomogram=view.tomogram,
        groups=described(view.tomogram),
        claims=[(view.claims[claim], claim.meaning) for claim in Claim],
        messages=portal.catalogue.messages(view.dataset_id),
        history=portal.catalogue.history(view.dataset_id)[-MAX_REVISIONS_SHOWN:] if view.revisions > 1 else (),
        similar=portal.similar(view, _SIMILAR),
        hashes=_hashes(portal, view),
        key_movie=role_file(view, ("key_movie",), when=lambda path: _plays(path) and comes(path)),
        key_image=role_file(
            view, ("key_image", "thumbnail", "snapshot"), when=lambda path: is_picture(path) and comes(path)
        ),
        snapshots=[
            one for one in view.tomogram.files if one.role == "snapshot" and is_picture(one.path) and comes(one.path)
        ],
        citation=citation(view, portal, "txt").strip(),
        has_volume=has_volume,
        embedded=embed_html(base, view, MOVIE_SIZE),
        viewer_embedded=embed_html(base, view, VIEWER_SIZE, viewer=True) if has_volume else "",
        json_ld=json_ld(view, portal, base),
        manifest_name=MANIFEST_NAME,
        max_files=MAX_FILES_LISTED,
        source=base,
        curl_line=_curl(base, view),
    )


def _curl(base: str, view: DatasetView) -> str:
    """The command for the first file, safe to paste into a shell."""
    if not view.tomogram.files:
        return ""
    return shlex.join(["curl", "-fLO", base + file_url(view.tomogram.location, view.tomogram.files[0].path)])


def _revision(request: Request) -> int | None:
    text = request.query_params.get("revision", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 7 and int(text)):
        raise InputError("a revision is a whole number from 1")
    return int(text)


def _hashes(portal: Portal, view: DatasetView) -> dict[str, FileHashes]:
    """The hashes of the files, when the manifest is at hand: in the store, or fetched earlier."""
    try:
        return _manifest_hashes(portal, view.tomogram.location)
    except EtdbError:
        pass  # another portal has the files; the page says so by leaving the hashes out
    stored = portal.catalogue.manifest(view.dataset_id) if view.revisions == 1 else None
    try:
        return {} if stored is None else _by_path(parse_manifest(stored.document))
    except FormatError:
        return {}


@functools.lru_cache(maxsize=128)
def _manifest_hashes(portal: Portal, location: str) -> dict[str, FileHashes]:
    """Of a location's own manifest, which never changes; what is not at hand raises, and is looked for again."""
    document = read_manifest(location, portal.store)
    if document is None or len(document) > _MAX_MANIFEST:
        raise NotFoundError("there is no manifest at hand")
    return _by_path(parse_manifest(document))


def _by_path(manifest: Manifest) -> dict[str, FileHashes]:
    return {one.path: FileHashes(one.cid, one.sha256 or "") for one in manifest.files}


def embed(request: Request, portal: Portal) -> Response:
    """The movie or picture alone, for a frame in somebody else's page."""
    return _framed(request, portal)


def embed_viewer(request: Request, portal: Portal) -> Response:
    """The slice viewer alone, for such a frame; of a dataset without a volume the movie or picture."""
    return _framed(request, portal, viewer=True)


def _framed(request: Request, portal: Portal, *, viewer: bool = False) -> Response:
    view = portal.get(request.path_params["dataset_id"])
    availability, comes = _coming(portal, view)
    return page(
        request,
        "embed.html",
        status=200 if view.withdrawn is None else _GONE,
        headers=EMBED_HEADERS,
        variant=_variant(availability),
        view=view,
        tomogram=view.tomogram,
        has_viewer=viewer and _has_volume(view, comes),
        key_movie=role_file(view, ("key_movie",), when=lambda path: _plays(path) and comes(path)),
        key_image=role_file(
            view, ("key_image", "thumbnail", "snapshot"), when=lambda path: is_picture(path) and comes(path)
        ),
    )


def _coming(portal: Portal, view: DatasetView) -> tuple[Availability, Callable[[str], bool]]:
    """Where the files of a dataset are, and whether it is worth asking this site for one of them."""
    availability = portal.availability(view)
    return availability, lambda path: availability not in MISSING or portal.holds(view, path)


def _has_volume(view: DatasetView, comes: Callable[[str], bool]) -> bool:
    return any(is_volume(one.path) and comes(one.path) for one in view.tomogram.files)


def _variant(availability: Availability) -> str:
    return "" if availability == "here" else f"-{availability.replace(' ', '-')}"


def cite(request: Request, portal: Portal) -> Response:
    """The citation as a file."""
    form = request.path_params["form"]
    view = portal.get(request.path_params["dataset_id"], revision=_revision(request))
    text = citation(view, portal, form)
    types = {"bib": "application/x-bibtex", "ris": "application/x-research-info-systems", "txt": "text/plain"}
    name = f'attachment; filename="{view.dataset_id[:10]}.{form}"'
    return Response(
        text.encode("utf-8", "replace"),
        media_type=f"{types[form]}; charset=utf-8",
        headers={"content-disposition": name, "x-content-type-options": "nosniff"},
    )


def old_address(request: Request, portal: Portal) -> Response:
    """Where the first portal had its pages: by the first six digits of the id."""
    view = portal.get(request.path_params["dataset_id"])
    return RedirectResponse(f"/datasets/{view.dataset_id}", status_code=301)


def _plays(path: str) -> bool:
    return path.lower().endswith((".mp4", ".webm", ".m4v"))
