"""Files packed with gzip or bzip2, read as streams: only as much is unpacked as is read.

A packed file can be a bomb: a few bytes that unpack to terabytes. What is read from here is bounded by what the reader
asks for; passing over a long distance is bounded by `MAX_UNPACKED_BYTES`.
"""

from __future__ import annotations

import bz2
import zlib
from typing import Any, BinaryIO, Literal

from etdb.errors import FormatError

__all__ = ["MAX_UNPACKED_BYTES", "PackedFile", "Packing", "packing_of", "unpacked_name"]

MAX_UNPACKED_BYTES = 1 << 40
PIECE_BYTES = 64 << 10
Packing = Literal["", "gzip", "bzip2"]
SUFFIXES: dict[str, Packing] = {".gz": "gzip", ".bz2": "bzip2"}
MAGIC: dict[Packing, bytes] = {"gzip": b"\x1f\x8b", "bzip2": b"BZh"}


def packing_of(path: str) -> Packing:
    """How a file is packed, by its suffix."""
    return next((packing for suffix, packing in SUFFIXES.items() if path.lower().endswith(suffix)), "")


def unpacked_name(path: str) -> str:
    """The path without `.gz` or `.bz2`."""
    return path.rpartition(".")[0] if packing_of(path) else path


class PackedFile:
    """What a packed file unpacks to, front to back.

    Args:
        file: the packed file at its beginning; read from and left open.
        packing: `gzip` or `bzip2`.
        limit_bytes: how much may come out; more is refused.

    Raises:
        FormatError: not packed so, damaged, cut off, or beyond the limit.
    """

    def __init__(self, file: BinaryIO, packing: Packing, limit_bytes: int = MAX_UNPACKED_BYTES) -> None:
        self._file = file
        self._packing: Packing = packing
        self._left = limit_bytes
        self._unpacker: Any = None  # zlib's or bz2's decompressor
        self._packed = b""
        self._ended = False
        self._is_first = True

    def read(self, count: int) -> bytes:
        """At most so many bytes; fewer only at the end."""
        parts = []
        while count and not self._ended:
            part = self._some(count)
            parts.append(part)
            count -= len(part)
            self._left -= len(part)
            if self._left < 0:
                raise FormatError("this packed file unpacks to more than can be believed")
        return b"".join(parts)

    def _some(self, count: int) -> bytes:
        if self._unpacker is None and not self._begin():
            self._ended = True
            return b""
        # bz2 keeps what it did not use yet; zlib gives it back.
        is_hungry = not self._packed and getattr(self._unpacker, "needs_input", True)
        if is_hungry:
            self._packed = self._file.read(PIECE_BYTES)
        try:
            data: bytes = self._unpacker.decompress(self._packed, count)
        except (OSError, ValueError, zlib.error, EOFError) as error:
            raise FormatError(f"this file is damaged: {self._packing} cannot unpack it") from error
        if is_hungry and not data and not self._packed and not self._unpacker.eof:
            raise FormatError(f"this {self._packing} file is cut off")
        if self._unpacker.eof:
            self._packed, self._unpacker = self._unpacker.unused_data, None
        else:
            self._packed = getattr(self._unpacker, "unconsumed_tail", b"")
        return data

    def _begin(self) -> bool:
        """Begin the first member, or the next one behind it.

        Zeros between members of gzip fill up blocks of tapes; what else stands behind the last member is passed over.
        """
        magic = MAGIC[self._packing]
        padding = b"\0" if self._packing == "gzip" and not self._is_first else b""
        self._packed = self._packed.lstrip(padding)
        while len(self._packed) < len(magic) and (more := self._file.read(PIECE_BYTES)):
            self._packed = (self._packed + more).lstrip(padding)
        if not self._packed.startswith(magic):
            if self._is_first:
                raise FormatError(f"this is not a {self._packing} file", offset=0)
            return False
        self._is_first = False
        self._unpacker = zlib.decompressobj(31) if self._packing == "gzip" else bz2.BZ2Decompressor()
        return True
