"""Any floData is a message, none of the protocol, or refused with FormatError; a record is written and read again."""

from __future__ import annotations

from tests.fuzz import material

from etdb import flo, oip
from etdb.errors import EtdbError, FormatError
from etdb.trust import check_artifact


def seeds() -> list[bytes]:
    record = material.record_bytes()
    return [
        record,
        record.removeprefix(b"json:"),
        *material.parts(),
        b'json:{"oip042":{"register":{"pub":{"alias":"lab","floAddress":"oX","timestamp":1,"signature":"x"}}}}',
        b'{"oip-041":{"artifact":{"type":"Image-Basic","info":{"title":"t"}},"signature":"s"}}',
        b'{"alexandria-media":{"torrent":"Q","publisher":"F","timestamp":1,"type":"music","info":{"title":"t"}},"signature":""}',
        b"p64:CgQIARAB",
        b"gp64:H4sIAAAAAAAA",
        b"text:hello",
        b"alexandria-historian-v001:pool:1:2:3",
    ]


def check(data: bytes) -> None:
    try:
        message = oip.parse_message(data)
    except FormatError:
        return
    if isinstance(message, oip.PublishMessage):
        check_artifact(message, flo.REGTEST)
        try:
            again = oip.parse_message(oip.encode_publish(message.tomogram, message.signature))
        except EtdbError:
            return  # what others wrote may lack what we always write
        assert isinstance(again, oip.PublishMessage)
        assert again.tomogram.title == message.tomogram.title
        assert again.tomogram.location == message.tomogram.location
