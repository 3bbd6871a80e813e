"""Messages that correct, withdraw or give away a record, and that name a publisher: written.

The forms are those that the OIP daemon and js-oip read (since 2019). ``reason`` is ours: their readers pass over it.
An edit's own signature signs its target and time alone; so the patched artifact carries a new artifact signature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from etdb.errors import InputError
from etdb.oip.artifact import artifact_preimage, encode_artifact
from etdb.oip.patch import make_patch, patch_document
from etdb.oip.strict_json import encode_go_json, load_json
from etdb.oip.tomogram import Tomogram

__all__ = ["MAX_REASON", "encode_deactivate", "encode_edit", "encode_register", "encode_transfer", "revise_artifact"]

MAX_REASON: Final = 300
"""Letters of a reason; readers show no more."""

Sign = Callable[[str], str]
"""Gives the base64 signature of a text."""


def revise_artifact(tomogram: Tomogram, sign: Sign) -> dict[str, Any]:
    """A record as it stands in an artifact, signed; with its location and time.

    Raises:
        InputError: what the protocol or its readers demand is missing.
    """
    signature = sign(artifact_preimage(tomogram.location, tomogram.publisher, tomogram.timestamp_s))
    artifact = encode_artifact(tomogram, signature)
    read: dict[str, Any] = load_json(encode_go_json(artifact))  # numbers as a reader gets them
    return read


def encode_edit(
    dataset_id: str, old: dict[str, Any], new: dict[str, Any], timestamp_s: int, *, sign: Sign, reason: str = ""
) -> bytes:
    """The message that corrects a record.

    Args:
        dataset_id: the record's first transaction.
        old: the artifact as it stands on the ledger.
        new: the artifact as it is to be, signed anew (``revise_artifact``).
        timestamp_s: of the edit.
        sign: with the owner's key.
        reason: for people.

    Raises:
        InputError: nothing differs but time and signature, or the reason is too long.
    """
    patch = make_patch(old, new)
    if all(one.path in ("/timestamp", "/signature") for one in patch):
        raise InputError("nothing differs: an edit would change nothing", hint="give another value")
    return _message(
        "edit",
        {"txid": dataset_id, "timestamp": timestamp_s, "patch": patch_document(patch), **_because(reason)},
        sign(f"{dataset_id}-{timestamp_s}"),
    )


def encode_deactivate(dataset_id: str, owner: str, timestamp_s: int, *, sign: Sign, reason: str = "") -> bytes:
    """The message that withdraws a record. The daemon looks for ``reference`` beside the artifact."""
    return _message(
        "deactivate",
        {"txid": dataset_id, "timestamp": timestamp_s, **_because(reason)},
        sign(f"{dataset_id}-{owner}-{timestamp_s}"),
        reference=dataset_id,
    )


def encode_transfer(
    dataset_id: str, owner: str, to_address: str, timestamp_s: int, *, sign: Sign, reason: str = ""
) -> bytes:
    """The message that gives a record to another address, in the order that the only known sample signs."""
    return _message(
        "transfer",
        {"txid": dataset_id, "from": owner, "to": to_address, "timestamp": timestamp_s, **_because(reason)},
        sign(f"{dataset_id}-{owner}-{to_address}-{timestamp_s}"),
    )


def encode_register(name: str, address: str, timestamp_s: int, *, sign: Sign) -> bytes:
    """The message that names a publisher.

    Raises:
        InputError: no name, or one that is too long or not in one line.
    """
    if not name.strip() or len(name) > MAX_REASON or not name.isprintable():
        raise InputError(
            "this is no name for a publisher", hint=f"one line of letters, at most {MAX_REASON}", name=name[:80]
        )
    publisher = {"alias": name, "floAddress": address, "timestamp": timestamp_s}
    publisher["signature"] = sign(f"{name}-{address}-{timestamp_s}")
    return b"json:" + encode_go_json({"oip042": {"register": {"pub": publisher}}})


def _message(verb: str, artifact: dict[str, Any], signature: str, **beside: str) -> bytes:
    return b"json:" + encode_go_json({"oip042": {verb: {**beside, "artifact": artifact, "signature": signature}}})


def _because(reason: str) -> dict[str, str]:
    if len(reason) > MAX_REASON:
        raise InputError(f"a reason of {len(reason)} letters is too long", hint=f"readers show {MAX_REASON}")
    return {"reason": reason} if reason else {}
