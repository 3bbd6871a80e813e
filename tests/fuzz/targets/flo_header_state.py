"""A kept state of headers is refused with FormatError, or encodes to the very bytes."""

from __future__ import annotations

from hashlib import sha256

from tests.fuzz.targets.flo_header import FIRST

from etdb import flo
from etdb.errors import FormatError


def seeds() -> list[bytes]:
    state = flo.HeaderChain(flo.REGTEST, [FIRST]).state()
    return [state, state[:-32]]


def check(data: bytes) -> None:
    """Also with the digest that belongs to the bytes: no fuzzer would find it."""
    for given in (data, data + sha256(data).digest()):
        try:
            state = flo.parse_header_state(given)
            chain = flo.HeaderChain.from_state(flo.REGTEST, given)
        except FormatError:
            continue
        assert flo.encode_header_state(state) == given
        assert flo.HeaderChain.from_state(flo.REGTEST, chain.state()).state() == chain.state()
