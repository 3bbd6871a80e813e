"""Whatever an RPC of Kubo answers, to any of our questions, is a value or one of our errors; blocks have their hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fuzz.targets.http_reply import BLOCK, CID, SERVER

from etdb.blocks.kubo import KuboNode
from etdb.blocks.kubo_address import parse_kubo_address
from etdb.errors import EtdbError


def seeds() -> list[bytes]:
    bodies = [
        BLOCK,
        b'{"Version":"0.42.0","ID":"12D3","Addresses":["/ip4/127.0.0.1"],"Peers":[{}],"Value":true}',
        b'{"Keys":{"bafk":{"Name":"n"}},"RepoPath":"/a/b","Size":12}',
        b'{"Cid":"bafk","Name":[]}\n{"Cid":7}\n',
        b'{"Status":11,"Key":{"/":"bafk"},"FilePath":"f","Offset":"x"}\n',
        b'{"Message":"blockstore: block not found","Code":0,"Type":"error"}',
    ]
    heads = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 Internal Server Error\r\n"]
    found = [head + b"Content-Length: %d\r\n\r\n" % len(body) + body for head in heads for body in bodies]
    chunk = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\nc\r\n" + BLOCK + b"\r\n0\r\n"
    )
    addresses = [b"/ip6/::1/tcp/5001/https", b"unix:/a", b"http://["]
    return [*found, chunk + b"\r\n", chunk + b"X-Stream-Error: no\r\n\r\n", *addresses]


def check(data: bytes) -> None:
    _ask(parse_kubo_address, data.decode("utf-8", "replace"))
    SERVER.reply = data
    node = KuboNode(SERVER.url, timeout_s=3, long_s=3)
    block = _ask(node.get, CID)
    assert block in {None, BLOCK}
    for question in (node.info, node.verify_version, node.reach, lambda: node.has(CID), lambda: node.pin_name(CID)):
        _ask(question)
    _ask(lambda: list(node.pins()))
    _ask(lambda: list(node.bad_references([CID])))
    node.close()


def _ask(question: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except EtdbError as error:
        words = error.message
    assert words
    return None
