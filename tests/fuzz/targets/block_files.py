"""Block files of any bytes give whole blocks in order, then stop; nothing but StorageError is raised."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.fuzz import material

from etdb import flo
from etdb.errors import StorageError
from etdb.ledger.blockfiles import BlockFiles

FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-blocks-")


def _framed(*blocks: bytes) -> bytes:
    return b"".join(flo.REGTEST.magic + len(one).to_bytes(4, "little") + one for one in blocks)


def seeds() -> list[bytes]:
    whole = _framed(flo.REGTEST.genesis_block, material.block(b"text:x"))
    return [whole, whole[:-5], whole + b"\0" * 20, whole[:90] + whole]


def check(data: bytes) -> None:
    folder = Path(FOLDER.name)
    (folder / "blk00000.dat").write_bytes(data)
    files = BlockFiles(folder, flo.REGTEST.magic)
    end = 0
    try:
        for place, block in files.behind(None):
            assert place.offset == end + 8
            assert data[place.offset : place.end] == block
            end = place.end
        files.holds_more(None)
    except StorageError:
        pass
    finally:
        files.close()
