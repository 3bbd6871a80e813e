"""The workspace: one folder with settings, keys, and what can be made again kept apart from what cannot."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import structs

from etdb.durable import make_folder, storage_error, storage_errors, write_durably
from etdb.errors import ConfigurationError, LockedError
from etdb.workspace.inventory import Holding, measure
from etdb.workspace.keyring import Keyring
from etdb.workspace.locks import hold_lock
from etdb.workspace.settings import (
    CONFIG_NAME,
    NETWORK_NAMES,
    NodeSettings,
    PortalSettings,
    Settings,
    parse_settings,
    settings_template,
)

__all__ = ["WORKSPACE_VARIABLE", "NoWorkspaceError", "Workspace"]

WORKSPACE_VARIABLE = "ETDB_WORKSPACE"
_TRY_AGAIN_S = 0.05
# The local chain speaks FLO's own regtest format; nothing else differs.
FLO_NETWORK_OF = {"local": "regtest", "regtest": "regtest", "testnet": "testnet", "main": "main"}


class NoWorkspaceError(ConfigurationError):
    """There is no workspace where nobody named one."""


_CATALOGUE = Path("cache", "catalogue.sqlite")


class Workspace:
    """An opened workspace: its settings and where each of its parts lies.

    Args:
        root: the folder that holds `etdb.toml`.

    Raises:
        ConfigurationError: there is no `etdb.toml`, or it is not right.
        StorageError: it cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            text = self.config_path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigurationError(
                f"{root} is not a workspace: it has no {CONFIG_NAME}",
                hint=f"make one with: etdb init {root}",
                path=str(root),
            ) from None
        except OSError as error:
            raise storage_error(error, self.config_path) from error
        self.settings: Settings = parse_settings(text, self.config_path)

    @classmethod
    def init(
        cls,
        path: Path | str,
        network: str = "local",
        *,
        ledger: str = "",
        gateways: Sequence[str] = (),
        node: NodeSettings | None = None,
        make_chain: Callable[[Path], None] | None = None,
        make_catalogue: Callable[[Path], None] | None = None,
    ) -> Workspace:
        """Make a workspace in a new or existing folder; the settings file comes last and never replaces one.

        Args:
            path: the folder.
            network: one of `NETWORK_NAMES`.
            ledger: the setting of this name, when it is not to be the default.
            gateways: likewise.
            node: likewise.
            make_chain: called with the chain's folder before there are settings, so that a failure can be tried again.
            make_catalogue: likewise, with the path that the catalogue has.

        Raises:
            ConfigurationError: there is a workspace already, the path is a file, or the network is unknown.
            StorageError: the folder cannot be written.
        """
        root = Path(path).absolute()
        if network not in NETWORK_NAMES:
            raise ConfigurationError(f"{network!r} is not a network", hint=f"one of {', '.join(NETWORK_NAMES)}")
        config = root / CONFIG_NAME
        if os.path.lexists(config):
            raise ConfigurationError(
                f"{root} is a workspace already", hint=f"its settings are in {config}", path=str(root)
            )
        if root.exists() and not root.is_dir():
            raise ConfigurationError(f"{root} is a file, not a folder", hint="choose another place", path=str(root))
        with storage_errors(root):
            make_folder(root)
            for name in ("chain", "content", "cache", "locks"):
                (root / name).mkdir(exist_ok=True)
            keys = root / "keys"
            keys.mkdir(mode=0o700, exist_ok=True)
            keys.chmod(0o700)
        if make_chain is not None:
            make_chain(root / "chain")
        if make_catalogue is not None:
            make_catalogue(root / _CATALOGUE)
        text = settings_template(network, ledger=ledger, gateways=gateways, node=node)
        try:
            # The names of the folders above are flushed with its own: they are in the same folder.
            write_durably(config, [text.encode()], replace=False)
        except FileExistsError:
            raise ConfigurationError(f"{root} is a workspace already", path=str(root)) from None
        return cls(root)

    @classmethod
    def find(cls, explicit: Path | str | None = None, *, start: Path | None = None) -> Workspace:
        """Open the workspace that the user means.

        Args:
            explicit: the folder that the user named; nothing else is tried then.
            start: where to look upwards from, when neither this nor `ETDB_WORKSPACE` names one (the current folder).

        Raises:
            NoWorkspaceError: none was named, and there is none here or above.
            ConfigurationError: there is none where one was named, or its settings are not right.
        """
        named = explicit if explicit is not None else os.environ.get(WORKSPACE_VARIABLE) or None
        if named is not None:
            return cls(Path(named))
        here = (start or Path.cwd()).absolute()
        for folder in (here, *here.parents):
            if (folder / CONFIG_NAME).is_file():
                return cls(folder)
        raise NoWorkspaceError(
            f"there is no workspace in {here} or above it",
            hint=f"make one with: etdb init FOLDER; or name one with --workspace or {WORKSPACE_VARIABLE}",
            path=str(here),
        )

    @property
    def config_path(self) -> Path:
        """The settings."""
        return self.root / CONFIG_NAME

    @property
    def portal_settings(self) -> PortalSettings:
        """The web site's settings, its logo and texts found from this folder."""
        portal = self.settings.portal
        places = {name: str(self.root / named) for name in ("logo", "texts_folder") if (named := getattr(portal, name))}
        return structs.replace(portal, **places)

    @property
    def keys_folder(self) -> Path:
        """The keys, encrypted: precious."""
        return self.root / "keys"

    @property
    def journal_path(self) -> Path:
        """What was and is being published: precious."""
        return self.root / "journal.sqlite"

    @property
    def sync_path(self) -> Path:
        """Which source each published dataset came from: precious, a withdrawal there is noticed by it."""
        return self.root / "sync.sqlite"

    @property
    def reports_folder(self) -> Path:
        """What each `etdb sync` did."""
        return self.root / "reports"

    @property
    def chain_folder(self) -> Path:
        """The local chain: precious."""
        return self.root / "chain"

    @property
    def content_folder(self) -> Path:
        """Manifests and previews that published roots commit to: precious."""
        return self.root / "content"

    @property
    def previews_folder(self) -> Path:
        """What was made of which file, so that it is not made again; the previews themselves are content: costly."""
        return self.root / "previews"

    @property
    def digests_path(self) -> Path:
        """Leaf digests of the lab's files: costly, all files would be read again."""
        return self.root / "digests.sqlite"

    @property
    def cache_folder(self) -> Path:
        """What can be made again at any time: free."""
        return self.root / "cache"

    @property
    def catalogue_path(self) -> Path:
        """The catalogue, a fold of the ledger: free."""
        return self.root / _CATALOGUE

    @property
    def blocks_folder(self) -> Path:
        """Blocks that a portal fetched from others: free, they are fetched again."""
        return self.cache_folder / "blocks"

    @property
    def node_path(self) -> Path:
        """What was read of a node's chain: free, it is read again."""
        return self.cache_folder / "node.sqlite"

    def place(self, named: str) -> Path:
        """A path of the settings: seen from this folder, or from the user's own when it begins with `~`."""
        return self.root / Path(named).expanduser()

    @property
    def network(self) -> str:
        """The ledger's name in the settings (`local`, `regtest`, `testnet`, `main`)."""
        return self.settings.network

    @property
    def flo_network_name(self) -> str:
        """The name of FLO's network constants that keys and addresses use."""
        return FLO_NETWORK_OF[self.settings.network]

    @property
    def keyring(self) -> Keyring:
        """The keys of this workspace, for its network."""
        return Keyring(self.keys_folder, self.flo_network_name)

    @contextmanager
    def lock(self, name: str, *, shared: bool = False, patience_s: float = 0.0) -> Iterator[None]:
        """Hold one of the workspace's locks while a block runs; see `hold_lock`.

        Args:
            name: the lock's.
            shared: with others who share it.
            patience_s: how long to wait for who has it; some have it for a moment only.
        """
        if not name.isidentifier():
            raise ValueError(f"not a lock's name: {name!r}")
        folder = self.root / "locks"
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
        until = time.monotonic() + patience_s
        while True:
            with ExitStack() as held:
                try:
                    held.enter_context(hold_lock(folder / f"{name}.lock", shared=shared))
                except LockedError:
                    if time.monotonic() >= until:
                        raise
                else:
                    yield
                    return
            time.sleep(_TRY_AGAIN_S)

    def describe_folder(self) -> tuple[Holding, ...]:
        """Each part of the workspace with its size, and what losing it would mean."""
        return (
            measure("settings", self.config_path, "precious", "your choices"),
            measure("keys", self.keys_folder, "precious", "without them nothing can be published or corrected"),
            measure("journal", self.journal_path, "precious", "what was sent, and what is on its way"),
            measure("sync", self.sync_path, "precious", "datasets that a source withdraws would stay published"),
            measure("reports", self.reports_folder, "free", "what each `etdb sync` did"),
            measure("chain", self.chain_folder, "precious", "the local ledger itself"),
            measure(
                "content", self.content_folder, "precious", "manifests and previews that published roots commit to"
            ),
            measure("previews", self.previews_folder, "costly", "previews of what is not published yet are made again"),
            measure("digests", self.digests_path, "costly", "every published file would be read again"),
            measure(
                "cache",
                self.cache_folder,
                "free",
                "the catalogue, what was read of a node's chain, and what a portal fetched; all of it comes again",
            ),
        )
