"""The portal as one ASGI application: pages, API, gateway, and what every answer carries."""

from __future__ import annotations

import functools

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from etdb.errors import EtdbError, NotFoundError
from etdb.web.answers import GatewayAnswers
from etdb.web.api import api_routes
from etdb.web.gateway import gateway_routes, provider_routes
from etdb.web.guard import Guard
from etdb.web.machine import machine_routes
from etdb.web.neuroglancer import neuroglancer_routes
from etdb.web.pages import error_page, page_routes
from etdb.web.portal import Portal
from etdb.web.providers import ProviderAnswers
from etdb.web.zarr import zarr_routes

__all__ = ["portal_app"]

_SMALL_BYTES = 1_000


def portal_app(portal: Portal, *, check: bool = True) -> Starlette:
    """All that ``etdb serve`` answers.

    Args:
        portal: what is shown.
        check: see :class:`~etdb.web.answers.GatewayAnswers`.
    """
    answers, providers = GatewayAnswers(portal.store, check=check), ProviderAnswers(portal.store)
    routes: list[BaseRoute] = [
        *page_routes(),
        *machine_routes(),
        *api_routes(),
        *zarr_routes(),
        *neuroglancer_routes(),
        *gateway_routes(answers),
        *provider_routes(providers),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard), Middleware(_Compressed)],
        exception_handlers={404: functools.partial(_not_here, "there is no such page")},
    )
    app.state.portal, app.state.gateway, app.state.providers = portal, answers, providers
    return app


class _Compressed(GZipMiddleware):
    """What is text is sent compressed; what is content goes as it is: ranges and lengths count there."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=_SMALL_BYTES)

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
    return error_page(request, error)
