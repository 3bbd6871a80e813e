"""Any signature of any message names an address or is refused with one of our errors; what we sign names us."""

from __future__ import annotations

from tests.fuzz import material

from etdb import flo
from etdb.errors import EtdbError


def seeds() -> list[bytes]:
    signature = flo.sign_message(material.KEY, "hello").encode()
    return [signature + b"\nhello", b"\n", signature[:-3] + b"===\nhello"]


def check(data: bytes) -> None:
    signature, _, message = data.partition(b"\n")
    text = signature.decode("utf-8", "surrogateescape")
    try:
        address = flo.recover_message_address(message, text, flo.REGTEST)
    except EtdbError:
        return
    assert flo.is_address(address, flo.REGTEST)
    flo.verify_message(address, message, text, flo.REGTEST)
