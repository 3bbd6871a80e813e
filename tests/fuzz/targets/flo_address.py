"""Any text is an address or refused with one of our errors; an address written again is the same destination."""

from __future__ import annotations

from tests.fuzz import material

from etdb import flo
from etdb.errors import EtdbError


def seeds() -> list[bytes]:
    wif = material.KEY.to_wif(flo.REGTEST)
    nested = [one for one in material.strings_of(material.vectors("flo_witness.json")) if 25 < len(one) < 75]
    return [material.ADDRESS.encode(), wif.encode(), *(one.encode() for one in nested[:20])]


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for network in (flo.MAIN, flo.TESTNET, flo.REGTEST):
        try:
            destination = flo.parse_address(text, network)
        except EtdbError:
            assert not flo.is_address(text, network)
        else:
            assert flo.parse_address(destination.address(network), network) == destination
        try:
            key = flo.PrivateKey.from_wif(text, network)
        except EtdbError:
            continue
        assert key.to_wif(network) == text
