"""Opening what commands need from a workspace: ledger, stores, catalogue, keys."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etdb.blocks import BlockStore, FilesInPlace, MemoryStore
from etdb.cli.app import Context
from etdb.cli.kept_ledger import kept_ledger_path, open_kept
from etdb.cli.passphrase import ask_passphrase
from etdb.durable import make_folder, storage_errors
from etdb.errors import ConfigurationError, EtdbError, InputError, StorageError
from etdb.flo import PrivateKey, network
from etdb.ipfs import Cid
from etdb.ledger import Ledger, Limits, LocalChain
from etdb.ledger.blockfiles import RESTORE_HINT
from etdb.workspace import Workspace

if TYPE_CHECKING:
    from etdb.blocks.kubo import KuboNode
    from etdb.catalogue import Catalogue
    from etdb.ledger.blocksource import BlockSource
    from etdb.ledger.node import FloNode
    from etdb.ledger.node_following import Progress
    from etdb.ledger.rpc import RpcClient

__all__ = [
    "find_workspace",
    "has_node",
    "key_unlocker",
    "ledger_limits",
    "open_catalogue",
    "open_files",
    "open_kubo",
    "open_ledger",
    "open_node",
    "open_portal_store",
]


def find_workspace(context: Context) -> Workspace:
    """The workspace that the user means."""
    return Workspace.find(context.workspace_option)


def ledger_folder(workspace: Workspace) -> Path:
    """The folder of the local chain: the workspace's own, or the one that its settings name."""
    named = workspace.settings.ledger
    return (workspace.root / named).resolve() if named else workspace.chain_folder


def open_ledger(
    workspace: Workspace, *, writable: bool = False, progress: Progress = lambda _step, _done, _total: None
) -> AbstractContextManager[Ledger]:
    """The workspace's ledger: a file that it was given, a node, or a chain of its own.

    Args:
        workspace: whose.
        writable: whether transactions will be given to it.
        progress: told ("sync", height read, height of the tip) while a node's blocks are read.

    Raises:
        ConfigurationError: the ledger belongs to somebody else, or the settings of the node are not right.
        StorageError: it is damaged, or not where it was.
    """
    if workspace.settings.ledger and not ledger_folder(workspace).exists():
        raise StorageError(
            f"the ledger {workspace.settings.ledger} of the settings is not there: {ledger_folder(workspace)}",
            hint="put it there, or say with `ledger` in etdb.toml where it is, as seen from the workspace's folder",
            path=str(ledger_folder(workspace)),
        )
    kept = kept_ledger_path(workspace)
    if has_node(workspace):
        return closing(open_node(workspace, progress=progress))
    if kept is None:
        return _open_chain(workspace, writable=writable)
    if writable:
        raise ConfigurationError(
            f"the ledger of this workspace is the file {kept}, which is only read",
            hint="publish from a workspace with a node or a chain of its own",
        )
    return closing(open_kept(workspace, kept))


def has_node(workspace: Workspace) -> bool:
    """Whether the workspace's ledger is a FLO node."""
    return kept_ledger_path(workspace) is None and workspace.network != "local"


def open_kubo(workspace: Workspace, *, api: str | None = None, secret_file: Path | None = None) -> KuboNode:
    """The Kubo of the settings, or the one that is named here.

    Raises:
        InputError: not an address.
        ConfigurationError: its secret would go over a network unencrypted.
    """
    from etdb.blocks.kubo import KuboNode

    settings = workspace.settings.kubo
    if secret_file is None and settings.secret_file:
        secret_file = workspace.place(settings.secret_file)
    return KuboNode(api or settings.api, secret_file=secret_file)


def open_node(workspace: Workspace, *, progress: Progress = lambda _step, _done, _total: None) -> FloNode:
    """The FLO node of the settings. The coins of all keys of the workspace are kept from the first block on.

    Raises:
        ConfigurationError: its settings are not right.
    """
    from etdb.ledger.node import FloNode
    from etdb.ledger.rpc import RpcClient
    from etdb.ledger.rpc_login import RpcLogin

    settings, flo_network = workspace.settings.node, network(workspace.flo_network_name)
    login = RpcLogin(
        cookie_file=workspace.place(settings.cookie_file) if settings.cookie_file else None,
        user=settings.user,
        password_file=workspace.place(settings.password_file) if settings.password_file else None,
    )
    client = RpcClient(settings.url or f"http://127.0.0.1:{flo_network.rpc_port}", login)
    with storage_errors(workspace.cache_folder):
        make_folder(workspace.cache_folder)
    return FloNode(
        client,
        flo_network,
        workspace.node_path,
        source=_blocks_beside(workspace, client),
        watch=[key.address for key in workspace.keyring.list()],
        start_height=settings.start_height,
        progress=progress,
    )


def _blocks_beside(workspace: Workspace, client: RpcClient) -> BlockSource:
    """The node's blocks, with its folder beside it when the settings name one."""
    from etdb.ledger.blockfolder import BlockFolder
    from etdb.ledger.blockfolder_beside import FolderBesideNode
    from etdb.ledger.node_blocks import RpcBlocks
    from etdb.ledger.node_headers import START_HEIGHTS

    node, settings = RpcBlocks(client), workspace.settings.node
    if not settings.blocks_folder:
        return node
    folder, flo_network = workspace.place(settings.blocks_folder), network(workspace.flo_network_name)
    start = settings.start_height or START_HEIGHTS[flo_network.name]
    return FolderBesideNode(
        node, lambda: BlockFolder(folder, flo_network, start_height=start, scratch=workspace.cache_folder)
    )


@contextmanager
def _open_chain(workspace: Workspace, *, writable: bool) -> Iterator[LocalChain]:
    if writable and workspace.settings.ledger:
        raise ConfigurationError(
            f"the ledger in {ledger_folder(workspace)} belongs to another workspace and is only read from here",
            hint="publish from the workspace that owns it",
        )
    if not workspace.settings.ledger and not LocalChain.is_made(workspace.chain_folder):
        _refuse_lost_chain(workspace)
        if not writable:
            # A crash came before its first block, or its index was moved away: both are made again by a writer.
            LocalChain.init(workspace.chain_folder)
    chain = LocalChain(ledger_folder(workspace), writable=writable, limits=ledger_limits(workspace))
    try:
        if not writable and not workspace.settings.ledger and chain.bytes_behind_tip():
            # A power cut took the index of a block whose publication was told. A writer at work, a disk that is only
            # read and a damaged end change nothing for who reads.
            with suppress(EtdbError):
                LocalChain.init(workspace.chain_folder)
        yield chain
    finally:
        chain.close()


def _refuse_lost_chain(workspace: Workspace) -> None:
    """Nothing may take the place of a chain that is gone: catalogue and journal would follow the empty one."""
    if LocalChain.has_blocks(workspace.chain_folder):
        return
    from etdb.doctor.chain import known_blocks

    known = known_blocks(workspace)
    if known:
        raise StorageError(
            f"the chain in {workspace.chain_folder} is gone: {known}",
            hint=f"{RESTORE_HINT}: the blocks exist nowhere else",
            path=str(workspace.chain_folder),
        )


@contextmanager
def open_files(workspace: Workspace) -> Iterator[FilesInPlace]:
    """The lab's files as blocks."""
    files = FilesInPlace(workspace.digests_path, content_folder=workspace.content_folder)
    try:
        yield files
    finally:
        files.close()


@contextmanager
def open_portal_store(
    workspace: Workspace, *, is_shown: Callable[[Cid], bool], is_fetching: bool, note: Callable[[str], None]
) -> Iterator[BlockStore]:
    """What a portal serves: the lab's files, and what others give when the settings name somebody.

    Args:
        workspace: whose.
        is_shown: whether a CID is the root of a dataset that the portal shows.
        is_fetching: False to serve the lab's files alone.
        note: told in a sentence of what somebody should know.

    Raises:
        InputError: a gateway's address is none.
    """
    from etdb.blocks.cache import BlockCache
    from etdb.web.fetching import FetchingStore, Providers

    settings = workspace.settings
    with ExitStack() as open_things:
        local: BlockStore = MemoryStore()
        if workspace.digests_path.exists() or os.access(workspace.root, os.W_OK):
            local = open_things.enter_context(open_files(workspace))
        gateways = [url for url in settings.gateways if "{cid}" not in url and not url.endswith(".car")]
        if len(gateways) < len(settings.gateways) and is_fetching:
            note("CAR files among the gateways of etdb.toml are for downloads: the portal does not ask them")
        providers = Providers(gateways, settings.fetch.routers, allow_private=settings.fetch.allow_private, note=note)
        if not is_fetching or providers.is_empty:
            yield local
            return
        cache = BlockCache(workspace.blocks_folder, settings.portal.cache_bytes)
        yield open_things.enter_context(closing(FetchingStore(local, cache, providers, is_shown=is_shown)))


@contextmanager
def open_catalogue(workspace: Workspace, *, writable: bool = False) -> Iterator[Catalogue]:
    """The catalogue.

    Raises:
        ConfigurationError: there is none yet.
    """
    if not writable and not workspace.catalogue_path.exists():
        raise ConfigurationError("nothing is indexed yet", hint="run: etdb index")
    from etdb.catalogue import Catalogue

    catalogue = Catalogue(workspace.catalogue_path, writable=writable)
    try:
        yield catalogue
    finally:
        catalogue.close()


def ledger_limits(workspace: Workspace) -> Limits:
    """The limits from the settings."""
    limits = workspace.settings.limits
    return Limits(
        max_chain=limits.max_unconfirmed_chain,
        max_chain_bytes=limits.max_unconfirmed_chain_bytes,
        fee_rate_sat_per_kb=limits.fee_rate_sat_per_kb,
        max_fee_sat=limits.max_fee_sat,
    )


def key_name(workspace: Workspace, named: str | None) -> str:
    """The key to use: the one named, the one in the settings, or the only one.

    Raises:
        InputError: there is none, or more than one to choose from.
    """
    if named or workspace.settings.publisher.key:
        return named or workspace.settings.publisher.key
    names = [info.name for info in workspace.keyring.list()]
    if not names:
        raise InputError("there is no key to publish with", hint="make one with: etdb key new")
    if len(names) > 1:
        raise InputError(
            f"there are {len(names)} keys: {', '.join(names)}",
            hint="say which with --key NAME, or set `key` under [publisher] in etdb.toml",
        )
    return names[0]


def key_unlocker(
    workspace: Workspace, named: str | None, *, passphrase_file: str | None, passphrase_fd: int | None
) -> Callable[[], PrivateKey]:
    """Ask for the passphrase of the publisher's key; what is given back opens it, which takes a core a while."""
    name = key_name(workspace, named)
    workspace.keyring.show(name)
    secret = ask_passphrase(f"Passphrase of {name}", passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    return functools.partial(workspace.keyring.unlock, name, secret)
