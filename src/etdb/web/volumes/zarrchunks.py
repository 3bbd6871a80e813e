"""Chunks of a Zarr array, of versions 2 and 3, also inside of shards: where each lies, and its values. Pure.

Sources: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html and /v3/core/, the codecs bytes, blosc, zstd, gzip,
crc32c and sharding_indexed of version 3. Only those are taken: an array may name any codec of any library, and the one
that unpickles runs what a stranger wrote. Everything is decoded into memory of the size that the chunk must have, so
that nothing unfolds beyond it. ADR 0031 says why this is not left to zarr-python.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from etdb.errors import FormatError
from etdb.media.extras import import_extra

__all__ = ["MAX_CHUNKS_OF_SHARD", "MAX_CHUNK_BYTES", "ArrayLayout", "decode_chunk", "index_entry", "parse_layout"]

MAX_CHUNK_BYTES: Final = 64 << 20
MAX_CHUNKS_OF_SHARD: Final = 1 << 16
_KINDS: Final = {
    **{f"int{bits}": f"<i{bits // 8}" for bits in (8, 16, 32)},
    **{f"uint{bits}": f"<u{bits // 8}" for bits in (8, 16, 32)},
    **{f"float{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
}
_TYPES: Final = frozenset(_KINDS.values())
_EMPTY: Final = (1 << 64) - 1
Codec = Literal["", "blosc", "zstd", "gzip", "zlib"]


class ArrayLayout(Struct, frozen=True, kw_only=True):
    """How an array is cut and packed.

    Attributes:
        shape: of the whole.
        chunk: of what is packed by itself.
        shard: of what is a file, when a file holds several chunks; else None.
        dtype: numpy's name, with its byte order.
        codec: how a chunk is packed.
        prefix: of the name of a chunk's file.
        separator: between its numbers.
        fill: the value of chunks that are not there.
        has_checksum: whether four bytes follow the chunk (its content is hashed by the store, so they are cut off).
        index_has_checksum: likewise of a shard's index.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: str
    codec: Codec = ""
    shard: tuple[int, ...] | None = None
    prefix: str = ""
    separator: str = "."
    fill: float = 0.0
    has_checksum: bool = False
    index_has_checksum: bool = False

    @property
    def chunk_bytes(self) -> int:
        """Of a chunk's values."""
        return math.prod(self.chunk) * np.dtype(self.dtype).itemsize

    @property
    def index_bytes(self) -> int:
        """Of the index at the end of a shard."""
        return 16 * math.prod(self._inner) + 4 * self.index_has_checksum

    @property
    def _inner(self) -> tuple[int, ...]:
        return tuple(s // c for s, c in zip(self.shard or self.chunk, self.chunk, strict=True))

    def file_name(self, chunk: tuple[int, ...]) -> str:
        """The file of a chunk, below the array's folder."""
        return self.prefix + self.separator.join(str(n // i) for n, i in zip(chunk, self._inner, strict=True))

    def place_in_shard(self, chunk: tuple[int, ...]) -> int:
        """The number of a chunk in its shard's index."""
        at = 0
        for n, inner in zip(chunk, self._inner, strict=True):
            at = at * inner + n % inner
        return at


def parse_layout(document: Any) -> ArrayLayout:
    """What a ``.zarray`` or an array's ``zarr.json`` says.

    Raises:
        FormatError: it says nothing of the kind, or something that is not read here.
    """
    if not isinstance(document, dict):
        raise _cannot("its metadata are none")
    layout = _version_3(document) if document.get("zarr_format") == 3 else _version_2(document)
    if len(layout.chunk) != len(layout.shape) or layout.chunk_bytes > MAX_CHUNK_BYTES:
        raise _cannot(f"its chunks do not fit it, or have more than {MAX_CHUNK_BYTES >> 20} MiB")
    if layout.shard is not None and (
        len(layout.shard) != len(layout.chunk)
        or any(s % c for s, c in zip(layout.shard, layout.chunk, strict=True))
        or layout.index_bytes > 16 * MAX_CHUNKS_OF_SHARD + 4
    ):
        raise _cannot("its shards do not fit its chunks, or hold too many")
    try:
        np.dtype(layout.dtype).type(layout.fill)
    except OverflowError:
        raise _cannot("its fill value is none of its type") from None
    return layout


def decode_chunk(layout: ArrayLayout, data: bytes) -> NDArray[Any]:
    """The values of a chunk, ``layout.chunk`` in shape.

    Raises:
        FormatError: these bytes do not give exactly the values of one chunk.
        MissingExtraError: the library that unpacks is not installed.
    """
    if layout.has_checksum:
        data = data[:-4]
    dtype = np.dtype(layout.dtype)
    size = layout.chunk_bytes
    if not layout.codec:
        if len(data) != size:
            raise FormatError(f"a chunk has {len(data)} bytes where {size} belong")
        return np.frombuffer(data, dtype).reshape(layout.chunk)
    if layout.codec in {"gzip", "zlib"}:
        unpacking = zlib.decompressobj(31 if layout.codec == "gzip" else 15)
        try:
            unpacked: Any = unpacking.decompress(data, size)
        except zlib.error as error:
            raise FormatError("a chunk cannot be unpacked") from error
        if len(unpacked) != size or unpacking.unconsumed_tail:
            raise FormatError("a chunk does not unpack to its size")
        return np.frombuffer(unpacked, dtype).reshape(layout.chunk)
    if (told := _told_size(layout.codec, data)) != size:
        raise FormatError(f"a chunk unpacks to {told} bytes where {size} belong")
    out = np.empty(size, np.uint8)
    library = import_extra(f"numcodecs.{layout.codec}", "previews", what="showing packed OME-Zarr")
    try:
        library.decompress(data, out)
    except (RuntimeError, ValueError) as error:
        raise FormatError("a chunk cannot be unpacked") from error
    return out.view(dtype).reshape(layout.chunk)


def index_entry(layout: ArrayLayout, index: bytes, chunk: tuple[int, ...], shard_bytes: int) -> tuple[int, int] | None:
    """Where a chunk lies in its shard: from and to; None when it is not there.

    Raises:
        FormatError: the index is cut off, or points out of the shard.
    """
    at = layout.place_in_shard(chunk)
    if len(index) != layout.index_bytes:
        raise FormatError("the index of a shard is cut off")
    offset, length = struct.unpack_from("<2Q", index, 16 * at)
    if offset == length == _EMPTY:
        return None
    if offset + length > shard_bytes or length > 2 * MAX_CHUNK_BYTES:
        raise FormatError("the index of a shard points out of it")
    return offset, offset + length


def _told_size(codec: str, data: bytes) -> int:
    """What a chunk says that it unpacks to: bytes 4 to 7 of Blosc; the frame header of Zstandard (RFC 8878)."""
    if codec == "blosc":
        if len(data) < 16 or int.from_bytes(data[12:16], "little") != len(data):
            raise FormatError("a chunk is cut off")
        return int.from_bytes(data[4:8], "little")
    if len(data) < 6 or data[:4] != b"\x28\xb5\x2f\xfd":
        raise FormatError("a chunk is not what it is said to be packed with")
    flags = data[4]
    width = (int(bool(flags & 0x20)), 2, 4, 8)[flags >> 6]
    start = 5 + (0 if flags & 0x20 else 1) + (0, 1, 2, 4)[flags & 3]
    told = int.from_bytes(data[start : start + width], "little")
    return told + 256 if width == 2 else told


def _version_2(document: dict[str, Any]) -> ArrayLayout:
    if document.get("order", "C") != "C" or document.get("filters"):
        raise _cannot("its values are ordered by columns, or filtered")
    compressor = document.get("compressor")
    codec: Codec = ""
    if compressor is not None:
        name = compressor.get("id") if isinstance(compressor, dict) else None
        if name not in ("blosc", "zstd", "gzip", "zlib"):  # a tuple: whatever was written need not have a hash
            raise _cannot(f"it is packed with {str(name)[:40]!r}")
        codec = name
    dtype = str(document.get("dtype", ""))[:20]
    if dtype.replace(">", "<").replace("|", "<") not in _TYPES:
        raise _cannot(f"its values are {dtype!r}")
    separator = document.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise _cannot("its files are named in another way")
    return ArrayLayout(
        shape=_sizes(document.get("shape")),
        chunk=_sizes(document.get("chunks")),
        dtype=dtype,
        codec=codec,
        separator=separator,
        fill=_fill(document.get("fill_value")),
    )


def _version_3(document: dict[str, Any]) -> ArrayLayout:
    kind = _KINDS.get(str(document.get("data_type")))
    if kind is None:
        raise _cannot(f"its values are {str(document.get('data_type'))[:40]!r}")
    if document.get("storage_transformers"):
        raise _cannot("it is stored in another way")
    grid = _configuration(document.get("chunk_grid"), "regular")
    keys = document.get("chunk_key_encoding")
    is_default = isinstance(keys, dict) and keys.get("name") == "default"
    naming = _configuration(keys, "default" if is_default else "v2")
    separator = naming.get("separator", "/" if is_default else ".")
    if separator not in (".", "/"):
        raise _cannot("its files are named in another way")
    outer = _sizes(grid.get("chunk_shape"))
    codecs = document.get("codecs")
    shard, index_checksum = None, False
    if isinstance(codecs, list) and len(codecs) == 1 and _name(codecs[0]) == "sharding_indexed":
        inner = _configuration(codecs[0], "sharding_indexed")
        shard, chunk, codecs = outer, _sizes(inner.get("chunk_shape")), inner.get("codecs")
        index_codecs = inner.get("index_codecs")
        names = [_name(one) for one in index_codecs] if isinstance(index_codecs, list) else []
        if names not in (["bytes", "crc32c"], ["bytes"]) or inner.get("index_location", "end") != "end":
            raise _cannot("its shards are indexed in another way")
        if _configuration(inner["index_codecs"][0], "bytes").get("endian", "little") != "little":
            raise _cannot("its shards are indexed in another way")
        index_checksum = len(names) == 2
    else:
        chunk = outer
    dtype, codec, checksum = _codecs(codecs, kind)
    return ArrayLayout(
        shape=_sizes(document.get("shape")),
        chunk=chunk,
        shard=shard,
        dtype=dtype,
        codec=codec,
        prefix=f"c{separator}" if is_default else "",
        separator=separator,
        fill=_fill(document.get("fill_value")),
        has_checksum=checksum,
        index_has_checksum=index_checksum,
    )


def _codecs(codecs: Any, kind: str) -> tuple[str, Codec, bool]:
    names = [_name(one) for one in codecs] if isinstance(codecs, list) and len(codecs) <= 4 else []
    checksum = names[-1:] == ["crc32c"]
    if checksum:
        names.pop()
    if names[:1] != ["bytes"] or len(names) > 2 or not set(names[1:]) <= {"blosc", "zstd", "gzip"}:
        raise _cannot("it is packed in a way that is not read here: " + ", ".join(names)[:80])
    big = _configuration(codecs[0], "bytes").get("endian") == "big"
    codec: Any = names[1] if len(names) == 2 else ""
    return kind.replace("<", ">") if big else kind, codec, checksum


def _name(one: Any) -> str:
    return str(one.get("name"))[:40] if isinstance(one, dict) else str(one)[:40]


def _configuration(one: Any, name: str) -> dict[str, Any]:
    if _name(one) != name:
        raise _cannot(f"{_name(one)!r} stands where {name!r} is known")
    found = one.get("configuration", {}) if isinstance(one, dict) else {}
    return found if isinstance(found, dict) else {}


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 5:
        raise _cannot("its shape is not told")
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 1 << 40 for n in value):
        raise _cannot("its shape is not told")
    return tuple(value)


def _fill(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else 0.0


def _cannot(why: str) -> FormatError:
    return FormatError(f"an array of this Zarr is not read here: {why}")
