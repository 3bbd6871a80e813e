"""``etdb key``: new, list, show, import, export."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace
from etdb.cli.output import printable
from etdb.cli.passphrase import ask_passphrase, passphrase_options, read_private_file
from etdb.cli.tables import Table
from etdb.durable import write_durably
from etdb.errors import InputError

__all__ = ["key"]


@click.group("key")
def key() -> None:
    """The keys that sign records: encrypted in the workspace, never sent anywhere."""


@command(
    "new",
    examples="""
    etdb key new                       a key named "publisher"; asks for a passphrase
    etdb key new nightly --passphrase-file ~/.etdb-pass""",
)
@click.argument("name", default="publisher")
@passphrase_options
def new(context: Context, name: str, passphrase_file: str | None, passphrase_fd: int | None) -> None:
    """Make a key and store it under a passphrase."""
    ring = find_workspace(context).keyring
    secret = ask_passphrase(
        f"Passphrase for the new key {name}", passphrase_file=passphrase_file, passphrase_fd=passphrase_fd, confirm=True
    )
    info = ring.new(name, secret)
    context.out.document(info)
    context.out.say(f"Key [bold]{printable(info.name)}[/bold] publishes as [bold]{info.address}[/bold]")
    context.out.remark(
        "Keep a copy of the key file and the passphrase: without both nobody can publish as this address."
    )


@command("list", examples="etdb key list")
def list_keys(context: Context) -> None:
    """All keys of the workspace, with their addresses."""
    infos = find_workspace(context).keyring.list()
    context.out.document(infos)
    if not infos:
        context.out.say("No keys yet; make one with: etdb key new")
        return
    table = Table("key", "publishes as", "network")
    for info in infos:
        table.add_row(printable(info.name), info.address, info.network)
    context.out.table(table)


@command("show", examples="etdb key show publisher")
@click.argument("name", default="publisher")
def show(context: Context, name: str) -> None:
    """One key: its address and network. Needs no passphrase."""
    info = find_workspace(context).keyring.show(name)
    context.out.document(info)
    context.out.say(f"{printable(info.name)}  {info.address}  ({info.network})")


@command("import", examples="etdb key import old --wif-file old.wif")
@click.argument("name", default="publisher")
@passphrase_options
@click.option("--wif-file", type=click.Path(dir_okay=False), help="A file with the key; else it is asked for.")
def import_key(
    context: Context, name: str, wif_file: str | None, passphrase_file: str | None, passphrase_fd: int | None
) -> None:
    """Take in a key in wallet import format (WIF)."""
    ring = find_workspace(context).keyring
    if wif_file is not None:
        try:
            wif = read_private_file(wif_file, "the key").decode("ascii").partition("\n")[0].strip()
        except UnicodeDecodeError:
            raise InputError(f"{wif_file} does not hold a key (WIF)", hint="is it the right file?") from None
    elif sys.stdin.isatty():
        wif = str(click.prompt("The key (WIF)", hide_input=True, err=True))
    else:
        raise InputError("there is no terminal to ask for the key on", hint="give --wif-file FILE")
    secret = ask_passphrase(
        f"Passphrase for the key {name}", passphrase_file=passphrase_file, passphrase_fd=passphrase_fd, confirm=True
    )
    info = ring.import_wif(name, wif, secret)
    context.out.document(info)
    context.out.say(f"Key [bold]{printable(info.name)}[/bold] publishes as [bold]{info.address}[/bold]")


@command("export", examples="etdb key export publisher --output publisher.wif     a new file that only you can read")
@click.argument("name", default="publisher")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write it to this new file instead.")
@passphrase_options
def export(
    context: Context, name: str, output: str | None, passphrase_file: str | None, passphrase_fd: int | None
) -> None:
    """Print a key in wallet import format. Whoever reads it can publish as you."""
    ring = find_workspace(context).keyring
    secret = ask_passphrase(f"Passphrase of {name}", passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    wif = ring.export(name, secret)
    if output is None:
        context.out.document({"name": name, "wif": wif})
        context.out.say(wif)
        return
    try:
        write_durably(Path(output), [wif.encode() + b"\n"], replace=False, mode=0o600)
    except FileExistsError:
        raise InputError(f"{output} is there already", hint="name a new file") from None
    context.out.document({"name": name, "file": output})
    context.out.say(f"Key [bold]{printable(name)}[/bold] is in {printable(output)}: whoever reads it publishes as you")


for _one in (new, list_keys, show, import_key, export):
    key.add_command(_one)
