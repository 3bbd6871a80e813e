"""The settings of a workspace: `etdb.toml`, read strictly into typed values.

An unknown or mistyped key is an error that names the nearest known one: a setting that is silently ignored is worse
than one that is refused. Nothing in the file is an absolute path, so that the folder can be moved.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from etdb.errors import ConfigurationError
from etdb.workspace.source_settings import SOURCE_NAME, SOURCE_TEMPLATE, SourceSettings, StageSettings

__all__ = [
    "CONFIG_NAME",
    "NETWORK_NAMES",
    "DescribeSettings",
    "FetchSettings",
    "KuboSettings",
    "LimitSettings",
    "NodeSettings",
    "PortalSettings",
    "PublisherSettings",
    "Settings",
    "parse_settings",
    "settings_template",
]

CONFIG_NAME = "etdb.toml"
NETWORK_NAMES = ("local", "regtest", "testnet", "main")
MAX_CONFIG_BYTES = 1 << 20

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Satoshi = Annotated[int, Meta(ge=0, le=10**16)]


class PublisherSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every record of this lab says, unless a dataset says otherwise."""

    key: str = ""
    institution: str = ""
    lab: str = ""
    microscopist: str = ""
    licence: str = ""
    authors: tuple[str, ...] = ()


class LimitSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the chain allows and what we are willing to spend (satoshi; 1 FLO is 100,000,000)."""

    final_depth: Count = 6
    max_unconfirmed_chain: Count = 25
    max_unconfirmed_chain_bytes: Annotated[int, Meta(ge=2_000, le=100_000_000)] = 101_000
    fee_rate_sat_per_kb: Satoshi = 100_000
    max_fee_sat: Satoshi = 1_000_000_000


class DescribeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a description says when neither the dataset nor its files tell it."""

    description: str = ""
    species: str = ""
    microscope: str = ""
    acquisition_software: str = ""
    reconstruction_software: str = ""
    tags: tuple[str, ...] = ("electron tomography",)


class KuboSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lab's Kubo: the address of its RPC, and a file with the token for it (from the workspace's folder)."""

    api: str = "http://127.0.0.1:5001"
    secret_file: str = ""
    binary: str = ""


class FetchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is asked when the gateways do not have something, or only a CID is known."""

    routers: tuple[str, ...] = ()
    allow_private: bool = False
    kubo: bool = False
    kubo_peers: tuple[str, ...] = ()


class NodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The FLO node of a workspace that is not on a local chain. The password itself never stands here."""

    url: str = ""
    cookie_file: str = ""
    user: str = ""
    password_file: str = ""
    blocks_folder: str = ""
    start_height: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


Colour = Annotated[str, Meta(pattern=r"^(|#[0-9a-fA-F]{6})$")]


class PortalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the web site looks, and which part of the catalogue it shows: everything unless a list says otherwise."""

    name: str = "Electron Tomography Database"
    tagline: str = ""
    contact: str = ""
    terms: str = ""
    logo: str = ""
    accent: Colour = ""
    texts_folder: str = ""
    publishers: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    species: tuple[str, ...] = ()
    query: str = ""
    url: str = ""
    cache_bytes: Annotated[int, Meta(ge=0, le=2**60)] = 10_000_000_000
    requests_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 50
    requests_at_once: Annotated[int, Meta(ge=1, le=1_000_000)] = 500


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a workspace."""

    network: str = "local"
    ledger: str = ""
    gateways: tuple[str, ...] = ()
    publisher: PublisherSettings = PublisherSettings()
    limits: LimitSettings = LimitSettings()
    describe: DescribeSettings = DescribeSettings()
    fetch: FetchSettings = FetchSettings()
    kubo: KuboSettings = KuboSettings()
    node: NodeSettings = NodeSettings()
    portal: PortalSettings = PortalSettings()
    source: dict[str, SourceSettings] = {}
    stage: StageSettings = StageSettings()


def settings_template(
    network: str, *, ledger: str = "", gateways: Sequence[str] = (), node: NodeSettings | None = None
) -> str:
    """The text of a new `etdb.toml`: every setting with its default, or what is given here, and what it does.

    Raises:
        ConfigurationError: a value has characters that cannot stand in the file.
    """
    node = node or NodeSettings()
    texts = {name: getattr(node, name) for name in ("url", "cookie_file", "user", "password_file", "blocks_folder")}
    for value in (ledger, *gateways, *texts.values()):
        if not value.isprintable() or "'" in value:
            raise ConfigurationError(f"{value!r} cannot be written into {CONFIG_NAME}", hint="move or rename it")
    ledger_line = f"ledger = '{ledger}'" if ledger else '# ledger = "../other-workspace/chain"'
    listed = ", ".join(f"'{url}'" for url in gateways)
    gateways_line = f"gateways = [{listed}]" if gateways else '# gateways = ["http://127.0.0.1:8080"]'
    lines = {name: f"{name} = '{value}'" if value else f'# {name} = ""' for name, value in texts.items()}
    return f"""\
# The settings of this etdb workspace. Lines that start with '#' show the defaults.
# No path in here is absolute: the folder can be moved.

# The ledger that records are written to: "local" (a chain of your own in this folder, no coins needed),
# "regtest", "testnet" or "main". Keys belong to one network.
network = "{network}"

# The folder of a local chain that belongs to another workspace, seen from this folder; it is only read.
{ledger_line}

# Trustless IPFS gateways to download from, tried together; every byte is checked, so any will do.
{gateways_line}

[fetch]
# Who else may be asked when the gateways do not have something, or when only a CID is known.
# Routing servers (Delegated Routing V1, such as "https://delegated-ipfs.dev"), asked at once; they learn what is
# looked for.
# routers = []
# Call addresses of this machine and of private networks when a routing server names them.
# allow_private = false
# Start a Kubo for a while where no gateway has it, to look in the IPFS network; it is ended with the command.
# kubo = false
# Peers that this Kubo begins with, instead of the public network's ("/ip4/.../tcp/4001/p2p/...").
# kubo_peers = []

[publisher]
# The name of the key that signs (see `etdb key list`); needed only when there are several.
# key = ""
# What every record says unless its dataset.toml says otherwise.
# institution = ""
# lab = ""
# microscopist = ""
# An SPDX identifier such as "CC0-1.0" or "CC-BY-4.0".
# licence = ""
# authors = []

[limits]
# Blocks from a record's own on before it counts as final (6 unless set). A local chain never loses blocks.
{"final_depth = 1" if network == "local" else "# final_depth = 6"}
# How many unconfirmed transactions may hang on each other, and their bytes (25 and 101000 in old nodes).
# max_unconfirmed_chain = 25
# max_unconfirmed_chain_bytes = 101000
# What is paid for 1000 bytes of transaction, in satoshi (1 FLO is 100000000 satoshi).
# fee_rate_sat_per_kb = 100000
# Never pay more than this for one run, in satoshi.
# max_fee_sat = 1000000000

[describe]
# What a record says when neither dataset.toml nor the files tell it. Defaults that are used are always shown.
# description = ""
# species = ""
# microscope = ""
# acquisition_software = ""
# reconstruction_software = ""
# tags = ["electron tomography"]

[kubo]
# The RPC of the Kubo that serves the data to the IPFS network (see `etdb kubo`).
# api = "http://127.0.0.1:5001"
# A file, readable by you alone, with the token of its API.Authorizations, when it wants one.
# secret_file = ""
# The program, when `ipfs` is not on the PATH; `etdb download` can start it to look for data in the network.
# binary = ""

[node]
# The FLO full node that a network other than "local" is read from and written to; its wallet is never used.
# Its JSON-RPC; when empty, on this machine, at the network's own port (main 7313, testnet 17313, regtest 17413).
{lines["url"]}
# How we log in: the node's `.cookie`, or a user with a file that holds the password (fcoin's api-key, any user). Paths
# are seen from this folder; `~` is yours. A password file must be readable by you alone.
{lines["cookie_file"]}
{lines["user"]}
{lines["password_file"]}
# The node's `blocks` folder, when it is on this machine: the first reading is then many times faster.
{lines["blocks_folder"]}
# The first block to read; 0 for where records can begin (2600000 on main).
# start_height = 0

[portal]
# The web site of `etdb serve`: its name, a line below it, whom to write to, and a sentence on terms of use.
# name = "Electron Tomography Database"
# tagline = ""
# contact = ""
# terms = ""
# A picture (SVG, PNG), the colour of links and buttons (#rrggbb), a folder with texts of your own (about.md, faq.md).
# logo = ""
# accent = ""
# texts_folder = ""
# What is shown: all of the catalogue, or what is of these publishers (addresses), labs, species, or a search's words.
# publishers = []
# labs = []
# species = []
# query = ""
# Where others reach the site, for links in feeds and embeds ("https://etdb.example.org").
# url = ""
# How much is kept on disk of files that are fetched from `gateways` and from whom [fetch] routers name.
# cache_bytes = 10000000000
# How much a client's address may ask: requests a second in the long run, and at once. Files are not counted.
# requests_per_second = 50
# requests_at_once = 500

{SOURCE_TEMPLATE}"""


def parse_settings(text: bytes, path: Path) -> Settings:
    """Read the settings from the bytes of `etdb.toml`.

    Args:
        text: the file's bytes.
        path: where they came from, for messages only.

    Raises:
        ConfigurationError: not TOML, an unknown key (with the nearest known one) or a value of the wrong type.
    """
    if len(text) > MAX_CONFIG_BYTES:
        raise ConfigurationError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes", path=str(path))
    try:
        document = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is not valid TOML: {error}", hint="correct the line", path=str(path)
        ) from None
    _refuse_unknown(document, Settings, path, "")
    try:
        settings = msgspec.convert(document, Settings, strict=True)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$.") or "the file"
        raise ConfigurationError(
            f"{path}: {key}: {message}", hint="correct the value", path=str(path), key=key
        ) from None
    if settings.network not in NETWORK_NAMES:
        raise ConfigurationError(
            f"{path}: network: {settings.network!r} is not a network",
            hint=f"one of {', '.join(NETWORK_NAMES)}",
            path=str(path),
            key="network",
        )
    for name in settings.source:
        if not SOURCE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{path}: source.{name}: not the name of a source", hint="letters, digits, - and _", path=str(path)
            )
    for key, urls in (("gateways", settings.gateways), ("fetch.routers", settings.fetch.routers)):
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise ConfigurationError(
                    f"{path}: {key}: {url!r} is not an http or https address", path=str(path), key=key
                )
    if settings.node.url and not settings.node.url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{path}: node.url: {settings.node.url!r} is not an http or https address", path=str(path), key="node.url"
        )
    return settings


def _refuse_unknown(table: dict[str, Any], shape: type[Struct], path: Path, prefix: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    for key, value in table.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
            known = f"did you mean `{prefix}{near[0]}`?" if near else f"known here: {', '.join(fields)}"
            raise ConfigurationError(
                f"{path}: unknown setting `{prefix}{key}`", hint=known, path=str(path), key=prefix + key
            )
        inner = fields[key].type
        if isinstance(inner, type) and issubclass(inner, Struct) and isinstance(value, dict):
            _refuse_unknown(value, inner, path, f"{prefix}{key}.")
        elif inner == dict[str, SourceSettings] and isinstance(value, dict):
            for name, table_of_it in value.items():
                if isinstance(table_of_it, dict):
                    _refuse_unknown(table_of_it, SourceSettings, path, f"{prefix}{key}.{name}.")
