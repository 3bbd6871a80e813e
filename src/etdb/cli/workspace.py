"""``etdb init`` and ``etdb status``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from etdb.catalogue import Catalogue
from etdb.cli.app import Context, command
from etdb.cli.kept_ledger import kept_ledger_path
from etdb.cli.opening import find_workspace, ledger_folder, open_ledger
from etdb.cli.output import printable, size_text
from etdb.cli.tables import Table
from etdb.errors import EtdbError, InputError
from etdb.ledger import LocalChain
from etdb.publish import Journal
from etdb.workspace import NETWORK_NAMES, Workspace

__all__ = ["init", "status"]


@command(
    "init",
    examples="""
    etdb init lab                          a workspace with a ledger of its own; no coins, no servers
    etdb init reader --ledger ../lab/chain --gateway http://127.0.0.1:8080
                                           one that reads another's ledger and fetches from a gateway""",
)
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@click.option("--network", default="local", show_default=True, type=click.Choice(NETWORK_NAMES), help="The ledger.")
@click.option("--ledger", type=click.Path(), help="Read the local chain in this folder, or this ledger file.")
@click.option("--gateway", multiple=True, metavar="URL", help="A gateway to download from; may be repeated.")
def init(context: Context, folder: str, network: str, ledger: str | None, gateway: tuple[str, ...]) -> None:
    """Make a workspace: one folder with settings, keys, journal, catalogue and, unless told otherwise, a ledger."""
    for url in gateway:
        if not url.startswith(("http://", "https://")) or not url.isprintable() or '"' in url or "\\" in url:
            raise InputError(f"{url!r} is not an http or https address", hint="give it as http://HOST:PORT")
    if ledger is not None and not Path(ledger).is_file() and not Path(ledger, "index.sqlite").is_file():
        raise InputError(f"there is no chain in {ledger}", hint="name the `chain` folder of a workspace, or a file")
    seen_from_here = os.path.relpath(Path(ledger).absolute(), Path(folder).absolute()) if ledger is not None else ""
    make_chain = LocalChain.init if network == "local" and ledger is None else None
    workspace = Workspace.init(folder, network, ledger=seen_from_here, gateways=gateway, make_chain=make_chain)
    context.out.document({"workspace": str(workspace.root), "network": network})
    context.out.say(f"Workspace [bold]{printable(workspace.root)}[/bold] on the {network} ledger")
    context.out.remark("Next: etdb key new, then etdb publish FOLDER. Settings are in etdb.toml.")


@command("status", examples="etdb status")
def status(context: Context) -> None:
    """Where the workspace stands: ledger, records on their way, catalogue, and what is precious, costly or free."""
    workspace = find_workspace(context)
    document: dict[str, Any] = {"workspace": str(workspace.root), "network": workspace.network}
    try:
        with open_ledger(workspace) as chain:
            document["ledger"] = {
                "folder": str(kept_ledger_path(workspace) or ledger_folder(workspace)),
                "tip": chain.tip(),
            }
    except EtdbError as error:
        document["ledger"] = error.to_dict()
    document["keys"] = workspace.keyring.list()
    document["journal"] = {}
    if workspace.journal_path.exists():
        journal = Journal(workspace.journal_path)
        document["journal"] = journal.state_counts()
        journal.close()
    document["catalogue"] = {}
    if workspace.catalogue_path.exists():
        catalogue = Catalogue(workspace.catalogue_path)
        document["catalogue"] = {"tip": catalogue.tip(), **catalogue.counts()}
        catalogue.close()
    holdings = workspace.describe_folder()
    document["folder"] = [{**msgspec.structs.asdict(one), "path": str(one.path)} for one in holdings]
    context.out.document(document)
    say = context.out.say
    say(f"Workspace  {printable(workspace.root)}")
    tip = document["ledger"].get("tip")
    say(
        f"Ledger     {workspace.network}, "
        + (f"block {tip.height}" if tip else printable(document["ledger"].get("message", "empty")))
    )
    say(
        "Keys       "
        + (", ".join(f"{printable(key.name)} ({key.address})" for key in document["keys"]) or "none: etdb key new")
    )
    say(
        "Journal    "
        + (", ".join(f"{count} {state}" for state, count in document["journal"].items()) or "nothing published")
    )
    say(
        "Catalogue  "
        + (
            ", ".join(
                f"{value} {name}" for name, value in document["catalogue"].items() if isinstance(value, int) and value
            )
            or "nothing indexed: etdb index"
        )
    )
    table = Table("part", "size", "is", "")
    for holding in holdings:
        table.add_row(holding.name, size_text(holding.size_bytes), holding.worth, holding.why)
    context.out.table(table)
