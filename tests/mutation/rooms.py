"""Which code is mutated, and which tests are there for it."""

from __future__ import annotations

from typing import NamedTuple


class Room(NamedTuple):
    code: str
    tests: tuple[str, ...]


ROOMS = {
    "trust": Room(
        "trust",
        (
            "tests/unit/trust",
            "tests/unit/verify",
            "tests/unit/index/test_corrections.py",
            "tests/unit/index/test_other_messages.py",
        ),
    ),
    "flo": Room(
        "flo",
        (
            "tests/unit/flo",
            "tests/property/test_flo_formats.py",
            "tests/property/test_flo_header_chain.py",
            "tests/property/test_flo_scan.py",
            "tests/contract/test_flo_parsers.py",
            "tests/unit/trust",
            "tests/hostile/test_chain.py",
        ),
    ),
    "oip": Room(
        "oip",
        (
            "tests/unit/oip",
            "tests/property/test_oip.py",
            "tests/property/test_oip_messages.py",
            "tests/unit/index/test_corrections.py",
            "tests/unit/index/test_other_messages.py",
            "tests/unit/index/test_parts_from_strangers.py",
            "tests/hostile/test_texts.py",
        ),
    ),
    "ipfs": Room(
        "ipfs",
        (
            "tests/unit/ipfs",
            "tests/property/test_ipfs_car.py",
            "tests/property/test_ipfs_formats.py",
            "tests/property/test_ipfs_hamt.py",
            "tests/property/test_ipfs_hostile.py",
            "tests/property/test_ipfs_walk.py",
            "tests/hostile/test_content.py",
        ),
    ),
}
