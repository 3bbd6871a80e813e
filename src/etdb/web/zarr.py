"""``/zarr/{cid}/…``: an MRC file of the store as an OME-Zarr folder, for Neuroglancer, napari and zarr-python."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from etdb.errors import EtdbError, NotFoundError
from etdb.ipfs import parse_cid
from etdb.web.api.problems import problem_response
from etdb.web.portal import Portal
from etdb.web.volumes.virtual import virtual_file

__all__ = ["zarr_routes"]

_CROSS_ORIGIN: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "Range, If-None-Match",
    "x-content-type-options": "nosniff",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


def zarr_routes() -> list[Route]:
    """The files of every group."""
    return [Route("/zarr/{cid}/{path:path}", _respond, methods=["GET", "HEAD", "OPTIONS"])]


def _respond(request: Request) -> Response:
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=_CROSS_ORIGIN | {"access-control-max-age": "86400"})
    portal: Portal = request.app.state.portal
    try:
        try:
            cid = parse_cid(request.path_params["cid"])
        except EtdbError as error:
            raise NotFoundError(error.message) from error
        body, media_type = virtual_file(portal.volumes.mapped(cid), request.path_params["path"])
    except EtdbError as error:
        return problem_response(error, _CROSS_ORIGIN)
    return Response(body, media_type=media_type, headers=_CROSS_ORIGIN | {"cache-control": _FOREVER})
