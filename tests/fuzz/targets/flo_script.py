"""Any script has pushes or none and an address or none; the script of that address is the script again."""

from __future__ import annotations

from tests.fuzz import material

from etdb import flo


def seeds() -> list[bytes]:
    key_hash = bytes(range(20))
    return [
        flo.address_script(material.ADDRESS, flo.REGTEST),
        b"\xa9\x14" + key_hash + b"\x87",
        b"\0\x14" + key_hash,
        b"\0\x20" + bytes(32),
        flo.encode_key_script(material.KEY.public_key),
        flo.encode_multisig_script(1, [material.KEY.public_key]),
        b"\x4c\x05hello\x4d\x01\0x",
    ]


def check(data: bytes) -> None:
    flo.parse_pushes(data)
    flo.parse_keys(data)
    for network in (flo.MAIN, flo.REGTEST):
        address = flo.script_address(data, network)
        if address is not None and flo.script_destination(data) is not None:
            again = flo.address_script(address, network)
            assert flo.script_address(again, network) == address
