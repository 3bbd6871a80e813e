"""Who has a CID, asked of routing servers: a client of the Delegated Routing V1 HTTP API.

Source: https://specs.ipfs.tech/routing/http-routing-v1/ (IPIP-337, IPIP-417, IPIP-518). Several servers are asked at
once; each answer is bounded in size, number and time, and nothing in it is believed: a provider is only somebody to
ask, and whatever it gives is checked.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Sequence
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from etdb.blocks.addresses import is_public_host, parse_http_address
from etdb.blocks.http import HttpSource
from etdb.errors import ConfigurationError, EtdbError, FormatError, InputError, NotFoundError, SourceError
from etdb.ipfs import Cid

__all__ = [
    "BITSWAP",
    "HTTP_GATEWAY",
    "Provider",
    "RoutingAnswer",
    "ask_routers",
    "parse_providers",
    "providers_of",
]

HTTP_GATEWAY = "transport-ipfs-gateway-http"
BITSWAP = "transport-bitswap"
MAX_ROUTERS = 16
MAX_ANSWER_BYTES = 1 << 20
MAX_PROVIDERS = 100
MAX_ADDRESSES = 32
"""The most addresses of one provider that are looked at."""
ANSWER_TIMEOUT_S = 10.0
MAX_JSON_DEPTH = 16
_JSON, _NDJSON = "application/json", "application/x-ndjson"
_PEER_ID = re.compile(r"[A-Za-z0-9]{1,128}", re.ASCII)
_PROTOCOL = re.compile(r"[a-z0-9_./-]{1,64}", re.ASCII)


class Provider(Struct, frozen=True, kw_only=True):
    """Somebody who is said to have a CID.

    Attributes:
        peer_id: as it was said; "" when there is none.
        protocols: how it can be asked, such as `BITSWAP`; empty when that is not known.
        addresses: multiaddrs and URLs, as said.
        urls: those of the addresses that are gateways over HTTP and may be called.
        refused: addresses over HTTP that may not be called, or are not right.
        found_by: the routing server that said so.
    """

    peer_id: str
    protocols: tuple[str, ...]
    addresses: tuple[str, ...]
    urls: tuple[str, ...]
    refused: tuple[str, ...]
    found_by: str

    @property
    def speaks_bitswap(self) -> bool:
        """Whether a node of IPFS may get blocks from it."""
        return bool(self.peer_id) and (not self.protocols or BITSWAP in self.protocols)


class RoutingAnswer(Struct, frozen=True, kw_only=True):
    """What one server said; `error` tells why it said nothing."""

    router: str
    providers: tuple[Provider, ...] = ()
    error: EtdbError | None = None


def ask_routers(
    routers: Sequence[str], cid: Cid, *, allow_private: bool = False, timeout_s: float = ANSWER_TIMEOUT_S
) -> list[RoutingAnswer]:
    """Ask all servers at once who has a CID; one that is dead or lies takes nothing from the others.

    Args:
        routers: the addresses of their ``/routing/v1``, without it.
        cid: what is looked for.
        allow_private: believe addresses of this machine and of private networks too.
        timeout_s: what each server has for its whole answer.

    Returns:
        One answer a server, in their order.

    Raises:
        ConfigurationError: too many servers, or one whose address is none.
    """
    names = list(dict.fromkeys(url.rstrip("/") for url in routers))
    if len(names) > MAX_ROUTERS:
        raise ConfigurationError(f"{len(names)} routing servers; {MAX_ROUTERS} are the limit", hint="name fewer")
    sources = [_source(url, timeout_s) for url in names]
    answers: list[RoutingAnswer | None] = [None] * len(sources)

    def ask(number: int) -> None:
        source = sources[number]
        try:
            found = providers_of(source, cid, allow_private=allow_private)
            answers[number] = RoutingAnswer(router=source.url, providers=found)
        except EtdbError as error:
            answers[number] = RoutingAnswer(router=source.url, error=error)
        finally:
            source.close()

    threads = [
        threading.Thread(target=ask, args=(number,), name=f"etdb-routing-{number}", daemon=True)
        for number in range(len(sources))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        # The name of a server may take its resolver longer than any deadline of ours.
        thread.join(2 * timeout_s)
    silent = SourceError("no answer in time", hint="ask another routing server")
    return [
        answer or RoutingAnswer(router=source.url, error=silent)
        for source, answer in zip(sources, answers, strict=True)
    ]


def providers_of(source: HttpSource, cid: Cid, *, allow_private: bool = False) -> tuple[Provider, ...]:
    """Ask one server.

    Raises:
        SourceError: it cannot be reached, is too slow, or answers otherwise than with providers.
        FormatError: its answer is too large, or not of the form.
    """
    # The API names content by CIDs of version 1.
    path = f"/routing/v1/providers/{Cid(codec=cid.codec, hash_code=cid.hash_code, digest=cid.digest)}"
    try:
        with source.request("GET", path, expected_bytes=0, headers={"Accept": f"{_NDJSON}, {_JSON};q=0.9"}) as response:
            kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
            if kind not in {_JSON, _NDJSON}:
                raise SourceError(
                    f"{source.url} answers with {kind[:80] or 'no type'}, not with providers",
                    hint="is it a server of the Delegated Routing API?",
                    source=source.url,
                )
            body = _read(source, response)
    except NotFoundError:
        return ()  # how servers said "nobody" before an empty list was agreed upon
    return parse_providers(body, is_lines=kind == _NDJSON, router=source.url, allow_private=allow_private)


def parse_providers(body: bytes, *, is_lines: bool, router: str, allow_private: bool) -> tuple[Provider, ...]:
    """Read an answer: a JSON object with ``Providers``, or a JSON record a line.

    Records of another kind are passed over, as the specification says; at most `MAX_PROVIDERS` are read.

    Raises:
        FormatError: not of that form.
    """
    records: Iterable[Any]
    if is_lines:
        records = (_loads(line, router) for line in body.split(b"\n") if line.strip())
    else:
        document = _loads(body, router)
        listed = document.get("Providers") or [] if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise FormatError(f"{router} answers without a list of providers", source=router)
        records = listed
    found: dict[tuple[str, tuple[str, ...]], Provider] = {}
    for number, record in enumerate(records):
        if number == MAX_PROVIDERS:
            break
        provider = _provider(record, router, allow_private=allow_private)
        if provider is not None:
            found.setdefault((provider.peer_id, provider.addresses), provider)
    return tuple(found.values())


def _source(url: str, timeout_s: float) -> HttpSource:
    try:
        return HttpSource(url.removesuffix("/routing/v1"), timeout_s=timeout_s)
    except InputError:
        raise ConfigurationError(
            f"{url!r} is not the address of a routing server", hint="it looks like https://delegated-ipfs.dev"
        ) from None


def _read(source: HttpSource, response: HTTPResponse) -> bytes:
    return source.read_all(response, MAX_ANSWER_BYTES, "the list of providers")


def _loads(text: bytes, router: str) -> Any:
    depth = deepest = 0
    for byte in text:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    if deepest > MAX_JSON_DEPTH:
        raise FormatError(f"{router} answers with JSON of more than {MAX_JSON_DEPTH} levels", source=router)
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):  # brackets within texts count here and not there
        raise FormatError(f"{router} answers with JSON that is none", source=router) from None


def _number(_word: str) -> bool:
    """No number is wanted, and one of a million digits would cost."""
    return True


def _refuse(word: str) -> None:
    raise ValueError(word)


def _provider(record: Any, router: str, *, allow_private: bool) -> Provider | None:
    if not isinstance(record, dict) or record.get("Schema") not in ("peer", "bitswap"):
        return None
    peer_id = record.get("ID")
    if not isinstance(peer_id, str) or not _PEER_ID.fullmatch(peer_id):
        peer_id = ""
    protocols = tuple(one for one in _texts(record.get("Protocols")) if _PROTOCOL.fullmatch(one))
    if isinstance(record.get("Protocol"), str) and _PROTOCOL.fullmatch(record["Protocol"]):
        protocols = (*protocols, record["Protocol"])
    addresses: list[str] = []
    urls: list[str] = []
    refused: list[str] = []
    for address in _texts(record.get("Addrs"))[:MAX_ADDRESSES]:
        try:
            url = parse_http_address(address)
        except FormatError:
            refused.append(address[:80])
            continue
        addresses.append(address)
        if url is None or (protocols and HTTP_GATEWAY not in protocols):
            continue
        host = urlsplit(url).hostname or ""
        (urls if allow_private or is_public_host(host) else refused).append(url)
    if not (peer_id or urls or refused):
        return None
    return Provider(
        peer_id=peer_id,
        protocols=protocols[:MAX_ADDRESSES],
        addresses=tuple(addresses),
        urls=tuple(dict.fromkeys(urls)),
        refused=tuple(refused),
        found_by=router,
    )


def _texts(value: Any) -> list[str]:
    return [one for one in value[: 4 * MAX_ADDRESSES] if isinstance(one, str)] if isinstance(value, list) else []
