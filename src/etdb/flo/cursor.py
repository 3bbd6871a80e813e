"""Reading the chain's serialisations: strict, bounded, never past the end."""

from __future__ import annotations

from etdb.errors import FormatError

__all__ = ["Cursor", "encode_varint"]


def encode_varint(value: int) -> bytes:
    """A compact size: 1, 3, 5 or 9 bytes."""
    if value < 0xFD:
        return value.to_bytes(1, "little")
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    if value <= 0xFFFFFFFF:
        return b"\xfe" + value.to_bytes(4, "little")
    return b"\xff" + value.to_bytes(8, "little")


class Cursor:
    """A place in bytes. Every read beyond the end raises FormatError that says what was being read."""

    __slots__ = ("data", "offset", "what")

    def __init__(self, data: bytes, what: str, offset: int = 0) -> None:
        self.data = data
        self.offset = offset
        self.what = what

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.offset + size
        if end > len(self.data):
            raise self.wrong(f"it ends at byte {len(self.data)}, {end} are needed")
        piece = self.data[self.offset : end]
        self.offset = end
        return piece

    def integer(self, size: int) -> int:
        """An unsigned little-endian integer."""
        return int.from_bytes(self.take(size), "little")

    def signed(self, size: int) -> int:
        """A signed little-endian integer."""
        return int.from_bytes(self.take(size), "little", signed=True)

    def varint(self) -> int:
        """A compact size; one that is longer than need be is refused, as nodes do."""
        first = self.integer(1)
        if first < 0xFD:
            return first
        size, least = {0xFD: (2, 0xFD), 0xFE: (4, 0x10000), 0xFF: (8, 0x100000000)}[first]
        value = self.integer(size)
        if value < least:
            raise self.wrong("a compact size is longer than need be")
        return value

    def count(self, least_bytes: int) -> int:
        """How many items follow; refused when the rest could not hold that many of ``least_bytes`` each."""
        value = self.varint()
        if value * least_bytes > len(self.data) - self.offset:
            raise self.wrong(f"{value} items cannot fit into the {len(self.data) - self.offset} bytes left")
        return value

    def text(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.count(1))

    def end(self) -> None:
        """Nothing may follow."""
        if self.offset != len(self.data):
            raise self.wrong(f"{len(self.data) - self.offset} bytes follow its end")

    def wrong(self, why: str) -> FormatError:
        """The error for this place."""
        return FormatError(f"not a {self.what}: {why}", offset=self.offset)
