"""That a ledger file was verified, kept beside it: the next reader of the same file need not do it again.

It is as good as the folder that it lies in. What is read of the file later is still held against the hashes that were
verified: headers lead where they led, transactions are in their blocks.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from etdb.durable import write_durably
from etdb.errors import EtdbError
from etdb.ledger.archive_format import DIGEST_BYTES
from etdb.ledger.archive_scan import MAX_MESSAGES, CheckedFile

__all__ = ["load_checked", "store_checked"]

_PLACE: Final = struct.Struct("<32sQ")
_MAX_BYTES: Final = (256 << 20) + _PLACE.size * MAX_MESSAGES


class _Memory(msgspec.Struct, frozen=True, kw_only=True, tag="etdb-ledger-checked-1"):
    """The file's size, time, inode and last digest with what was found; ``places`` packs ids and where they are."""

    size: int
    mtime_ns: int
    inode: int
    last: bytes
    checked: CheckedFile
    places: bytes


def load_checked(memory: Path, descriptor: int) -> tuple[CheckedFile, dict[bytes, int]] | None:
    """What was found of this very file; None when it is another, has changed, or nothing is known."""
    status = os.fstat(descriptor)
    try:
        with memory.open("rb") as file:
            if os.fstat(file.fileno()).st_size > _MAX_BYTES:
                return None
            known = msgspec.msgpack.decode(file.read(), type=_Memory)
    except (OSError, msgspec.MsgspecError):
        return None
    if (known.size, known.mtime_ns, known.inode) != (status.st_size, status.st_mtime_ns, status.st_ino):
        return None
    if known.last != _last(descriptor, status.st_size):
        return None
    if len(known.places) % _PLACE.size:
        return None
    places: Iterator[tuple[bytes, int]] = _PLACE.iter_unpack(known.places)
    return known.checked, dict(places)


def _last(descriptor: int, size: int) -> bytes:
    return os.pread(descriptor, DIGEST_BYTES, max(0, size - DIGEST_BYTES))


def store_checked(memory: Path, descriptor: int, checked: CheckedFile, places: Mapping[bytes, int]) -> None:
    """Keep what was found. Where it cannot be kept, the next reader looks again."""
    status = os.fstat(descriptor)
    known = _Memory(
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
        last=_last(descriptor, status.st_size),
        checked=checked,
        places=b"".join(_PLACE.pack(txid, place) for txid, place in places.items()),
    )
    with contextlib.suppress(EtdbError):
        write_durably(memory, [msgspec.msgpack.encode(known)])
