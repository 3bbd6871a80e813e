"""``etdb providers`` and ``etdb fetch``: when only a CID is known."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from etdb.blocks import BlockStore
from etdb.blocks.gateway import GatewayStore
from etdb.blocks.routing import Provider
from etdb.cli.app import Context, command
from etdb.cli.fetch import checked_files
from etdb.cli.opening import find_workspace
from etdb.cli.output import printable, size_text
from etdb.cli.sources import Sources, SourceWords, open_sources, source_options
from etdb.cli.tables import Table
from etdb.counting import counted
from etdb.download import DownloadReport, KnownProvider, NetworkFinder, SourcePool, download, plan_content
from etdb.errors import (
    ConfigurationError,
    EtdbError,
    FormatError,
    InputError,
    NotFoundError,
    SourceError,
    VerificationError,
)
from etdb.ipfs import Cid, parse_cid
from etdb.workspace import Workspace

__all__ = ["fetch", "providers"]

_HAS, _LACKS = "has it", "does not have it"
_AT_ONCE = 8
_SHOWN = 3


@command(
    "providers",
    examples="""
    etdb providers bafybei... --router https://delegated-ipfs.dev
    etdb providers bafybei... --kubo        also look in the IPFS network, with your own Kubo for a while""",
)
@click.argument("cid", metavar="CID")
@source_options
def providers(context: Context, cid: str, words: SourceWords) -> None:
    """Say who has a CID, and how that was found out.

    Gateways and this machine are asked directly, routing servers for others, whose gateways are asked too. The exit
    status is 5 when nobody has it.
    """
    out, root = context.out, _named(cid)
    with open_sources(_workspace(context), words, tell=out.remark) as sources:
        found = [*_ask_stores(sources.stores, root), *_ask_routers(sources.finder, root)]
        if sources.has_kubo:
            found += sources.finder.ask_kubo(root)
        failed = [answer for answer in sources.finder.ask_routers(root) if answer.error is not None]
    refusal = None
    if not any(one.answer in {_HAS, ""} for one in found):
        refusal = SourceError(f"nobody was found who has {root}", hint="ask other routing servers, or with --kubo")
    out.document(
        {
            "cid": str(root),
            "providers": found,
            "routers_that_failed": [{"router": one.router, "error": str(one.error)} for one in failed],
            **(refusal.to_dict() if refusal else {}),
        }
    )
    table = Table("who", "transport", "found by", "answer")
    for one in found:
        table.add_row(printable(one.name), one.transport, printable(one.found_by), printable(one.answer or "not asked"))
    if found:
        out.table(table)
    for answer in failed:
        out.say(f"[yellow]{printable(answer.router)}: {printable(answer.error)}[/yellow]")
    if refusal:
        raise refusal


@command(
    "fetch",
    examples="""
    etdb fetch bafybei... --router https://delegated-ipfs.dev
    etdb fetch bafybei... -o data --kubo      where no gateway has it, your own Kubo looks in the IPFS network
    etdb verify data/bafybei... --record bafybei...""",
)
@click.argument("cid", metavar="CID")
@click.option(
    "--output", "-o", default=".", type=click.Path(file_okay=False), help="Where to put its folder.", show_default=True
)
@click.option("--jobs", "-j", default=4, show_default=True, type=click.IntRange(1, 64), help="Threads that fetch.")
@source_options
def fetch(context: Context, cid: str, output: str, jobs: int, words: SourceWords) -> None:
    """Fetch a folder or file of which only the CID is known, every block checked before it is written.

    Nobody signed what a CID alone leads to: `etdb search` and `etdb download` find datasets with their records.
    Interrupted, the same command goes on.
    """
    out, root = context.out, _named(cid)
    with (
        open_sources(_workspace(context), words, tell=out.remark) as sources,
        out.progress({"fetch": "fetching"}, bytes_steps=frozenset({"fetch"})) as bar,
    ):
        pool = SourcePool(sources.stores, finder=sources.finder).for_dataset(root)
        pool.seek()
        try:
            plan = plan_content(root, pool)
        except NotFoundError as error:
            raise _nobody(error, root, sources) from error
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar("fetch", done, plan.size_bytes)

        report = download(plan, sources.stores, Path(output), jobs=jobs, finder=sources.finder, progress=advance)
    failure = _failure(report)
    one = report.datasets[0]
    out.document(
        {
            "cid": str(root),
            "folder": str(one.folder),
            "complete": report.is_complete,
            "files": one.files,
            "left_out": plan.datasets[0].left_out,
            "fetched_bytes": one.fetched_bytes,
            "kept_bytes": one.kept_bytes,
            "sources": report.sources,
            "banned": [{"source": bad.name, "reason": bad.reason} for bad in report.banned],
            "failed": [{"path": bad.path, **bad.error.to_dict()} for bad in one.failed],
            **(failure.to_dict() if failure else {}),
        }
    )
    out.say(f"{printable(str(one.folder))}  {checked_files(one)} checked, {size_text(one.fetched_bytes)} fetched")
    out.say(f"from {printable(', '.join(report.sources)) or 'nobody: all was there'}")
    for name in plan.datasets[0].left_out:
        out.say(f"  [yellow]{printable(name)} is a link, which is never made or followed[/yellow]")
    for bad in one.failed:
        out.say(f"  [red]{printable(bad.path)}: {printable(bad.error.message)}[/red]")
    for banned in report.banned:
        out.say(f"[red]{printable(banned.name)} gave wrong data and was left: {printable(banned.reason)}[/red]")
    if failure:
        raise failure


def _workspace(context: Context) -> Workspace | None:
    """The workspace, when there is one: a CID needs none, unless one was named."""
    try:
        return find_workspace(context)
    except ConfigurationError:
        if context.workspace_option:
            raise
        return None


def _ask_stores(stores: Sequence[BlockStore], root: Cid) -> list[KnownProvider]:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(lambda store: _answer(store, root), stores))
    return [
        KnownProvider(
            name=store.name if isinstance(store, GatewayStore) else "this machine",
            found_by="named by you" if isinstance(store, GatewayStore) else "its files",
            transport="http" if isinstance(store, GatewayStore) else "file",
            answer=answer,
        )
        for store, answer in zip(stores, answers, strict=True)
    ]


def _ask_routers(finder: NetworkFinder, root: Cid) -> list[KnownProvider]:
    """Whom the routing servers name; their gateways are asked, each once."""
    said = [provider for answer in finder.ask_routers(root) for provider in answer.providers]
    stores = {store.name: store for store in finder.find(root, 1) or ()}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = dict(zip(stores, threads.map(lambda store: _answer(store, root), stores.values()), strict=True))
    found: dict[tuple[str, str], KnownProvider] = {}
    for provider in said:
        for one in _known(provider, answers):
            found.setdefault((one.name, one.transport), one)
    return list(found.values())


def _known(provider: Provider, answers: dict[str, str]) -> list[KnownProvider]:
    found = [
        KnownProvider(name=url, found_by=provider.found_by, transport="http", answer=answers[url])
        for url in provider.urls
        if url in answers
    ]
    found += [
        KnownProvider(name=url, found_by=provider.found_by, transport="http", answer="may not be called")
        for url in provider.refused
    ]
    if provider.speaks_bitswap:
        found.append(
            KnownProvider(
                name=provider.peer_id,
                found_by=provider.found_by,
                transport="bitswap",
                addresses=provider.addresses,
            )
        )
    return found


def _answer(store: BlockStore, root: Cid) -> str:
    try:
        return _HAS if store.has(root) else _LACKS
    except EtdbError as error:
        return error.message


def _nobody(error: NotFoundError, root: Cid, sources: Sources) -> SourceError:
    """All were asked; what else could be tried."""
    answers = sources.finder.ask_routers(root)
    said = [f"{one.router}: {one.error}" for one in answers if one.error is not None]
    refused = list(dict.fromkeys(url for one in answers for provider in one.providers for url in provider.refused))
    others = "" if sources.has_kubo else "; --kubo looks in the IPFS network"
    if refused:
        said.append(f"not called: {', '.join(refused[:_SHOWN])}")
        others += "; --allow-private calls addresses of private networks too"
    more = f" ({'; '.join(said)})" if said else ""
    return SourceError(f"{error.message}{more}", hint=f"name other gateways or routing servers{others}", cid=str(root))


def _failure(report: DownloadReport) -> EtdbError | None:
    failed = report.datasets[0].failed
    if not failed:
        return None
    if isinstance(failed[0].error, ConfigurationError):
        return failed[0].error
    message = f"{counted(len(failed), 'file')} not complete, the first is {failed[0].path}: {failed[0].error.message}"
    if all(isinstance(bad.error, VerificationError) for bad in failed):
        return VerificationError(message, hint="try other sources; what is right is kept")
    return SourceError(message, hint="run the same command again, or with other sources; what has arrived is kept")


def _named(cid: str) -> Cid:
    """The CID of the command line: a wrong one is a wrong word, not somebody's wrong data."""
    try:
        return parse_cid(cid)
    except FormatError as error:
        raise InputError(error.message, hint=error.hint or "a CID looks like bafybei...") from None
