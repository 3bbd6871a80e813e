"""A block is refused with FormatError, or encodes to the very bytes; walk and scan find what the full parse finds."""

from __future__ import annotations

from tests.fuzz import material

from etdb import flo
from etdb.errors import FormatError, VerificationError


def seeds() -> list[bytes]:
    return [
        flo.MAIN.genesis_block,
        material.block(),
        material.block(b"text:one", b"", b"y" * 300),
    ]


def check(data: bytes) -> None:
    try:
        block = flo.parse_block(data)
    except FormatError:
        block = None
    try:
        walked = flo.walk_flo_data(data)
    except FormatError:
        assert block is None
        return
    assert block is not None
    assert flo.encode_block(block) == data
    wanted = [(place, one.txid, one.flo_data) for place, one in enumerate(block.transactions) if one.flo_data]
    assert [(one.position, one.txid, one.flo_data) for one in walked] == wanted
    try:
        scanned = flo.scan_block(data)
    except (FormatError, VerificationError):
        return
    assert list(scanned.carriers) == walked
    assert scanned.block_hash == block.header.block_hash
