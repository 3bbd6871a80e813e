"""Any path below /ipfs/ with any query is answered or refused with our errors; files are what was stored."""

from __future__ import annotations

import contextlib

from tests.fuzz import material

from etdb.blocks import MemoryStore
from etdb.errors import EtdbError
from etdb.web.answers import GatewayAnswers, error_answer
from etdb.web.wanted import Wanted

ROOT, BLOCKS = material.dag()
STORE = MemoryStore()
for _cid, _data in BLOCKS.items():
    STORE.put(_data, codec=_cid.codec)
STORE.put(bytes(5))
ANSWERS = GatewayAnswers(STORE)


def seeds() -> list[bytes]:
    root = str(ROOT)
    asked = ("/a/small.txt", "?format=raw", "/a?format=car&dag-scope=entity&entity-bytes=0:*", "/../a", "/a//b/./c")
    return [(root + one).encode() for one in asked] + [b"bafkqaaa", b"Qm?format=car", root.encode() + b"/%2e%2e/%00"]


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    place, _, query = text.partition("?")
    cid, _, path = place.partition("/")
    pairs = dict(one.partition("=")[::2] for one in query.split("&"))
    wanted = Wanted(is_head=False, cid=cid, path=path, url_path="/ipfs/" + place, query=pairs, headers={})
    try:
        answer = ANSWERS.answer(wanted)
    except EtdbError as error:
        answer = error_answer(error)
    assert answer.status in {200, 206, 301, 304} or (answer.status >= 400 and answer.pieces is None)
    if answer.pieces is not None:
        with contextlib.suppress(EtdbError):
            for _ in answer.pieces:
                pass
    if path == "a/small.txt" and cid == str(ROOT) and not query:
        assert bytes(answer.body) == bytes(5)
