"""``etdb kubo``: check, add, pins, unpin: the published data in a Kubo, so that the IPFS network can fetch it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click

from etdb.blocks import DagReader
from etdb.blocks.kubo import KuboNode
from etdb.blocks.kubo_adding import ADDING_PIN, KuboPlan, TreeAdded, add_tree, plan_tree, remove_tree
from etdb.cli.app import Context, command
from etdb.cli.opening import find_workspace, open_files, open_kubo
from etdb.cli.output import printable, size_text
from etdb.cli.published import Published, choose_published, published_datasets
from etdb.cli.tables import Table
from etdb.counting import counted
from etdb.errors import EtdbError, InputError, NotFoundError, SourceFileError, VerificationError
from etdb.workspace import Workspace

__all__ = ["kubo"]

_PIN_PREFIX: Final = "etdb "
_LABELS: Final = {"send": "sending", "read": "reading back", "check": "checking"}


def kubo_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The two options that say which Kubo."""
    function = click.option(
        "--secret-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A file, readable by you alone, with the token that Kubo wants.",
    )(function)
    return click.option(
        "--api", metavar="URL", help="Kubo's RPC: http://127.0.0.1:5001, unix:/path; else as in etdb.toml."
    )(function)


@click.group("kubo")
def kubo() -> None:
    """Serve the published data from a Kubo: files stay where they are, Kubo only refers to them."""


@command(
    "check",
    examples="""
    etdb kubo check                   is it there, new enough, and set so that it can refer to files
    etdb kubo check ts-01 3fa9        also read these datasets back from it, every byte checked""",
)
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@kubo_options
def check(context: Context, datasets: tuple[str, ...], api: str | None, secret_file: Path | None) -> None:
    """Look at the Kubo, and read datasets back from it.

    A dataset is named by the lab's id, its transaction id, a prefix of that, or its root CID.
    """
    out, workspace = context.out, find_workspace(context)
    with closing(open_kubo(workspace, api=api, secret_file=secret_file)) as node:
        node.verify_version()
        info = node.info()
        reach = node.reach()
        outside = _outside(workspace, reach)
        table = Table()
        table.add_row("Kubo", f"{printable(info.version)} at {printable(info.api)}")
        table.add_row("peer", printable(info.peer_id))
        table.add_row("connected to", counted(info.peers, "peer"))
        table.add_row("files in place", "yes" if info.takes_files_in_place else "no: Experimental.FilestoreEnabled")
        table.add_row("refers to files below", printable(reach))
        out.table(table)
        if not info.takes_files_in_place:
            out.say("To let it: ipfs config --json Experimental.FilestoreEnabled true; then start Kubo again")
        if outside:
            out.say(
                f"[yellow]{counted(len(outside), 'published file')} elsewhere[/yellow], first {printable(outside[0])}"
            )
        chosen = choose_published(workspace, datasets) if datasets else []
        with out.progress(_LABELS, bytes_steps=frozenset({"check"})) as progress:
            checked = [_read_back(node, one, lambda done: progress("check", done, 0)) for one in chosen]
    failed = [(one, error) for one, _, error in checked if error is not None]
    out.document(
        {
            **{field: getattr(info, field) for field in info.__struct_fields__},
            "refers_below": str(reach),
            "files_elsewhere": [str(path) for path in outside],
            "datasets": [
                {**_named(one), "read_bytes": size, **(error.to_dict() if error else {})}
                for one, size, error in checked
            ],
        }
    )
    for one, size, error in checked:
        if error is None:
            out.say(f"{printable(one.sid)}  {size_text(size)} read back, every byte right")
        else:
            out.say(f"[red]{printable(one.sid)}  {printable(error.message)}[/red]")
    if failed:
        one, error = failed[0]
        raise VerificationError(
            f"{counted(len(failed), 'dataset')} cannot be had from that Kubo, the first is {one.sid}: {error.message}",
            hint="bring them again with: etdb kubo add --again",
            source=info.api,
        )


@command(
    "add",
    examples="""
    etdb kubo add                     everything that is published; what is there is left alone
    etdb kubo add ts-01 --announce    one dataset, and tell the network at once that it is here
    etdb kubo add --again             also bring again what Kubo cannot read any more (files were moved or restored)
    etdb kubo add --copy              let Kubo keep copies: for a Kubo elsewhere, or one that cannot reach the files""",
)
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option("--copy", is_flag=True, help="Kubo keeps a copy of every file, instead of a reference to it.")
@click.option("--again", is_flag=True, help="Look also into datasets that are there, and mend them.")
@click.option("--announce", is_flag=True, help="Tell the network at once; Kubo does so by itself in its own time.")
@kubo_options
def add(
    context: Context,
    datasets: tuple[str, ...],
    copy: bool,
    again: bool,
    announce: bool,
    api: str | None,
    secret_file: Path | None,
) -> None:
    """Give published datasets to the Kubo and pin them.

    A run that was cut off goes on. The files stay where they are. The root must come out as it was published, and Kubo
    reads everything back before its pin counts.
    """
    out, workspace = context.out, find_workspace(context)
    chosen = choose_published(workspace, datasets)
    results: list[tuple[Published, KuboPlan, TreeAdded]] = []
    failed: list[tuple[Published, EtdbError]] = []
    with (
        workspace.lock("kubo"),
        open_files(workspace) as files,
        closing(open_kubo(workspace, api=api, secret_file=secret_file)) as node,
        out.progress(_LABELS, bytes_steps=frozenset({"send", "read"})) as progress,
    ):
        node.verify_version()
        places = files.places()
        for one in chosen:
            try:
                plan = plan_tree(one.root, files, places, kept_in=workspace.content_folder)
                done = add_tree(
                    node,
                    plan,
                    files,
                    name=_PIN_PREFIX + one.sid,
                    in_place=not copy,
                    mend=again,
                    profile=files.profile,
                    progress=progress,
                )
                results.append((one, plan, done))
                if announce:
                    node.provide(one.root)
            except (VerificationError, SourceFileError, NotFoundError) as refusal:
                # One dataset's own files are no reason to leave out those behind it.
                failed.append((one, refusal))
    out.document(
        [
            {
                **_named(one),
                "files": len(plan.files),
                "size_bytes": plan.size_bytes,
                "was_there": done.was_there,
                "sent_files": done.sent_files,
                "sent_bytes": done.sent_bytes,
            }
            for one, plan, done in results
        ]
        + [{**_named(one), **error.to_dict()} for one, error in failed]
    )
    for one, plan, done in results:
        said = "was there" if done.was_there and not done.sent_files else f"{size_text(done.sent_bytes)} sent"
        held = f"{counted(len(plan.files), 'file')}, {size_text(plan.size_bytes)}, {said}"
        out.say(f"[bold]{printable(one.sid)}[/bold]  {held}\n  {one.root}")
    for one, error in failed:
        out.say(f"[red]{printable(one.sid)}  {printable(error.message)}[/red]")
    if failed:
        raise failed[0][1]


@command(
    "pins",
    examples="""
    etdb kubo pins                    what of this workspace the Kubo holds
    etdb --json kubo pins""",
)
@kubo_options
def pins(context: Context, api: str | None, secret_file: Path | None) -> None:
    """List the published datasets that the Kubo has pinned."""
    out, workspace = context.out, find_workspace(context)
    published = {str(one.root): one for one in published_datasets(workspace)}
    with closing(open_kubo(workspace, api=api, secret_file=secret_file)) as node:
        found, unfinished, others = [], 0, 0
        for pin in node.pins():
            one = published.get(pin.cid)
            if one is not None:
                found.append((one, pin.name))
            elif pin.name == ADDING_PIN:
                unfinished += 1
            else:
                others += 1
    out.document(
        {
            "datasets": [{**_named(one), "pin_name": name} for one, name in found],
            "unfinished_files": unfinished,
            "other_pins": others,
        }
    )
    for one, _ in found:
        out.say(f"[bold]{printable(one.sid)}[/bold]  {one.dataset_id[:12]}\n  {one.root}")
    of = counted(len(published), "published dataset")
    out.say(f"{len(found)} of {of} pinned; beside them {counted(others, 'pin')} of other things")
    if unfinished:
        out.say(f"{counted(unfinished, 'file')} of a run that was cut off: etdb kubo add goes on with it")


@command(
    "unpin",
    examples="""
    etdb kubo unpin ts-01             let Kubo collect it when it next collects garbage; your files stay
    etdb kubo unpin --all""",
)
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option("--all", "everything", is_flag=True, help="All datasets that this workspace has published.")
@kubo_options
def unpin(
    context: Context, datasets: tuple[str, ...], everything: bool, api: str | None, secret_file: Path | None
) -> None:
    """Take the pins of datasets away. What Kubo has of them goes when it collects garbage; your files stay."""
    if bool(datasets) == everything:
        raise InputError("name the datasets to unpin, or say --all")
    out, workspace = context.out, find_workspace(context)
    chosen = choose_published(workspace, datasets)
    with (
        workspace.lock("kubo"),
        open_files(workspace) as files,
        closing(open_kubo(workspace, api=api, secret_file=secret_file)) as node,
    ):
        places = files.places()
        done = [
            (one, remove_tree(node, plan_tree(one.root, files, places, kept_in=workspace.content_folder)))
            for one in chosen
        ]
    out.document([{**_named(one), "was_pinned": was_pinned} for one, was_pinned in done])
    for one, was_pinned in done:
        out.say(f"{printable(one.sid)}  {'unpinned' if was_pinned else 'was not pinned'}")


for _one in (check, add, pins, unpin):
    kubo.add_command(_one)


def _outside(workspace: Workspace, reach: Path) -> list[Path]:
    """Published files that a Kubo with this reach cannot refer to."""
    with open_files(workspace) as files:
        return [
            file.path
            for file in files.files()
            if file.path.parent != workspace.content_folder and not file.path.is_relative_to(reach)
        ]


def _read_back(
    node: KuboNode, one: Published, advance: Callable[[int], None]
) -> tuple[Published, int, EtdbError | None]:
    size = 0
    try:
        for _, block in DagReader(node).blocks(one.root):
            size += len(block)
            advance(size)
    except (VerificationError, NotFoundError) as error:
        return one, size, error
    return one, size, None


def _named(one: Published) -> dict[str, str]:
    return {"sid": one.sid, "dataset_id": one.dataset_id, "root_cid": str(one.root)}
