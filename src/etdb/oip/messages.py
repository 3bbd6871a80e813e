"""What a transaction's text may be under the Open Index Protocol: recognised, read, kept.

A research tomogram is read into a record. Everything else that the protocol's family ever wrote is recognised by its
beginning, named and kept.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from etdb.errors import FormatError
from etdb.oip.artifact import artifact_preimage, is_tomogram, parse_tomogram
from etdb.oip.parts import Part, parse_part
from etdb.oip.strict_json import load_json
from etdb.oip.tomogram import Tomogram

__all__ = ["Message", "OtherMessage", "PublishMessage", "parse_message"]

_KINDS: Final = ("publish", "register", "edit", "transfer", "deactivate")
_BARE: Final = {
    '{"alexandria-publisher":': ("alexandria", "publisher"),
    '{"alexandria-deactivation":': ("alexandria", "deactivation"),
    '{"alexandria-media":': ("alexandria", "media"),
    '{"oip-041":': ("oip041", "artifact"),
    "oip-historian-": ("historian", "data point"),
    "alexandria-historian-": ("historian", "data point"),
    "p64:": ("oip5", "protobuf"),
    "gp64:": ("oip5", "compressed protobuf"),
}
_LOOKED_AT: Final = 35
_MAX_SHOWN: Final = 300


class PublishMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A tomogram's record with its signature and exactly what that signs."""

    tomogram: Tomogram
    signature: str
    preimage: str


class OtherMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the protocol that is not a tomogram's record: which, and what it shows of itself."""

    protocol: str
    kind: str
    title: str = ""
    publisher: str = ""


Message = PublishMessage | Part | OtherMessage


def parse_message(data: bytes) -> Message | None:
    """Read a transaction's text, or a joined multipart message. None when it is not of the protocol at all.

    Raises:
        FormatError: it begins as a message of the protocol and is not one.
    """
    while data.startswith(b"text:"):
        data = data[5:]  # a wallet's own prefix
    part = parse_part(data)
    if part is not None:
        return part
    head = data[:_LOOKED_AT].decode("utf-8", "replace").replace(" ", "").replace("\n", "")
    for prefix, (protocol, kind) in _BARE.items():
        if head.startswith(prefix):
            return _bare(data, protocol, kind)
    return _oip042(data[5:]) if data.startswith(b"json:") else None


def _oip042(data: bytes) -> Message:
    document = load_json(data)
    body = document.get("oip042") if isinstance(document, dict) else None
    if not isinstance(body, dict):
        return OtherMessage(protocol="json", kind="unknown")
    verb = next((name for name in _KINDS if name in body), None)
    if verb is None:
        raise FormatError("not a message of OIP 0.42: it says neither publish nor register, edit, transfer, deactivate")
    acted = body[verb]
    if not isinstance(acted, dict) or not acted:
        raise FormatError(f"not a message of OIP 0.42: {verb} is empty")
    noun = "artifact" if "artifact" in acted else next(iter(acted))
    thing = acted[noun]
    if verb == "publish" and noun == "artifact" and isinstance(thing, dict) and is_tomogram(thing):
        return _publish(thing)
    kind = f"{verb}/{noun}"
    if not isinstance(thing, dict):
        return OtherMessage(protocol="oip042", kind=_shown(kind))
    if verb == "publish":
        kind = f"{verb}/{_text(thing, 'type')}/{_text(thing, 'subtype')}".rstrip("/").lower()
    return OtherMessage(
        protocol="oip042",
        kind=_shown(kind),
        title=_title(thing) or _text(thing, "alias"),
        publisher=_text(thing, "floAddress"),
    )


def _publish(artifact: dict[str, Any]) -> PublishMessage:
    signature = artifact.get("signature")
    if not isinstance(signature, str) or not signature:
        raise FormatError("not a record: it is not signed")
    tomogram = parse_tomogram(artifact)
    location = artifact["storage"]["location"]
    preimage = artifact_preimage(location, artifact["floAddress"], artifact["timestamp"])
    return PublishMessage(tomogram=tomogram, signature=signature, preimage=preimage)


def _bare(data: bytes, protocol: str, kind: str) -> OtherMessage:
    if not data.lstrip().startswith(b"{"):
        return OtherMessage(protocol=protocol, kind=kind)
    try:
        document = load_json(data)
    except FormatError:
        return OtherMessage(protocol=protocol, kind=f"{kind} (damaged)")
    body = next(iter(document.values()))
    if not isinstance(body, dict):
        return OtherMessage(protocol=protocol, kind=kind)
    thing = next((body[key] for key in ("artifact", "media") if isinstance(body.get(key), dict)), body)
    if protocol == "oip041":
        kind = next((key for key in body if key != "signature"), kind)
    return OtherMessage(
        protocol=protocol,
        kind=_shown(kind),
        title=_title(thing) or _text(thing, "name"),
        publisher=_text(thing, "publisher") or _text(thing, "address"),
    )


def _title(thing: dict[str, Any]) -> str:
    info = thing.get("info")
    return _text(info, "title") if isinstance(info, dict) else ""


def _text(thing: dict[str, Any], key: str) -> str:
    value = thing.get(key, "")
    return _shown(value) if isinstance(value, str) else ""


def _shown(text: str) -> str:
    return text[:_MAX_SHOWN]
