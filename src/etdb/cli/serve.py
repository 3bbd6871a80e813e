"""``etdb serve``: the portal with its gateway, following the ledger."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from etdb.cli.app import Context, command
from etdb.cli.kept_ledger import fold_options
from etdb.cli.opening import find_workspace, open_catalogue, open_files, open_ledger
from etdb.cli.output import Output, printable
from etdb.errors import EtdbError
from etdb.flo import network
from etdb.workspace import Workspace

if TYPE_CHECKING:
    from etdb.index import IndexReport

__all__ = ["serve"]

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@command(
    "serve",
    examples="""
    etdb serve                       on http://127.0.0.1:8080, for this machine only
    etdb serve --port 0              on any free port; the first line says which
    etdb serve --announce https://data.example.org     behind a proxy on this machine that speaks HTTPS
    etdb serve --host 0.0.0.0        to everybody who reaches this machine, over HTTP""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 is any.")
@click.option("--announce", metavar="URL", help="Where others reach it, told to those who ask who has a CID.")
@click.option(
    "--no-check",
    is_flag=True,
    help="Send files whose size and time are unchanged without hashing them: faster, but bit rot goes out unseen here.",
)
@click.option("--no-follow", is_flag=True, help="Show what is indexed already; do not follow the ledger.")
def serve(context: Context, host: str, port: int, announce: str | None, no_check: bool, no_follow: bool) -> None:
    """Serve the web site, the API and the published files, and follow the ledger meanwhile.

    The site shows what `[portal]` in etdb.toml selects. Files are sent to anyone who asks by CID, straight from where
    they are: every block is hashed once more before it leaves; changed files are refused, never served. Whoever checks
    what they get, as etdb download does, notices wrong bytes either way.

    Ctrl-C or SIGTERM ends it, with status 0, when what was begun has been sent (5 seconds at most).

    It also answers /routing/v1/providers/CID, so that Kubo, Helia and etdb can be told that the data is here.
    """
    from etdb.catalogue import Catalogue
    from etdb.web.application import portal_app
    from etdb.web.follower import following
    from etdb.web.portal import Portal
    from etdb.web.serving import serve as run

    out, workspace = context.out, find_workspace(context)

    def ready(url: str) -> None:
        out.document({"portal": url, "gateway": url})
        out.say(f"Portal and gateway at {url}  (Ctrl-C ends it)")
        if announce is None and host not in _EVERYWHERE:
            app.state.providers.announce(url)

    with contextlib.ExitStack() as open_things:
        if not workspace.catalogue_path.exists():
            with open_catalogue(workspace, writable=True):
                pass  # an empty one, to be filled
        catalogue = open_things.enter_context(Catalogue(workspace.catalogue_path))
        files = open_things.enter_context(open_files(workspace))
        portal = Portal(catalogue, files, workspace.portal_settings, network=workspace.settings.network)
        app = portal_app(portal, check=not no_check)
        if announce is not None:
            app.state.providers.announce(announce)
        # A signal is how serving ends: what was begun is sent, and then the signal comes once more as one of these.
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            if not no_follow:
                follow = functools.partial(_follow, workspace, out)
                app.state.follower = open_things.enter_context(following(follow, note=out.remark))
            run(app, host=host, port=port, on_ready=ready)


def _follow(workspace: Workspace, out: Output, wait: Callable[[], bool]) -> Iterator[IndexReport]:
    from etdb.index import watch

    def away(error: EtdbError) -> None:
        out.remark(f"{printable(error.message)}; waiting for it")

    with (
        workspace.lock("index"),
        open_ledger(workspace) as ledger,
        open_catalogue(workspace, writable=True) as catalogue,
    ):
        flo_network = network(workspace.flo_network_name)
        yield from watch(ledger, catalogue, network=flo_network, wait=wait, away=away, **fold_options(ledger))
