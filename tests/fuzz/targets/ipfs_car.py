"""A CAR read whole and one read byte by byte give the same events or the same refusal, of our errors only."""

from __future__ import annotations

from tests.fuzz import material

from etdb import ipfs
from etdb.errors import EtdbError

MAX_BLOCK = 4096


def seeds() -> list[bytes]:
    root, blocks = material.dag()
    small = {cid: data for cid, data in blocks.items() if len(data) < MAX_BLOCK}
    car = b"".join(ipfs.encode_car([root], small.items()))
    return [car, b"".join(ipfs.encode_car([root], [])), car + car[60:], car[:-1]]


def _events(pieces: list[bytes]) -> list[object]:
    reader = ipfs.CarReader(max_block_bytes=MAX_BLOCK)
    events: list[object] = []
    try:
        for piece in [*pieces, b""]:
            reader.receive_data(piece)
            while not isinstance(event := reader.next_event(), ipfs.NeedData):
                events.append(event)
                if isinstance(event, ipfs.CarEnd):
                    return events
    except EtdbError as error:
        events.append(error.code)
    return events


def check(data: bytes) -> None:
    data = data[:2048]
    whole = _events([data] if data else [])
    assert _events([data[at : at + 1] for at in range(len(data))]) == whole
