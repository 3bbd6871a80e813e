"""What comes from Kubo and what goes to it, as values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from etdb.blocks.hashing import open_source_file
from etdb.blocks.kubo_errors import NotKuboError
from etdb.errors import SourceFileError, VerificationError

__all__ = ["BadReference", "KuboInfo", "Pin", "answered_text", "changed_file", "file_pieces"]

_PIECE: Final = 1 << 20


class KuboInfo(Struct, frozen=True, kw_only=True):
    """What a Kubo says about itself.

    Attributes:
        api: where it is.
        version: as in ``0.42.0``.
        peer_id: its own name in the network.
        addresses: where peers reach it.
        peers: to whom it is connected.
        takes_files_in_place: ``Experimental.FilestoreEnabled``.
    """

    api: str
    version: str
    peer_id: str
    addresses: tuple[str, ...]
    peers: int
    takes_files_in_place: bool


class Pin(Struct, frozen=True, kw_only=True):
    """A recursive pin. Kubo pins more kinds of CIDs than we read, so this is its text."""

    cid: str
    name: str


class BadReference(Struct, frozen=True, kw_only=True):
    """A leaf that Kubo cannot read back from the file that it refers to.

    Attributes:
        cid: of the leaf.
        path: of the file, as Kubo says it: from the folder that holds its repository.
        offset: of the leaf in the file.
        reason: Kubo's own word.
    """

    cid: str
    path: str
    offset: int
    reason: str


def file_pieces(path: Path, progress: Callable[[int], None] | None) -> Iterator[memoryview]:
    """The content of a file, in one buffer that is used again; ``progress`` hears the bytes of each piece.

    Raises:
        SourceFileError: it cannot be read.
    """
    descriptor = open_source_file(path)
    buffer = memoryview(bytearray(_PIECE))
    try:
        while True:
            try:
                count = os.readv(descriptor, [buffer])
            except OSError as error:
                raise SourceFileError(f"{path} cannot be read: {error.strerror}", path=str(path)) from error
            if not count:
                return
            yield buffer[:count]
            if progress is not None:
                progress(count)
    finally:
        os.close(descriptor)


def answered_text(document: Any, key: str, source: str) -> str:
    """A text that must stand in an answer.

    Raises:
        NotKuboError: it does not.
    """
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, str) or not value:
        raise NotKuboError(
            f"what {source} answers has no {key}: it is not the RPC of a Kubo",
            hint="is it the RPC (port 5001), not the gateway (port 8080)?",
            source=source,
        )
    return value


def changed_file(bad: BadReference, source: str) -> VerificationError:
    """The error of a leaf that Kubo cannot read back."""
    return VerificationError(
        f"{source} cannot give {bad.cid}: the file {bad.path} is gone or holds other bytes at offset {bad.offset}"
        f" than when it was added ({bad.reason})",
        hint="restore the file, or add the dataset again from where it is right",
        cid=bad.cid,
        path=bad.path,
        offset=bad.offset,
        source=source,
    )
