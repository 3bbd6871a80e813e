"""Messages of the protocol's family that are no record of a tomogram: which they are, and what they show of themselves.

What a signature signs is given as a value, so that whoever applies a message later can check it first.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

__all__ = [
    "MAX_SHOWN",
    "ActionMessage",
    "DeactivateMessage",
    "EditMessage",
    "OtherMessage",
    "PatchOperation",
    "RegisterMessage",
    "TransferMessage",
]

MAX_SHOWN: Final = 300
"""Letters of a foreign text that name a message."""


class OtherMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is not a tomogram's record.

    ``publisher`` is the address that says it, as far as the message names one. ``preimages`` are the texts that its
    ``signature`` (base64) may sign, the current form first; empty where the family never said.
    """

    protocol: str
    kind: str
    title: str = ""
    publisher: str = ""
    signature: str = ""
    preimages: tuple[str, ...] = ()


class PatchOperation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of RFC 6902. ``path`` and ``source`` (its ``from``) are JSON pointers within the artifact."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str
    value: Any = None
    source: str = ""


class ActionMessage(OtherMessage, frozen=True, kw_only=True):
    """What an artifact's owner does to it.

    Args:
        dataset_id: the transaction of the artifact's first message.
        timestamp: as the message shows it.
        reason: why, as the owner says; shortened. Ours: other writers give none.
    """

    dataset_id: str
    timestamp: int
    reason: str = ""


class EditMessage(ActionMessage, frozen=True, kw_only=True):
    """A correction of an artifact, by its owner.

    Args:
        patch: what changes, in order.
        names_owner: whether the signature names the owner as well, as the first writers had it (2018).
    """

    patch: tuple[PatchOperation, ...]
    names_owner: bool

    def preimage(self, owner: str) -> str:
        """What the artifact's owner signs. An edit of 2018 signs the text that a deactivation signs as well."""
        who = f"{owner}-" if self.names_owner else ""
        return f"{self.dataset_id}-{who}{self.timestamp}"


class DeactivateMessage(ActionMessage, frozen=True, kw_only=True):
    """A withdrawal of an artifact, by its owner."""

    def preimage(self, owner: str) -> str:
        """What the artifact's owner signs.

        The text is that of an edit of 2018 at the same second, so a stranger can make the one out of the other: who
        applies it must ask for more than this signature (the owner's transaction).
        """
        return f"{self.dataset_id}-{owner}-{self.timestamp}"


class TransferMessage(ActionMessage, frozen=True, kw_only=True):
    """An artifact given to another address. ``publisher`` is who gives it and signs, ``to_address`` who gets it."""

    to_address: str


class RegisterMessage(OtherMessage, frozen=True, kw_only=True):
    """A publisher's name for its address: ``title`` is the name."""

    timestamp: int
