"""``etdb demo``: the whole way once, on real data."""

from __future__ import annotations

from pathlib import Path

import click

from etdb.cli.app import Context, command
from etdb.durable import storage_errors
from etdb.errors import ConfigurationError

__all__ = ["demo"]


@command("demo", examples="etdb demo                 leaves its workspace in demo-workspace/ to play with")
@click.option("--folder", default="demo-workspace", show_default=True, type=click.Path(), help="Where to work.")
def demo(context: Context, folder: str) -> None:
    """Publish real tomograms on a ledger of your own, find them, and get them back verified. Under a minute."""
    try:
        from etdb.demo import run_demo
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the demo needs {error.name}, which is not installed", hint="pip install 'etdb[demo]', or: make demo"
        ) from error
    with storage_errors(Path(folder).absolute()):
        facts = run_demo(Path(folder), context.out.remarks if context.out.json_mode else context.out.console)
    context.out.document(facts)
