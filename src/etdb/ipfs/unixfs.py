"""UnixFS: what the data of a dag-pb node says about a file, a directory or a symbolic link.

Source: https://specs.ipfs.tech/unixfs/ (fields and types). Mode and time are read over: no profile of etdb writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from etdb.errors import FormatError
from etdb.ipfs.varint import encode_varint, parse_varint

__all__ = [
    "DIRECTORY",
    "DIRECTORY_DATA",
    "FILE",
    "HAMT_SHARD",
    "MAX_FILE_BYTES",
    "MAX_FILE_LINKS",
    "RAW_FILE",
    "SYMLINK",
    "UnixFs",
    "encode_file_data",
    "encode_shard_data",
    "encode_symlink_data",
    "leaf_frame",
    "parse_unixfs",
]

RAW_FILE: Final = 0
DIRECTORY: Final = 1
FILE: Final = 2
SYMLINK: Final = 4
HAMT_SHARD: Final = 5
MAX_FILE_BYTES: Final = 1 << 50
"""1 PiB: a claim above it is not believed."""

MAX_FILE_LINKS: Final = 8192
"""The most children of a file's node that are read: no importer makes more than 1,024."""

DIRECTORY_DATA: Final = b"\x08\x01"
"""The data of every plain directory."""

_TYPE_NAMES = {RAW_FILE: "raw", DIRECTORY: "directory", FILE: "file", SYMLINK: "symlink", HAMT_SHARD: "HAMT shard"}
_VARINT_FIELDS = {0x08: "type", 0x18: "file size", 0x20: "block size", 0x28: "hash type", 0x30: "fanout", 0x38: "mode"}


class UnixFs(Struct, frozen=True, kw_only=True):
    """The UnixFS part of a node.

    Attributes:
        kind: one of the type constants of this module.
        data: content that stands in the node itself; the target of a symbolic link; the used buckets of a shard.
        file_size: bytes of content below and in the node, or None when not said.
        block_sizes: bytes of content below each link.
        hash_type: how a sharded directory hashes names, or None.
        fanout: buckets of a shard, or None.
    """

    kind: int
    data: bytes = b""
    file_size: int | None = None
    block_sizes: tuple[int, ...] = ()
    hash_type: int | None = None
    fanout: int | None = None

    @property
    def is_file(self) -> bool:
        """Whether the node is a file or a part of one."""
        return self.kind in {FILE, RAW_FILE}

    @property
    def kind_name(self) -> str:
        """The kind in words."""
        return _TYPE_NAMES[self.kind]


def encode_file_data(file_size: int, block_sizes: Sequence[int]) -> bytes:
    """The data of a file's interior node: its size, and the size below each link."""
    return b"\x08\x02\x18" + encode_varint(file_size) + b"".join(b"\x20" + encode_varint(size) for size in block_sizes)


def encode_symlink_data(target: str) -> bytes:
    """The data of a symbolic link."""
    text = target.encode("utf-8")
    return b"\x08\x04\x12" + encode_varint(len(text)) + text


def encode_shard_data(bitfield: bytes, hash_type: int, fanout: int) -> bytes:
    """The data of a shard of a directory: which buckets are used, as a big-endian number without leading zeros."""
    # An empty directory writes its empty bitfield too.
    field = b"\x12" + encode_varint(len(bitfield)) + bitfield
    return b"\x08\x05" + field + b"\x28" + encode_varint(hash_type) + b"\x30" + encode_varint(fanout)


def leaf_frame(length: int) -> tuple[bytes, bytes]:
    """What stands before and behind ``length`` bytes of content in a dag-pb leaf (profiles without raw leaves)."""
    size = encode_varint(length)
    inner_head = b"\x08\x02" + (b"\x12" + size if length else b"")
    tail = b"\x18" + size
    return b"\x0a" + encode_varint(len(inner_head) + length + len(tail)) + inner_head, tail


def parse_unixfs(data: bytes | None) -> UnixFs:
    """Read the data of a dag-pb node.

    Raises:
        FormatError: not UnixFS, or beyond the limits.
    """
    if data is None:
        raise FormatError("UnixFS: the dag-pb node has no data")
    content: bytes | None = None
    single: dict[int, int] = {}
    block_sizes: list[int] = []
    at = 0
    while at < len(data):
        tag = data[at]
        if tag in _VARINT_FIELDS:
            value, at = parse_varint(data, at + 1, what="UnixFS " + _VARINT_FIELDS[tag])
            if tag == 0x20:
                if len(block_sizes) == MAX_FILE_LINKS:
                    raise FormatError(f"UnixFS: more than {MAX_FILE_LINKS} block sizes")
                block_sizes.append(value)
            elif tag in single:
                raise FormatError(f"UnixFS: {_VARINT_FIELDS[tag]} twice")
            else:
                single[tag] = value
        elif tag in {0x12, 0x42}:
            length, at = parse_varint(data, at + 1, what="UnixFS length")
            if length > len(data) - at:
                raise FormatError(f"UnixFS: a field of {length} bytes at byte {at} reaches behind the end")
            if tag == 0x12:
                if content is not None:
                    raise FormatError("UnixFS: content twice")
                content = data[at : at + length]
            at += length
        else:
            raise FormatError(f"UnixFS: unknown field {tag:#04x} at byte {at}")
    kind = single.get(0x08)
    if kind not in _TYPE_NAMES:
        raise FormatError(f"UnixFS: the type is {kind}, not a file or a directory")
    file_size = single.get(0x18)
    if file_size is not None and file_size > MAX_FILE_BYTES:
        raise FormatError(f"UnixFS: a file of {file_size} bytes is not believed")
    return UnixFs(
        kind=kind,
        data=content or b"",
        file_size=file_size,
        block_sizes=tuple(block_sizes),
        hash_type=single.get(0x28),
        fanout=single.get(0x30),
    )
