"""A blocks folder of any bytes gives one chain whose blocks hash to their links, or an error that names the folder."""

from __future__ import annotations

import contextlib
import tempfile
from contextlib import closing
from pathlib import Path

from tests.fuzz import material

from etdb import flo
from etdb.errors import FormatError, LedgerError, VerificationError
from etdb.ledger.blockfolder import BlockFolder

FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-blocks-folder-")


def _framed(*blocks: bytes) -> bytes:
    return b"".join(flo.REGTEST.magic + len(one).to_bytes(4, "little") + one for one in blocks)


def _child(parent: bytes, text: bytes) -> bytes:
    """A block that follows another one, without work."""
    coinbase = flo.build_coinbase(1, 0, b"", text)
    header = flo.BlockHeader(
        version=4,
        prev_hash=flo.parse_header(parent[: flo.HEADER_BYTES]).block_hash,
        merkle_root=coinbase.txid,
        time_s=1,
        bits=0x207FFFFF,
        nonce=0,
    )
    return flo.encode_block(flo.Block(header, (coinbase,)))


def seeds() -> list[bytes]:
    """The first byte says whether the files are hidden behind a key, and where the second one begins."""
    first = flo.REGTEST.genesis_block
    second, other = _child(first, b"text:x"), _child(first, b"")
    third = _child(second, b"text:y")
    whole = _framed(first, second, third)
    return [
        b"\0" + whole,
        b"\x05" + _framed(third, other, second, first, second),
        b"\0" + whole[:-5],
        b"\1" + whole + bytes(20),
        b"\0" + whole[:90] + whole,
        b"\0" + _framed(first, material.block(b"text:x")),
    ]


def check(data: bytes) -> None:
    folder = Path(FOLDER.name)
    choice, data = (data[0], data[1:]) if data else (0, b"")
    cut = len(data) * (choice >> 1) // 128
    key = folder / "xor.dat"
    key.write_bytes(b"\1\2\3\4\5\6\7\0") if choice & 1 else key.unlink(missing_ok=True)
    for number, part in enumerate((data[:cut], data[cut:])):
        hidden = bytes(byte ^ ((at + 1) % 8) for at, byte in enumerate(part)) if choice & 1 else part
        (folder / f"blk{number:05d}.dat").write_bytes(hidden)
    with closing(BlockFolder(folder, flo.REGTEST)) as source:
        try:
            tip = source.tip()
        except LedgerError:
            return
        headers = source.headers(0, tip.height + 1)
        hashes = [flo.parse_header(one).block_hash for one in headers]
        assert hashes[0] == flo.REGTEST.genesis_hash
        assert hashes[-1] == tip.block_hash
        for one, raw, previous in zip(headers[1:], source.blocks(hashes[1:]), hashes, strict=False):
            assert raw[: flo.HEADER_BYTES] == one
            assert raw in data
            assert flo.parse_header(one).prev_hash == previous
        # A record may have been believed to be whole for the one behind it.
        with contextlib.suppress(FormatError, VerificationError):
            assert [one.block_hash for one in source.scan(0)] == hashes
