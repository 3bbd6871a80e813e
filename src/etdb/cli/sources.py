"""Where a command fetches from: the options that say so, and what they open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from etdb.blocks import BlockStore
from etdb.blocks.gateway import GatewayStore
from etdb.blocks.remotecar import RemoteCar
from etdb.blocks.temporary_kubo import KuboChoice
from etdb.cli.opening import open_files
from etdb.download import NetworkFinder
from etdb.errors import InputError
from etdb.workspace import Settings, Workspace

__all__ = ["SourceWords", "Sources", "open_sources", "source_options"]


class SourceWords(Struct, frozen=True, kw_only=True):
    """What the options say; `kubo` None means as in the settings."""

    gateways: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    kubo: bool | None = None
    allow_private: bool = False


class Sources(Struct, frozen=True, kw_only=True):
    """Stores that are known, and who finds more."""

    stores: list[BlockStore]
    finder: NetworkFinder
    routers: tuple[str, ...]
    has_kubo: bool


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options; the command gets them as ``words``."""

    def run(context: Any, **options: Any) -> Any:
        words = SourceWords(
            gateways=options.pop("gateway"),
            routers=options.pop("router"),
            kubo=options.pop("kubo"),
            allow_private=options.pop("allow_private"),
        )
        return function(context, words=words, **options)

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option(
            "--allow-private",
            is_flag=True,
            help="Call addresses of this machine and of private networks that a routing server names.",
        ),
        click.option(
            "--kubo/--no-kubo",
            default=None,
            help="Start Kubo for a while where nobody else has it, to look in the IPFS network.",
        ),
        click.option(
            "--router", multiple=True, metavar="URL", help="A routing server to ask, besides those in etdb.toml."
        ),
        click.option(
            "--gateway",
            multiple=True,
            metavar="URL",
            help="A gateway, or a CAR file on a web server (FILE.car, {cid}.car), besides those in etdb.toml.",
        ),
    ):
        run = option(run)
    return run


@contextmanager
def open_sources(workspace: Workspace | None, words: SourceWords, *, tell: Callable[[str], None]) -> Iterator[Sources]:
    """Gateways as the user gave them, then those of the settings, then the files of this machine; and who finds more.

    Raises:
        InputError: there is nobody to ask at all.
    """
    settings = workspace.settings if workspace is not None else Settings()
    routers = tuple(dict.fromkeys((*words.routers, *settings.fetch.routers)))
    has_kubo = settings.fetch.kubo if words.kubo is None else words.kubo
    allow_private = words.allow_private or settings.fetch.allow_private
    choice = KuboChoice(
        binary=settings.kubo.binary,
        peers=settings.fetch.kubo_peers,
        routers=() if not settings.fetch.kubo_peers else routers,
        allow_private=allow_private,
        folder=_scratch(workspace),
    )
    with ExitStack() as stack:
        stores: list[BlockStore] = []
        urls = _unique((*words.gateways, *settings.gateways))
        car_urls = [url for url in urls if "{cid}" in url]
        for url in urls:
            if url in car_urls:
                continue
            store = RemoteCar(url, scratch=_scratch(workspace)) if url.endswith(".car") else GatewayStore(url)
            stack.callback(store.close)
            stores.append(store)
        if workspace is not None and workspace.digests_path.exists():
            stores.append(stack.enter_context(open_files(workspace)))
        if not stores and not car_urls and not routers and not has_kubo:
            raise InputError(
                "there is nowhere to fetch from",
                hint="name a gateway with --gateway URL, a routing server with --router URL, or set them in etdb.toml",
            )
        finder = NetworkFinder(
            routers,
            kubo=choice if has_kubo else None,
            allow_private=allow_private,
            tell=tell,
            car_urls=car_urls,
            scratch=_scratch(workspace),
        )
        stack.callback(finder.close)
        yield Sources(stores=stores, finder=finder, routers=routers, has_kubo=has_kubo)


def _unique(urls: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(url.rstrip("/") for url in urls))


def _scratch(workspace: Workspace | None) -> Path | None:
    if workspace is not None and workspace.cache_folder.is_dir():
        return workspace.cache_folder
    return None
