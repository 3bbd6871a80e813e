"""No transaction makes a check raise; a signature that holds is over the very outputs and text that were signed."""

from __future__ import annotations

from tests.fuzz import material

from etdb import flo
from etdb.errors import EtdbError
from etdb.testing.ledger import malleated
from etdb.trust import Outcome, check_inclusion, check_transaction_signatures

SIGNED = flo.sign_all(material.transaction(b"text:signed", many=2), material.KEY)
HEADER = material.block()[: flo.HEADER_BYTES]


def seeds() -> list[bytes]:
    raw = SIGNED.encode()
    return [raw, malleated(raw), flo.sign_all(material.transaction(b"text:other"), material.KEY).encode()]


def check(data: bytes) -> None:
    check_inclusion(data, HEADER, len(data), (data[:32],), "00" * 32)
    for text in (b"text:signed", data[:8]):
        found = check_transaction_signatures([(data, text)], material.ADDRESS, flo.REGTEST)
        if found.outcome is Outcome.HELD:
            given = flo.parse_transaction(data)
            assert given.flo_data == text
            assert given.outputs == SIGNED.outputs
    try:
        flo.parse_transaction(data)
    except EtdbError:
        assert found.outcome is Outcome.FAILED
