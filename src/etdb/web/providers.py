"""That this gateway has a CID, told to those who look for it: a server of Delegated Routing, for what is here alone.

Source: https://specs.ipfs.tech/routing/http-routing-v1/ with IPIP-484 (filters) and IPIP-513 (an empty answer is an
answer).
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from etdb.blocks import BlockStore
from etdb.errors import FormatError, InputError
from etdb.ipfs import DAG_PB, Cid, parse_cid
from etdb.web.answers import CROSS_ORIGIN, Answer

__all__ = ["ProviderAnswers", "gateway_multiaddr", "provider_record"]

_GATEWAY: Final = "transport-ipfs-gateway-http"
_JSON, _LINES = "application/json", "application/x-ndjson"
_FOUND: Final = "public, max-age=300, stale-while-revalidate=172800, stale-if-error=172800"
_NOT_FOUND: Final = "public, max-age=15, stale-while-revalidate=172800, stale-if-error=172800"
_PORTS: Final = {"http": 80, "https": 443}


class ProviderAnswers:
    """Answers from a store.

    Until it is told where others reach this gateway, it knows of nobody.
    """

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._record: dict[str, Any] | None = None

    def announce(self, url: str) -> None:
        """Say where others reach this gateway.

        Raises:
            InputError: not the URL of a gateway.
        """
        self._record = provider_record(url)

    def answer(self, cid_text: str, query: Mapping[str, str], accept: str) -> Answer:
        """Who has a CID: this gateway, or nobody that it knows of.

        Raises:
            InputError: no CID.
        """
        try:
            cid = parse_cid(cid_text)
        except FormatError as error:
            raise InputError(error.message, hint=error.hint) from None
        record = self._record if self._record is not None and self._store.has(cid) else None
        record = _filtered(record, query) if record is not None else None
        records = [] if record is None else [record]
        is_lines = _LINES in accept
        if is_lines:
            body = b"".join(msgspec.json.encode(one) + b"\n" for one in records)
        else:
            body = msgspec.json.encode({"Providers": records})
        headers = {
            "content-type": _LINES if is_lines else _JSON,
            "content-length": str(len(body)),
            "cache-control": _FOUND if records else _NOT_FOUND,
            "vary": "accept",
            **CROSS_ORIGIN,
        }
        return Answer(status=200, headers=headers, body=body)


def provider_record(url: str) -> dict[str, Any]:
    """A peer record for a gateway. The schema wants a peer id: one is made from the URL, since it has no key."""
    digest = hashlib.sha256(b"etdb gateway " + url.encode()).digest()
    return {
        "Schema": "peer",
        "ID": str(Cid(version=0, codec=DAG_PB, digest=digest)),
        "Addrs": [gateway_multiaddr(url)],
        "Protocols": [_GATEWAY],
    }


def gateway_multiaddr(url: str) -> str:
    """``http://192.0.2.1:8080`` as ``/ip4/192.0.2.1/tcp/8080/http``.

    Raises:
        InputError: not the address of a host alone, over http or https.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = "", 0
    if parts.scheme not in _PORTS or not host or not port or parts.path.strip("/") or parts.query or parts.username:
        raise InputError(f"{url!r} is not where a gateway is reached", hint="as in https://gateway.example.org")
    try:
        address = ipaddress.ip_address(host)
        name = f"/ip{address.version}/{address}"
    except ValueError:
        if not all(letter.isascii() and (letter.isalnum() or letter in "-.") for letter in host):
            raise InputError(f"{host!r} is no host name", hint="as in https://gateway.example.org") from None
        name = f"/dns/{host}"
    return f"{name}/tcp/{port}/{parts.scheme}"


def _filtered(record: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any] | None:
    """The record as far as the filters let it through (IPIP-484); names with ``!`` are not wanted."""
    protocols = [one for one in query.get("filter-protocols", "").lower().split(",") if one]
    if protocols and _GATEWAY not in protocols:
        return None
    wanted = [one for one in query.get("filter-addrs", "").lower().split(",") if one]
    refused = {one[1:] for one in wanted if one.startswith("!")}
    allowed = {one for one in wanted if not one.startswith("!")}
    kept = []
    for address in record["Addrs"]:
        names = set(address.split("/"))
        if not names & refused and (not allowed or names & allowed):
            kept.append(address)
    return {**record, "Addrs": kept} if kept else None
