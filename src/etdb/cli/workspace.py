"""``etdb init`` and ``etdb status``."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from etdb.catalogue import Catalogue, begin_with
from etdb.cli.app import Context, command
from etdb.cli.kept_ledger import TEXTS_SUFFIX, kept_ledger_path
from etdb.cli.opening import find_workspace, ledger_folder, open_ledger, open_node
from etdb.cli.output import printable, size_text
from etdb.cli.tables import Table
from etdb.counting import counted
from etdb.errors import EtdbError, FormatError, InputError
from etdb.ledger import LocalChain
from etdb.publish import Journal
from etdb.workspace import FLO_NETWORK_OF, NETWORK_NAMES, NodeSettings, Workspace

__all__ = ["init", "status"]


@command(
    "init",
    examples="""
    etdb init lab                          a workspace with a ledger of its own; no coins, no servers
    etdb init lab --network main --node http://127.0.0.1:7313 --node-cookie ~/.flo/.cookie
                                           one on a FLO full node
    etdb init second --ledger ../lab/chain --catalogue catalogue.sqlite
                                           one that begins with another portal's catalogue
    etdb init reader --ledger ../lab/chain --gateway http://127.0.0.1:8080
                                           one that reads another's ledger and fetches from a gateway""",
)
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@click.option(
    "--network",
    type=click.Choice(NETWORK_NAMES),
    help="The ledger; without it local, or that of the file that --ledger names.",
)
@click.option("--ledger", type=click.Path(), help="Read the local chain in this folder, or this ledger file.")
@click.option("--gateway", multiple=True, metavar="URL", help="A gateway to download from; may be repeated.")
@click.option(
    "--catalogue",
    type=click.Path(exists=True, dir_okay=False),
    help="Begin with this file of a portal (/api/v1/export/catalogue.sqlite) instead of reading the whole ledger.",
)
@click.option("--node", metavar="URL", help="The JSON-RPC of a FLO full node.")
@click.option("--node-cookie", metavar="FILE", help="The node's cookie file.")
@click.option("--node-user", metavar="NAME", help="The user of its JSON-RPC, when there is no cookie.")
@click.option("--node-password-file", metavar="FILE", help="A file with that user's password, readable by you alone.")
def init(
    context: Context,
    folder: str,
    network: str | None,
    ledger: str | None,
    gateway: tuple[str, ...],
    catalogue: str | None,
    node: str | None,
    node_cookie: str | None,
    node_user: str | None,
    node_password_file: str | None,
) -> None:
    """Make a workspace: one folder with settings, keys, journal, catalogue and, unless told otherwise, a ledger."""
    for url in gateway:
        if not url.startswith(("http://", "https://")) or not url.isprintable() or '"' in url or "\\" in url:
            raise InputError(f"{url!r} is not an http or https address", hint="give it as http://HOST:PORT")
    if ledger is not None and node is not None:
        raise InputError("a workspace has one ledger: --ledger or --node", hint="leave out one of them")
    network = _network_of(Path(ledger), network) if ledger is not None else network or "local"
    settings = _node_settings(folder, network, node, node_cookie, node_user, node_password_file)
    seen_from_here = os.path.relpath(Path(ledger).absolute(), Path(folder).absolute()) if ledger is not None else ""
    make_chain = LocalChain.init if network == "local" and ledger is None else None
    begun = _Beginning(Path(catalogue)) if catalogue is not None else None
    workspace = Workspace.init(
        folder,
        network,
        ledger=seen_from_here,
        gateways=gateway,
        node=settings,
        make_chain=make_chain,
        make_catalogue=begun.make if begun is not None else None,
    )
    if begun is not None:
        if begun.fault is not None:
            hint = "the workspace is made all the same: etdb index reads the whole ledger"
            raise InputError(begun.fault.message, hint=hint) from begun.fault
        context.out.say(f"Begins with {counted(begun.count, 'message')} of {printable(begun.file)}")
        context.out.remark("Their signatures are checked at the next etdb index; that they stand in the ledger is not.")
    context.out.document({"workspace": str(workspace.root), "network": network})
    context.out.say(f"Workspace [bold]{printable(workspace.root)}[/bold] on the {network} ledger")
    context.out.remark("Next: etdb key new, then etdb publish FOLDER. Settings are in etdb.toml.")


class _Beginning:
    """The catalogue of a new workspace, from a file.

    It is made before the settings are: who is killed meanwhile has no workspace yet, and the same command makes both.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.count = file, 0
        self.fault: FormatError | None = None

    def make(self, target: Path) -> None:
        try:
            self.count = begin_with(self.file, target, replace=True)
        except FormatError as error:
            self.fault = error


def _network_of(ledger: Path, named: str | None) -> str:
    """The network of a ledger that is there already, which must be the one that was named."""
    if ledger.is_file():
        if ledger.suffix == TEXTS_SUFFIX:  # exported texts say nothing of it
            return named or "local"
        networks = [one for one in NETWORK_NAMES if FLO_NETWORK_OF[one] == _flo_network_of(ledger)]
    elif (ledger / "index.sqlite").is_file():
        networks = ["local"]
    else:
        raise InputError(f"there is no chain in {ledger}", hint="name the `chain` folder of a workspace, or a file")
    if named is not None and named not in networks:
        raise InputError(
            f"{ledger} is a ledger of the {networks[0]} network, not of {named}", hint="leave out --network"
        )
    return named or networks[0]


def _flo_network_of(ledger: Path) -> str:
    """What the first lines of a ledger file say; the rest is checked when it is opened."""
    from etdb.ledger.archive_format import MAX_PREAMBLE_BYTES, parse_preamble

    with ledger.open("rb") as file:
        try:
            return parse_preamble(file.read(MAX_PREAMBLE_BYTES))[0].network
        except FormatError as error:
            hint = error.hint or "name a file of `etdb ledger export`, or the `chain` folder of a workspace"
            raise InputError(f"{ledger}: {error.message}", hint=hint) from None


def _ledger_state(workspace: Workspace) -> dict[str, Any]:
    """What the ledger's tip is; a node is asked how it stands, and nothing of its chain is read for that."""
    kept = kept_ledger_path(workspace)
    if workspace.network != "local" and kept is None:
        with closing(open_node(workspace)) as node:
            return {"node": node.report(), "tip": node.known_tip()}
    with open_ledger(workspace) as chain:
        return {"folder": str(kept or ledger_folder(workspace)), "tip": chain.tip()}


def _node_settings(
    folder: str, network: str, url: str | None, cookie: str | None, user: str | None, password_file: str | None
) -> NodeSettings:
    """The settings of a node from the options; paths are kept as they are seen from the workspace."""
    given = [value for value in (url, cookie, user, password_file) if value is not None]
    if given and network == "local":
        raise InputError("the local network has no node", hint="name a network too: --network main, testnet or regtest")
    if url is not None:
        from etdb.ledger.rpc import RpcClient

        RpcClient(url)  # refuses what is no address, and one with a password in it

    def seen(path: str | None) -> str:
        if path is None or path.startswith("~"):
            return path or ""
        return os.path.relpath(Path(path).absolute(), Path(folder).absolute())

    return NodeSettings(url=url or "", cookie_file=seen(cookie), user=user or "", password_file=seen(password_file))


@command("status", examples="etdb status")
def status(context: Context) -> None:
    """Where the workspace stands: ledger, records on their way, catalogue, and what is precious, costly or free."""
    workspace = find_workspace(context)
    document: dict[str, Any] = {"workspace": str(workspace.root), "network": workspace.network}
    try:
        document["ledger"] = _ledger_state(workspace)
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
    state = document["ledger"]
    tip = state.get("tip")
    say(f"Ledger     {workspace.network}, {f'block {tip.height}' if tip else printable(state.get('message', 'empty'))}")
    node = state.get("node")
    if node is not None:
        say(
            f"Node       {printable(node.software)} at {printable(node.url)}, {counted(node.blocks, 'block')}, "
            + (f"read up to {node.scanned}" if node.scanned >= 0 else "nothing read yet")
            + (f", work checked up to {node.work_checked}" if 0 <= node.work_checked < node.height else "")
        )
        for problem in node.problems:
            say(f"           {printable(problem)}")
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
                f"{value} {name.removesuffix('s') if value == 1 else name}"
                for name, value in document["catalogue"].items()
                if isinstance(value, int) and value
            )
            or "nothing indexed: etdb index"
        )
    )
    table = Table("part", "size", "is", "")
    for holding in holdings:
        table.add_row(holding.name, size_text(holding.size_bytes), holding.worth, holding.why)
    context.out.table(table)
