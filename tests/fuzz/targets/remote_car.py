"""Whatever a CAR on a web server holds, what comes of it are blocks with the right hash, or one of our errors."""

from __future__ import annotations

from contextlib import suppress

from etdb import ipfs
from etdb.blocks.remotecar import RemoteCar
from etdb.errors import EtdbError

WANTED = [b"hello, block", b"", bytes(40_000)]
CIDS = [ipfs.cid_of(block) for block in WANTED]


class _Bytes:
    """In the place of the remote file."""

    url = "http://a/b.car"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def size_bytes(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        assert 0 < length <= 1 << 22
        return self.data[offset : offset + length]


def seeds() -> list[bytes]:
    pairs = list(zip(CIDS, WANTED, strict=True))
    other = (ipfs.cid_of(b"other"), b"not what the CID says")
    return [
        b"".join(ipfs.encode_car(CIDS[:1], pairs)),
        b"".join(ipfs.encode_car([], pairs[::-1])),
        b"".join(ipfs.encode_car([], [other, *pairs[:2], (CIDS[0], b"wrong")])),
        b"".join(ipfs.encode_car([], [(CIDS[0], b"wrong")])),
        b"".join(ipfs.encode_car([], pairs))[:-100],
    ]


def check(data: bytes) -> None:
    store = RemoteCar(_Bytes.url)
    store._file = _Bytes(data)
    for cid, block in zip(CIDS, WANTED, strict=True):
        with suppress(EtdbError):
            assert store.get(cid) == block
        with suppress(EtdbError):
            store.has(cid)
