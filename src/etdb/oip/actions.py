"""Edit, transfer, deactivate, register: messages about a record or a publisher, read. ``trust`` says which count.

Forms: media-protocol's ``oip042`` package and its 0.41 messages (2018), the OIP daemon and js-oip (since 2019).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from etdb.errors import FormatError
from etdb.oip.named import (
    MAX_SHOWN,
    DeactivateMessage,
    EditMessage,
    OtherMessage,
    PatchOperation,
    RegisterMessage,
    TransferMessage,
)
from etdb.oip.strict_json import load_json

__all__ = ["MAX_OPERATIONS", "parse_action", "shown", "text_of", "title_of"]

MAX_OPERATIONS: Final = 10_000
_TXID: Final = re.compile(r"[0-9a-f]{64}\Z")
_OPERATIONS: Final = ("remove", "add", "replace", "move", "copy", "test")
"""In the order in which the squashed form of 2018 is carried out."""


def parse_action(protocol: str, verb: str, noun: str, thing: dict[str, Any], signature: str) -> OtherMessage:
    """Read what is done to what.

    Args:
        protocol: "oip042" or "oip041".
        verb: publish, register, edit, transfer or deactivate.
        noun: artifact, pub, platform and so on.
        thing: the message's innermost object.
        signature: the one beside it; one within it counts first.

    Raises:
        FormatError: an artifact's edit, transfer or deactivation that lacks what makes it one.
    """
    kind = shown(f"{verb}/{noun}")
    signature = text_of(thing, "signature") or signature
    if noun == "artifact" and verb in ("edit", "transfer", "deactivate"):
        dataset_id = _dataset_id(thing, verb)
        timestamp = _timestamp(thing, verb)
        reason = text_of(thing, "reason")
        if verb == "edit":
            return EditMessage(
                protocol=protocol,
                kind=kind,
                title=dataset_id,
                signature=signature,
                dataset_id=dataset_id,
                timestamp=timestamp,
                reason=reason,
                patch=_patch(thing.get("patch")),
                names_owner=protocol == "oip041" or "txid" not in thing,
            )
        if verb == "deactivate":
            return DeactivateMessage(
                protocol=protocol,
                kind=kind,
                title=dataset_id,
                signature=signature,
                dataset_id=dataset_id,
                timestamp=timestamp,
                reason=reason,
            )
        giver, taker = (text_of(thing, end) or text_of(thing, f"{end}FloAddress") for end in ("from", "to"))
        if not giver or not taker:
            raise FormatError("not a transfer: it does not say from whom to whom")
        return TransferMessage(
            protocol=protocol,
            kind=kind,
            title=dataset_id,
            publisher=giver,
            signature=signature,
            # The code says the second order; the only sample there is was signed in the first.
            preimages=(
                f"{dataset_id}-{giver}-{taker}-{timestamp}",
                f"{dataset_id}-{taker}-{giver}-{timestamp}",
            ),
            dataset_id=dataset_id,
            timestamp=timestamp,
            reason=reason,
            to_address=taker,
        )
    address = text_of(thing, "floAddress") or text_of(thing, "address")
    stated = thing.get("timestamp")
    if verb == "register" and noun == "pub" and isinstance(stated, int) and not isinstance(stated, bool):
        return RegisterMessage(
            protocol=protocol,
            kind=kind,
            title=text_of(thing, "alias"),
            publisher=address,
            signature=signature,
            preimages=_preimages(verb, noun, address, thing),
            timestamp=stated,
        )
    return OtherMessage(
        protocol=protocol,
        kind=kind,
        title=title_of(thing) or text_of(thing, "alias"),
        publisher=address,
        signature=signature,
        preimages=_preimages(verb, noun, address, thing),
    )


def text_of(thing: dict[str, Any], key: str) -> str:
    """A text of a message, shortened to what names it; "" when it is none."""
    value = thing.get(key, "")
    return shown(value) if isinstance(value, str) else ""


def title_of(thing: dict[str, Any]) -> str:
    """The title within ``info``."""
    info = thing.get("info")
    return text_of(info, "title") if isinstance(info, dict) else ""


def shown(text: str) -> str:
    """What of a foreign text names a message."""
    return text[:MAX_SHOWN]


def _preimages(verb: str, noun: str, address: str, thing: dict[str, Any]) -> tuple[str, ...]:
    timestamp = thing.get("timestamp")
    if noun != "pub" or not isinstance(timestamp, int):
        return ()
    if verb == "register":
        return (f"{text_of(thing, 'alias')}-{address}-{timestamp}",)
    return (f"deactivate-{address}-{timestamp}",) if verb == "deactivate" else ()


def _dataset_id(thing: dict[str, Any], verb: str) -> str:
    value = next((thing[key] for key in ("txid", "artifactID", "reference") if key in thing), None)
    if not isinstance(value, str) or not _TXID.match(value):
        raise FormatError(f"not an artifact's {verb} message: it names no transaction")
    return value


def _timestamp(thing: dict[str, Any], verb: str) -> int:
    value = thing.get("timestamp")
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise FormatError(f"not an artifact's {verb} message: it lacks its timestamp")
    return value


def _patch(patch: Any) -> tuple[PatchOperation, ...]:
    """The three forms: a list of RFC 6902, the same as a text, and the squashed one that go-etdb's library had."""
    if isinstance(patch, str):
        try:
            patch = load_json(patch.encode())
        except UnicodeEncodeError as error:
            raise FormatError("not an edit: its patch is not Unicode") from error
    operations: list[Any]
    if isinstance(patch, dict):
        operations = list(_unsquashed(patch))
    elif isinstance(patch, list):
        operations = patch
    else:
        raise FormatError("not an edit: it has no patch")
    if not 0 < len(operations) <= MAX_OPERATIONS:
        raise FormatError(f"not an edit: a patch of {len(operations)} operations")
    return tuple(_operation(one) for one in operations)


def _unsquashed(patch: dict[str, Any]) -> Iterator[Any]:
    for op, entries in patch.items():
        if op not in _OPERATIONS or not isinstance(entries, list):
            raise FormatError(f"not an edit: {op[:64]!r} is no list of operations")
    for op in _OPERATIONS:
        for entry in patch.get(op, ()):
            yield {**entry, "op": op} if isinstance(entry, dict) else {"op": op, "path": entry}


def _operation(entry: Any) -> PatchOperation:
    if not isinstance(entry, dict):
        raise FormatError("not an edit: an operation of its patch is not an object")
    try:
        made = msgspec.convert({**entry, "source": entry.get("from", "")}, PatchOperation)
    except msgspec.ValidationError as error:
        raise FormatError(f"not an edit: an operation of its patch is none of RFC 6902 ({error})") from error
    needs_value = made.op in ("add", "replace", "test")
    if (needs_value and "value" not in entry) or (made.op in ("move", "copy") and "from" not in entry):
        raise FormatError(f"not an edit: {made.op} without {'its value' if needs_value else 'from'}")
    for pointer in (made.path, made.source):
        if pointer and not pointer.startswith("/"):
            raise FormatError(f"not an edit: {pointer[:64]!r} is no JSON pointer")
    return made
