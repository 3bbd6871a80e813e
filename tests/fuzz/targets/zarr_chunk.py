"""Any array's metadata and any chunk give exactly its values or FormatError; nothing unfolds beyond its size."""

from __future__ import annotations

import json
import math
import zlib

from etdb.errors import FormatError
from etdb.oip.strict_json import load_json
from etdb.web.volumes.zarrchunks import MAX_CHUNK_BYTES, decode_chunk, index_entry, parse_layout

_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
_GRID = {"name": "regular", "configuration": {"chunk_shape": [2, 2]}}


def seeds() -> list[bytes]:
    two = {"zarr_format": 2, "shape": [4, 4], "chunks": [2, 2], "dtype": "<i2", "compressor": {"id": "zlib"}}
    three = {"zarr_format": 3, "shape": [4, 4], "data_type": "int16", "chunk_grid": _GRID, "codecs": [_BYTES]}
    three["chunk_key_encoding"] = {"name": "default"}
    inner = {"chunk_shape": [1, 1], "codecs": [_BYTES], "index_codecs": [_BYTES, {"name": "crc32c"}]}
    shards = three | {"codecs": [{"name": "sharding_indexed", "configuration": inner}]}
    return [
        json.dumps(two).encode() + b"\n" + zlib.compress(bytes(8)),
        json.dumps(three).encode() + b"\n" + bytes(8),
        json.dumps(shards).encode() + b"\n" + bytes(68),
    ]


def check(data: bytes) -> None:
    head, _, body = data.partition(b"\n")
    try:
        layout = parse_layout(load_json(head))
    except FormatError:
        return
    assert layout.chunk_bytes <= MAX_CHUNK_BYTES
    assert ".." not in layout.file_name(tuple(0 for _ in layout.chunk))
    try:
        if layout.shard is not None:
            span = index_entry(layout, body, tuple(0 for _ in layout.chunk), 1000)
            assert span is None or 0 <= span[0] <= span[1] <= 1000
        values = decode_chunk(layout, body)
    except FormatError:
        return
    assert values.shape == layout.chunk
    assert values.nbytes == layout.chunk_bytes == math.prod(layout.chunk) * values.dtype.itemsize
