"""A Kubo for a while: started for one fetch, on this machine only, and ended with us in every case.

Where no gateway has a CID, a node of IPFS can look for it in the network and get it over bitswap. This module starts
the user's Kubo in a temporary folder with a configuration of ours: it listens nowhere but on the loopback, provides
nothing, and gives out what it gets through its gateway there, where :class:`~etdb.blocks.gateway.GatewayStore` checks
every byte. The program and its folder belong to a guard, see :mod:`etdb.blocks.temporary_kubo_guard`.

Facts: Kubo's ``docs/config.md``; its RPC is ``/api/v0``.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from msgspec import Struct

from etdb.blocks.gateway import GatewayStore
from etdb.blocks.http import HttpSource
from etdb.errors import ConfigurationError, EtdbError, FormatError, SourceError
from etdb.ipfs import Cid

__all__ = ["KuboChoice", "TemporaryKubo", "find_kubo"]

START_TIMEOUT_S = 60.0
SILENCE_S = 120.0
"""How long a block may be looked for in the network."""
FIND_TIMEOUT_S = 60.0
MAX_PEERS = 32
CONNECT_S = 60.0
"""Connecting to another peer is not begun after that."""
_PEERS_AT_ONCE = 8
MAX_FOUND = 20
MAX_ANSWER_BYTES = 1 << 20
MAX_LOG_BYTES = 64 << 10
STORAGE_MAX = "4GB"
RETRIEVAL = "100s"
_GUARD = Path(__file__).with_name("temporary_kubo_guard.py")
_PRIVATE_NETWORKS = (
    "/ip4/10.0.0.0/ipcidr/8",
    "/ip4/100.64.0.0/ipcidr/10",
    "/ip4/127.0.0.0/ipcidr/8",
    "/ip4/169.254.0.0/ipcidr/16",
    "/ip4/172.16.0.0/ipcidr/12",
    "/ip4/192.168.0.0/ipcidr/16",
    "/ip6/::1/ipcidr/128",
    "/ip6/fc00::/ipcidr/7",
    "/ip6/fe80::/ipcidr/10",
)


class KuboChoice(Struct, frozen=True, kw_only=True):
    """What the user allows a temporary Kubo.

    Attributes:
        binary: its path; "" looks for ``ipfs`` on the PATH.
        peers: multiaddrs with ``/p2p/`` to begin with instead of the public network's; then no other network is used.
        routers: routing servers that it asks besides.
        allow_private: let it call addresses of this machine and of private networks.
        folder: where its temporary folder is made; None is the system's place.
    """

    binary: str = ""
    peers: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    allow_private: bool = False
    folder: Path | None = None


def find_kubo(binary: str = "") -> str:
    """The path of the user's Kubo.

    Raises:
        ConfigurationError: there is none.
    """
    found = shutil.which(binary or "ipfs")
    if found is None:
        raise ConfigurationError(
            f"Kubo is not there: {binary or 'ipfs is not on the PATH'}",
            hint="install Kubo, or name its program: `binary` under [kubo] in etdb.toml",
        )
    return str(Path(found).absolute())


class TemporaryKubo:
    """A running Kubo, as a context; leaving it ends the program and removes its folder.

    Attributes:
        pid: of the guard, which ends when we do.
        folder: its own; removed at the end.
        gateway_url: its gateway, on the loopback.

    Raises:
        ConfigurationError: there is no Kubo, or it does not start; with what it said last.
    """

    def __init__(self, choice: KuboChoice) -> None:
        binary = find_kubo(choice.binary)
        self.folder = Path(tempfile.mkdtemp(prefix="etdb-kubo-", dir=choice.folder))
        # The guard removes the folder as soon as the program has ended; its last words are still wanted then.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._secret = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None
        self._api: HttpSource | None = None
        self._reached: set[str] = set()
        try:
            self._prepare(binary, choice)
            self._process = self._start(binary)
            api, self.gateway_url = self._await_ready()
            self._api = HttpSource(api, timeout_s=FIND_TIMEOUT_S)
            self.connect(choice.peers)
        except BaseException:
            self.close()
            raise
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def store(self) -> GatewayStore:
        """What it finds, as a block store."""
        return _KuboStore(self.gateway_url, timeout_s=SILENCE_S)

    def connect(self, addresses: Sequence[str]) -> int:
        """Connect to peers that are known, side by side; gives how many could be reached.

        A connection that Kubo made while it started may be one that its bitswap was not told of, and such a peer is
        never asked for anything (seen with Kubo 0.42.0 on a busy machine, 5 times in 40): so each peer is let go of
        before it is called for the first time.
        """
        deadline = time.monotonic() + CONNECT_S

        def is_reached(address: str) -> bool:
            if time.monotonic() > deadline:
                return False
            if address not in self._reached:
                with suppress(EtdbError):
                    self._command("swarm/disconnect", address)
            with suppress(EtdbError):
                self._command("swarm/connect", address)
                return True
            return False

        wanted = addresses[:MAX_PEERS]
        with ThreadPoolExecutor(_PEERS_AT_ONCE, thread_name_prefix="etdb-peer") as threads:
            reached = [one for one, is_there in zip(wanted, threads.map(is_reached, wanted), strict=True) if is_there]
        self._reached.update(reached)
        return len(reached)

    def find_providers(self, cid: Cid) -> list[tuple[str, tuple[str, ...]]]:
        """Whom the network names: peer ids with their addresses, in the order of their coming."""
        found: dict[str, tuple[str, ...]] = {}
        for answer in self._call("routing/findprovs", str(cid), f"&num-providers={MAX_FOUND}"):
            for one in answer.get("Responses") or () if answer.get("Type") == _PROVIDER_EVENT else ():
                peer, addresses = one.get("ID"), one.get("Addrs") or []
                if isinstance(peer, str) and isinstance(addresses, list):
                    found[peer] = tuple(a for a in addresses if isinstance(a, str)) or found.get(peer, ())
        return list(found.items())

    def close(self) -> None:
        """End the program and remove its folder; may be called twice."""
        if self._api is not None:
            self._api.close()
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "IPFS_PATH": str(self.folder / "repo"),
            "IPFS_TELEMETRY": "off",
        }

    def _prepare(self, binary: str, choice: KuboChoice) -> None:
        try:
            done = subprocess.run(
                [binary, "init", "--empty-repo"],
                env=self._environment(),
                cwd=self.folder,
                capture_output=True,
                timeout=START_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigurationError(f"{binary} cannot be run: {error}", hint="is it Kubo?") from error
        path = self.folder / "repo" / "config"
        try:
            settings = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            words = done.stderr.decode(errors="replace").strip()[-400:]
            raise ConfigurationError(f"{binary} made no repository: {words}", hint="is it Kubo?") from error
        _configure(settings, choice, self._secret)
        path.write_text(json.dumps(settings), encoding="utf-8")

    def _start(self, binary: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", str(_GUARD), str(self.folder), binary, "daemon", "--enable-gc"],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            env=self._environment(),
            cwd=self.folder,
            start_new_session=True,
        )

    def _await_ready(self) -> tuple[str, str]:
        """The addresses of RPC and gateway, which Kubo writes into its repository when they listen."""
        until = time.monotonic() + START_TIMEOUT_S
        api, gateway = self.folder / "repo" / "api", self.folder / "repo" / "gateway"
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < until:
            # The gateway is the last thing to be started; its file is written after it listens.
            if api.exists() and gateway.exists():
                words = api.read_text(encoding="utf-8").strip().split("/")
                url = gateway.read_text(encoding="utf-8").strip()
                if len(words) == 5 and url.startswith("http://127.0.0.1:"):  # /ip4/127.0.0.1/tcp/PORT
                    return f"http://{words[2]}:{words[4]}", url
            time.sleep(0.05)
        raise ConfigurationError(f"Kubo did not start: {self._last_words()}", hint="see whether `ipfs daemon` does")

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read(MAX_LOG_BYTES).decode(errors="replace").strip().splitlines()
        return lines[-1][:400] if lines else "it said nothing"

    def _command(self, command: str, argument: str) -> None:
        for _ in self._call(command, argument):
            pass

    def _call(self, command: str, argument: str, more: str = "") -> Iterator[dict[str, Any]]:
        assert self._api is not None
        path = f"/api/v0/{command}?arg={quote(argument, safe='')}{more}"
        headers = {"Authorization": f"Bearer {self._secret}", "Content-Length": "0"}
        with self._api.request("POST", path, expected_bytes=0, headers=headers) as response:
            body = self._api.read_all(response, MAX_ANSWER_BYTES, "an answer of Kubo")
        for line in body.splitlines():
            try:
                answer = json.loads(line)
            except (ValueError, RecursionError):
                raise FormatError(f"Kubo answers {command} with JSON that is none", source=self._api.url) from None
            if isinstance(answer, dict):
                yield answer
            else:
                raise SourceError(f"Kubo answers {command} otherwise than expected", source=self._api.url)


class _KuboStore(GatewayStore):
    """Its gateway, by a name that tells people more than a port would."""

    @property
    def name(self) -> str:
        return "a temporary Kubo"


_PROVIDER_EVENT = 4
"""The type of the event that names providers (``routing.QueryEvent`` of go-libp2p)."""


def _configure(settings: dict[str, Any], choice: KuboChoice, secret: str) -> None:
    """Turn what `init` wrote into a client: nothing listens but the loopback, nothing is provided."""

    def table(name: str) -> dict[str, Any]:
        found = settings.get(name)
        if not isinstance(found, dict):
            found = settings[name] = {}
        return found

    loopback = "/ip4/127.0.0.1/tcp/0"
    table("Addresses").update(API=loopback, Gateway=loopback, Swarm=[], Announce=[], AppendAnnounce=[])
    table("API")["Authorizations"] = {"etdb": {"AuthSecret": f"bearer:{secret}", "AllowedPaths": ["/api/v0"]}}
    table("Discovery")["MDNS"] = {"Enabled": False}
    table("Gateway").update(
        NoFetch=False, NoDNSLink=True, DeserializedResponses=True, ExposeRoutingAPI=False, RetrievalTimeout=RETRIEVAL
    )
    table("Swarm").update(
        DisableNatPortMap=True,
        RelayService={"Enabled": False},
        AddrFilters=None if choice.allow_private else list(_PRIVATE_NETWORKS),
    )
    table("AutoTLS")["Enabled"] = False
    table("Provide")["Enabled"] = False
    table("Datastore").update(StorageMax=STORAGE_MAX, GCPeriod="1m")
    table("Routing").update(Type="autoclient", LoopbackAddressesOnLanDHT=choice.allow_private)
    # Otherwise it asks only peers who gave it something before, and it has just been made.
    table("Internal")["Bitswap"] = {"BroadcastControl": {"Enable": False}}
    if choice.routers:
        table("Routing")["DelegatedRouters"] = list(choice.routers)
    if choice.peers:
        settings["Bootstrap"] = []  # they are called when it has started, see connect()
        table("AutoConf")["Enabled"] = False
        table("Routing").setdefault("DelegatedRouters", [])
        if not choice.routers:
            table("Routing")["DelegatedRouters"] = []
        table("DNS")["Resolvers"] = {}
        table("Ipns")["DelegatedPublishers"] = []
