"""What a transaction's text may be under the Open Index Protocol: recognised, read, kept.

A research tomogram is read into a record. Everything else that the protocol's family ever wrote is recognised by its
beginning, named and kept: who follows the chain stores each text as it came.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from etdb.errors import FormatError
from etdb.oip.actions import parse_action, shown, text_of, title_of
from etdb.oip.artifact import artifact_preimage, from_oip041, is_tomogram, parse_tomogram
from etdb.oip.named import OtherMessage
from etdb.oip.oip5 import parse_gp64, parse_p64
from etdb.oip.parts import Part, parse_part
from etdb.oip.strict_json import load_json
from etdb.oip.tomogram import Tomogram

__all__ = ["Message", "PublishMessage", "parse_artifact", "parse_message"]

_TEXT: Final = re.compile(rb"(?:text:)*")
"""A wallet's own prefix. All of them at once: to cut them off one by one costs a megabyte of them its square."""
_VERBS: Final = ("publish", "register", "edit", "transfer", "deactivate")
_NOUNS: Final = ("artifact", "pub", "influencer", "platform", "pool", "autominerPool", "autominer")
_OIP041_VERBS: Final = {"editArtifact": "edit", "transferArtifact": "transfer", "deactivateArtifact": "deactivate"}
_ALEXANDRIA: Final = (
    *("media", "publisher", "deactivation", "autominer-pool", "autominer", "retailer", "promoter", "historian"),
)
_ROOT: Final = re.compile(rb'\s*\{\s*"(?:oip042|oip-?041|alexandria-(?:' + "|".join(_ALEXANDRIA).encode() + rb'))"\s*:')
_HISTORIAN: Final = re.compile(rb"(?:oip|alexandria)-historian-")


class PublishMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A tomogram's record with its signature and exactly what that signs."""

    tomogram: Tomogram
    signature: str
    preimage: str


Message = PublishMessage | Part | OtherMessage


def parse_message(data: bytes) -> Message | None:
    """Read a transaction's text, or a joined multipart message. None when it is not of the protocol at all.

    Raises:
        FormatError: it begins as a message of the protocol and is not one.
    """
    prefixed = _TEXT.match(data)
    data = data[prefixed.end() :] if prefixed else data
    part = parse_part(data)
    if part is not None:
        return part
    if data.startswith(b"p64:"):
        return parse_p64(data[4:])
    if data.startswith(b"gp64:"):
        return parse_gp64(data[5:])
    if _HISTORIAN.match(data):
        return _historian(data)
    if data.startswith(b"json:"):
        return _document(load_json(data[5:]))
    return _document(load_json(data)) if _ROOT.match(data) else None


def parse_artifact(data: bytes) -> dict[str, Any]:
    """The artifact of a record's whole text, in the form of OIP 0.42: what an edit patches.

    Raises:
        FormatError: the text publishes no artifact.
    """
    data = data[len(_TEXT.match(data)[0]) :]  # type: ignore[index]  # it may match nothing, but it matches
    document = load_json(data.removeprefix(b"json:"))
    for name in ("oip042", "oip-041", "oip041"):
        body = document.get(name) if isinstance(document, dict) else None
        if isinstance(body, dict) and name == "oip042":
            body = body.get("publish")
        artifact = body.get("artifact") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(artifact, dict):
            continue
        if name == "oip042":
            return artifact
        made = from_oip041(artifact)
        return {**made, "signature": body["signature"]} if isinstance(body.get("signature"), str) else made
    raise FormatError("not a record: it publishes no artifact")


def _document(document: Any) -> Message:
    if isinstance(document, dict):
        if "oip042" in document:
            return _oip042(document["oip042"])
        for name in ("oip-041", "oip041"):
            if name in document:
                return _oip041(document[name])
        for kind in _ALEXANDRIA:
            if f"alexandria-{kind}" in document:
                return _alexandria(kind, document[f"alexandria-{kind}"], text_of(document, "signature"))
    return OtherMessage(protocol="json", kind="unknown")


def _oip042(body: Any) -> Message:
    verb = next((name for name in _VERBS if name in body), None) if isinstance(body, dict) else None
    if verb is None:
        raise FormatError("not a message of OIP 0.42: it says neither publish nor register, edit, transfer, deactivate")
    acted = body[verb]
    if not isinstance(acted, dict) or not acted:
        raise FormatError(f"not a message of OIP 0.42: {verb} is empty")
    noun = next((name for name in _NOUNS if name in acted), next(iter(acted)))
    thing = acted[noun]
    if not isinstance(thing, dict):
        return OtherMessage(protocol="oip042", kind=shown(f"{verb}/{noun}"))
    signature = text_of(acted, "signature") or text_of(body, "signature")
    if verb == "publish" and noun == "artifact":
        return _publish("oip042", thing, thing.get("signature"))
    return parse_action("oip042", verb, noun, thing, signature)


def _oip041(body: Any) -> Message:
    if not isinstance(body, dict) or not body:
        raise FormatError("not a message of OIP 0.41: it says nothing")
    signature = body.get("signature")
    for name, verb in _OIP041_VERBS.items():
        if isinstance(body.get(name), dict):
            return parse_action("oip041", verb, "artifact", body[name], text_of(body, "signature"))
    artifact = body.get("artifact")
    if isinstance(artifact, dict):
        return _publish("oip041", from_oip041(artifact), signature or artifact.get("signature"))
    return OtherMessage(protocol="oip041", kind=shown(next(iter(body))))


def _publish(protocol: str, artifact: dict[str, Any], signature: Any) -> Message:
    if not is_tomogram(artifact):
        kind = f"publish/{text_of(artifact, 'type')}/{text_of(artifact, 'subtype')}"
        return OtherMessage(
            protocol=protocol,
            kind=shown(kind.rstrip("/").lower()),
            title=title_of(artifact),
            publisher=text_of(artifact, "floAddress"),
            signature=shown(signature) if isinstance(signature, str) else "",
            preimages=_artifact_preimages(artifact),
        )
    if not isinstance(signature, str) or not signature:
        raise FormatError("not a record: it is not signed")
    # The 0.41 format had no date of acquisition.
    tomogram = parse_tomogram(artifact, needs_date=protocol != "oip041")
    preimage = artifact_preimage(artifact["storage"]["location"], artifact["floAddress"], artifact["timestamp"])
    return PublishMessage(tomogram=tomogram, signature=signature, preimage=preimage)


def _artifact_preimages(artifact: dict[str, Any]) -> tuple[str, ...]:
    address, timestamp = text_of(artifact, "floAddress"), artifact.get("timestamp")
    if not isinstance(timestamp, int):
        return ()
    storage = artifact.get("storage")
    location = text_of(storage, "location") if isinstance(storage, dict) else ""
    # Without a location, publishers in JavaScript signed the word that their language has for nothing.
    return tuple(artifact_preimage(one, address, timestamp) for one in ([location] if location else ["", "undefined"]))


def _alexandria(kind: str, body: Any, signature: str) -> OtherMessage:
    body = body if isinstance(body, dict) else {}
    names = (title_of(body), *(text_of(body, key) for key in ("name", "PoolName", "WebURL", "web-url")))
    addresses = ("publisher", "address", "FLOaddress", "flo-address")
    return OtherMessage(
        protocol="alexandria",
        kind=kind,
        title=next(filter(None, names), ""),
        publisher=next(filter(None, (text_of(body, key) for key in addresses)), ""),
        signature=signature,
        preimages=_pool_preimages(body) if kind == "autominer-pool" else (),
    )


def _pool_preimages(body: dict[str, Any]) -> tuple[str, ...]:
    numbers = [body.get(key) for key in ("version", "TargetMargin", "PoolShare")]
    if not all(isinstance(number, (int, float)) for number in numbers):
        return ()
    name = text_of(body, "PoolName")
    return ("-".join([text_of(body, "WebURL"), *(f"{number:.15g}" for number in numbers), *([name] if name else [])]),)


def _historian(data: bytes) -> OtherMessage:
    """A pool's or autominer's figures; the signature behind the last colon signs all before it.

    The first version names a pool by its host, later ones by the address that signs.
    """
    text = data.decode("utf-8", "replace")
    signed, _, signature = text.rpartition(":")
    words = signed.split(":")
    who = shown(words[1]) if len(words) > 1 else ""
    named_by_host = "." in who
    return OtherMessage(
        protocol="historian",
        kind=shown(f"data point {words[0].partition('-historian-')[2]}".strip()),
        title=who if named_by_host else "",
        publisher="" if named_by_host else who,
        signature=shown(signature),
        preimages=(signed,) if len(words) > 1 else (),
    )
