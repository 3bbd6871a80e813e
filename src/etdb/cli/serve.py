"""``etdb serve``: the portal with its gateway, following the ledger."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from etdb.catalogue import Catalogue
from etdb.cli.app import Context, command
from etdb.cli.kept_ledger import fold_options
from etdb.cli.opening import find_workspace, open_ledger, open_portal_store
from etdb.cli.output import Output, printable
from etdb.durable import scratch_folder, storage_errors
from etdb.errors import EtdbError, LockedError, StorageError
from etdb.flo import network
from etdb.ipfs import Cid
from etdb.schema import is_unchangeable
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
    etdb serve --access-log access.jsonl               a line of JSON for each request, without addresses
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
@click.option(
    "--no-fetch", is_flag=True, help="Serve what is here; fetch nothing from gateways and routers of etdb.toml."
)
@click.option(
    "--access-log",
    metavar="FILE",
    help="Append a line of JSON for each request: method, path, status, milliseconds, bytes; - is standard error.",
)
@click.option("--log-addresses", is_flag=True, help="Say in that log who asked: an address is a person's.")
@click.option("--no-follow", is_flag=True, help="Show what is indexed already; do not follow the ledger.")
def serve(
    context: Context,
    host: str,
    port: int,
    announce: str | None,
    no_check: bool,
    no_fetch: bool,
    access_log: str | None,
    log_addresses: bool,
    no_follow: bool,
) -> None:
    """Serve the web site, the API and the published files, and follow the ledger meanwhile.

    The site shows what `[portal]` in etdb.toml selects. Files are sent to anyone who asks by CID, straight from where
    they are: every block is hashed once more before it leaves; changed files are refused, never served. Whoever checks
    what they get, as etdb download does, notices wrong bytes either way.

    What is not here is fetched from the `gateways` and [fetch] `routers` of etdb.toml when somebody asks for it,
    checked, and kept on disk within `cache_bytes`: only what belongs to datasets that the site shows.

    Ctrl-C or SIGTERM ends it, with status 0, when what was begun has been sent (5 seconds at most).

    It also answers /routing/v1/providers/CID, so that Kubo, Helia and etdb can be told that the data is here.
    """
    from etdb.web.application import portal_app
    from etdb.web.follower import following
    from etdb.web.portal import Portal
    from etdb.web.serving import serve as run
    from etdb.web.watching import RequestWatch

    out, workspace = context.out, find_workspace(context)

    def ready(url: str) -> None:
        out.document({"portal": url, "gateway": url})
        out.say(f"Portal and gateway at {url}  (Ctrl-C ends it)")
        if announce is None and host not in _EVERYWHERE:
            app.state.providers.announce(url)

    def is_shown(root: Cid) -> bool:
        return portal.is_shown(root)

    with contextlib.ExitStack() as open_things:
        place = open_things.enter_context(_catalogue_place(workspace, out))
        catalogue = open_things.enter_context(Catalogue(place.path))
        store = open_things.enter_context(
            open_portal_store(workspace, is_shown=is_shown, is_fetching=not no_fetch, note=out.remark)
        )
        portal = Portal(catalogue, store, workspace.portal_settings, network=workspace.settings.network)
        write = open_things.enter_context(_log_writer(access_log)) if access_log else None
        watch = RequestWatch(write, with_addresses=log_addresses)
        app = portal_app(portal, check=not no_check, watch=watch)
        if announce is not None:
            app.state.providers.announce(announce)
        # A signal is how serving ends: what was begun is sent, and then the signal comes once more as one of these.
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            if not no_follow and place.is_written:
                follow = functools.partial(_follow, workspace, place.path, out)
                app.state.follower = open_things.enter_context(following(follow, note=out.remark))
            run(app, host=host, port=port, on_ready=ready)


class _Place(Struct, frozen=True):
    """Where the catalogue is, and whether this process may bring it to the newest block."""

    path: Path
    is_written: bool


@contextlib.contextmanager
def _catalogue_place(workspace: Workspace, out: Output) -> Iterator[_Place]:
    """The workspace's catalogue; of a workspace that cannot be written, one for as long as this process lives."""
    path, is_written, trouble = workspace.catalogue_path, not is_unchangeable(workspace.catalogue_path), ""
    try:
        # An empty one is made, and one of an older etdb is begun anew.
        Catalogue(path, writable=is_written).close()
    except LockedError:
        pass  # somebody writes it at this moment
    except StorageError as error:
        trouble = error.message
    if trouble:
        with scratch_folder("etdb-catalogue-") as folder:
            out.remark(f"{printable(trouble)}; the ledger is indexed anew, for as long as this runs")
            path = folder / "catalogue.sqlite"
            Catalogue(path, writable=True).close()
            yield _Place(path, is_written=True)
        return
    if not is_written:
        out.remark("this workspace can only be read: what is indexed is shown, and the ledger is not followed")
    yield _Place(path, is_written)


@contextlib.contextmanager
def _alone(workspace: Workspace, path: Path) -> Iterator[None]:
    """Hold the lock of the workspace's catalogue; a catalogue of our own needs none."""
    if path != workspace.catalogue_path:
        yield
        return
    with workspace.lock("index"):
        yield


@contextlib.contextmanager
def _log_writer(name: str) -> Iterator[Callable[[bytes], None]]:
    """What appends whole lines to a file, or to standard error; a log that cannot be written ends no request."""

    def write(line: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(descriptor, line)

    if name == "-":
        descriptor = sys.stderr.fileno()
        yield write
        return
    path = Path(name)
    with storage_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield write
    finally:
        os.close(descriptor)


def _follow(workspace: Workspace, path: Path, out: Output, wait: Callable[[], bool]) -> Iterator[IndexReport]:
    from etdb.index import watch

    def away(error: EtdbError) -> None:
        out.remark(f"{printable(error.message)}; waiting for it")

    # Somebody else follows: that is said, and tried again later. Otherwise the lock is held only while there is
    # something to write, so that `etdb index` has its turn.
    turn = functools.partial(_alone, workspace, path)
    with turn():
        pass
    with open_ledger(workspace) as ledger, Catalogue(path, writable=True) as catalogue:
        flo_network, options = network(workspace.flo_network_name), fold_options(ledger)
        yield from watch(ledger, catalogue, network=flo_network, wait=wait, away=away, turn=turn, **options)
