"""A transaction is refused with FormatError, or encodes to the very bytes; judging inputs raises our errors only."""

from __future__ import annotations

import contextlib

from tests.fuzz import material

from etdb import flo
from etdb.errors import EtdbError, FormatError

SCRIPT = flo.address_script(material.ADDRESS, flo.REGTEST)


def seeds() -> list[bytes]:
    known = [
        bytes.fromhex(one) for one in material.strings_of(material.vectors("flo_fcoin.json"), least=120) if _is_hex(one)
    ]
    known += [
        bytes.fromhex(one)
        for one in material.strings_of(material.vectors("flo_witness.json"), least=120)
        if _is_hex(one)
    ]
    signed = flo.sign_all(material.transaction(b"text:signed"), material.KEY)
    return [material.transaction(b"text:one").encode(), signed.encode(), *known[:30]]


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and not set(text) - set("0123456789abcdef")


def check(data: bytes) -> None:
    try:
        transaction = flo.parse_transaction(data)
    except FormatError:
        return
    assert transaction.encode() == data
    assert len(transaction.txid) == 64
    for index in range(min(len(transaction.inputs), 3)):
        flo.input_key(transaction, index)
        with contextlib.suppress(EtdbError):
            flo.verify_input(transaction, index, SCRIPT)
