"""A line of exported texts is refused with FormatError, or its values are within their limits."""

from __future__ import annotations

import json

from etdb.errors import FormatError
from etdb.ledger.legacy import MAX_MESSAGE_BYTES, parse_legacy_line


def seeds() -> list[bytes]:
    line = {"txid": "8a" * 32, "block": 2783156, "time": 1528156646, "floData": 'json:{"oip042":{}}'}
    return [json.dumps(line).encode(), json.dumps({**line, "floData": "oip-mp(0,1,F,,s):\u00e9", "more": []}).encode()]


def check(data: bytes) -> None:
    try:
        message = parse_legacy_line(data, 7)
    except FormatError:
        return
    assert bytes.fromhex(message.txid).hex() == message.txid
    assert len(message.txid) == 64
    assert 0 <= message.height < 1 << 31
    assert 0 <= message.time_s < 1 << 32
    assert 0 < len(message.data) <= MAX_MESSAGE_BYTES
    assert message.line == 7
