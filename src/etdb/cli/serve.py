"""``etdb serve``: the trustless gateway."""

from __future__ import annotations

import contextlib

import click

from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace, open_files

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
def serve(context: Context, host: str, port: int, announce: str | None, no_check: bool) -> None:
    """Serve the published files to anyone who asks by CID, straight from where they are.

    Every block is hashed once more before it leaves; changed files are refused, never served. Whoever checks what
    they get, as etdb download does, notices wrong bytes either way.

    Ctrl-C or SIGTERM ends it, with status 0, when what was begun has been sent (5 seconds at most).

    It also answers /routing/v1/providers/CID, so that Kubo, Helia and etdb can be told that the data is here.
    """
    from etdb.web.gateway import gateway_app
    from etdb.web.serving import serve as run

    out = context.out

    def ready(url: str) -> None:
        out.document({"gateway": url})
        out.say(f"Gateway at {url}  (Ctrl-C ends it)")
        if announce is None and host not in _EVERYWHERE:
            app.state.providers.announce(url)

    with open_files(find_workspace(context)) as files:
        app = gateway_app(files, check=not no_check)
        if announce is not None:
            app.state.providers.announce(announce)
        # A signal is how serving ends: what was begun is sent, and then the signal comes once more as one of these.
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            run(app, host=host, port=port, on_ready=ready)
