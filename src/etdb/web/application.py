"""The portal as one ASGI application: pages, API, gateway, and what every answer carries."""

from __future__ import annotations

import functools

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from etdb.errors import EtdbError, NotFoundError
from etdb.web.answers import GatewayAnswers
from etdb.web.api import api_routes
from etdb.web.api.problems import CORS, problem_response, status_problem
from etdb.web.gateway import gateway_routes, provider_routes
from etdb.web.guard import Guard
from etdb.web.kept import KeptAnswers
from etdb.web.limits import Buckets, Limited
from etdb.web.machine import machine_routes
from etdb.web.neuroglancer import neuroglancer_routes
from etdb.web.oldapi import alexandria_routes, daemon_routes
from etdb.web.pages import error_page, page_routes, try_routes
from etdb.web.portal import Portal
from etdb.web.providers import ProviderAnswers
from etdb.web.watching import RequestWatch, Watched
from etdb.web.zarr import zarr_routes

__all__ = ["portal_app"]

_SMALL_BYTES = 1_000
_PROGRAMS = ("/api/", "/oip/", "/alexandria/")


def portal_app(portal: Portal, *, check: bool = True, watch: RequestWatch | None = None) -> Starlette:
    """All that ``etdb serve`` answers.

    Args:
        portal: what is shown.
        check: see :class:`~etdb.web.answers.GatewayAnswers`.
        watch: is told of each request; its counts are part of ``/metrics``.
    """
    answers, providers = GatewayAnswers(portal.store, check=check), ProviderAnswers(portal.store)
    watch = watch or RequestWatch()
    settings = portal.settings
    routes: list[BaseRoute] = [
        *page_routes(),
        *try_routes(),
        *machine_routes(),
        *api_routes(),
        *zarr_routes(),
        *neuroglancer_routes(),
        *daemon_routes(),
        *alexandria_routes(),
        *gateway_routes(answers),
        *provider_routes(providers),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Watched, watch=watch),
            Middleware(Guard),
            Middleware(Limited, buckets=Buckets(settings.requests_per_second, settings.requests_at_once)),
            Middleware(KeptAnswers, state=portal.fresh_state),
            Middleware(_Compressed),
        ],
        exception_handlers={
            404: functools.partial(_not_here, "there is no such page"),
            HTTPException: _refused,
            Exception: _fault,
        },
    )
    app.state.portal, app.state.gateway, app.state.providers, app.state.watch = portal, answers, providers, watch
    return app


class _Compressed(GZipMiddleware):
    """What is text is sent compressed; what is content goes as it is: ranges and lengths count there."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=_SMALL_BYTES, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_content = scope["type"] != "http" or scope["path"].startswith(
            ("/ipfs/", "/routing/", "/zarr/", "/api/v1/volumes/")
        )
        if is_content:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _not_here(words: str, request: Request, _error: Exception) -> Response:
    error: EtdbError = NotFoundError(words)
    if request.url.path.startswith(_PROGRAMS):
        return problem_response(error, CORS)
    return error_page(request, error)


def _refused(request: Request, error: Exception) -> Response:
    """A request that no route takes, such as one with another method."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if request.url.path.startswith(_PROGRAMS):
        return status_problem(error.status_code, f"{request.method[:16]} is not answered here", CORS | headers)
    return Response(error.detail, status_code=error.status_code, headers=headers, media_type="text/plain")


def _fault(request: Request, _error: Exception) -> Response:
    """A bug: the log has it, the client is told that it is not its fault."""
    if request.url.path.startswith(_PROGRAMS):
        return status_problem(500, "this failed inside", CORS)
    return Response("This failed inside.\n", status_code=500, media_type="text/plain")
