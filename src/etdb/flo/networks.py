"""FLO's networks as values (chainparams of FLO Core 0.15.2)."""

from __future__ import annotations

from typing import Final

import msgspec

from etdb.errors import InputError

__all__ = ["COIN", "MAIN", "MAX_FLO_DATA_BYTES", "MAX_MONEY_SAT", "REGTEST", "TESTNET", "Network", "network"]

COIN: Final = 100_000_000
"""Satoshi in one FLO."""
MAX_MONEY_SAT: Final = 160_000_000 * COIN
MAX_FLO_DATA_BYTES: Final = 1040
"""What nodes relay; not a rule of consensus."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """One network's constants.

    Prefixes are the version bytes of base58check strings; where there are several, the first is written.
    ``bech32_prefix`` begins addresses of witnesses.
    ``pow_limit`` is the easiest target. ``magic`` begins each message between peers and each block in a block file.
    """

    name: str
    p2pkh_prefix: int
    p2sh_prefixes: tuple[int, ...]
    wif_prefixes: tuple[int, ...]
    bech32_prefix: str
    magic: bytes
    p2p_port: int
    rpc_port: int
    genesis_hash: str
    genesis_block: bytes
    pow_limit: int
    bip34_height: int
    halving_blocks: int
    coinbase_maturity: int = 100
    first_subsidy_sat: int = 100 * COIN
    retargets: bool = True

    def subsidy_sat(self, height: int) -> int:
        """What the miner of this height may create, without fees."""
        halvings = height // self.halving_blocks
        return self.first_subsidy_sat >> halvings if halvings < 64 else 0


# One coinbase is in every network's genesis block; only time, bits and nonce differ.
_GENESIS_COINBASE: Final = bytes.fromhex(
    "02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4904ffff001d010441"
    "536c617368646f74202d203137204a756e652032303133202d205361756469204172616269612053657420546f2042616e20"
    "57686174734170702c20536b797065ffffffff0100e40b54020000004341040184710fa689ad5023690c80f3a49c8f13f8d4"
    "5b8c857fbcbc8bc4a8e4d3eb4b10f4d4604fa08dce601aaf0f470216fe1b51850b4acf21b179c45070ac7b03a9ac00000000"
    "1d746578743a466c6f72696e636f696e2067656e6573697320626c6f636b"
)
_GENESIS_ROOT: Final = "730f0c8ddc5a592d5512566890e2a73e45feaa6748b24b849d1c29a7ab2b2300"


def _genesis(time_s: int, bits: int, nonce: int) -> bytes:
    header = b"".join(
        (
            (1).to_bytes(4, "little"),
            bytes(32),
            bytes.fromhex(_GENESIS_ROOT)[::-1],
            time_s.to_bytes(4, "little"),
            bits.to_bytes(4, "little"),
            nonce.to_bytes(4, "little"),
        )
    )
    return header + b"\x01" + _GENESIS_COINBASE


MAIN: Final = Network(
    name="main",
    p2pkh_prefix=35,
    p2sh_prefixes=(94, 8),
    wif_prefixes=(163, 176),
    bech32_prefix="flo",
    magic=bytes.fromhex("fdc0a5f1"),
    p2p_port=7312,
    rpc_port=7313,
    genesis_hash="09c7781c9df90708e278c35d38ea5c9041d7ecfcdd1c56ba67274b7cff3e1cea",
    genesis_block=_genesis(1371488396, 0x1E0FFFF0, 1000112548),
    pow_limit=(1 << 236) - 1,
    bip34_height=1_679_161,
    halving_blocks=800_000,
)
TESTNET: Final = Network(
    name="testnet",
    p2pkh_prefix=115,
    p2sh_prefixes=(58, 198),
    wif_prefixes=(239,),
    bech32_prefix="tflo",
    magic=bytes.fromhex("fdc05af2"),
    p2p_port=17312,
    rpc_port=17313,
    genesis_hash="9b7bc86236c34b5e3a39367c036b7fe8807a966c22a7a1f0da2a198a27e03731",
    genesis_block=_genesis(1371387277, 0x1E0FFFF0, 1000580675),
    pow_limit=(1 << 236) - 1,
    bip34_height=33_600,
    halving_blocks=800_000,
)
REGTEST: Final = Network(
    name="regtest",
    p2pkh_prefix=115,
    p2sh_prefixes=(58, 198),
    wif_prefixes=(239,),
    bech32_prefix="rflo",
    magic=bytes.fromhex("fabfb5da"),
    p2p_port=17412,
    rpc_port=17413,
    genesis_hash="ec42fa26ca6dcb1103b59a1d24b161935ea4566f8d5736db8917d5b9a8dee0d7",
    genesis_block=_genesis(1371387277, 0x207FFFFF, 0),
    pow_limit=(1 << 255) - 1,
    bip34_height=100_000_000,
    halving_blocks=150,
    retargets=False,
)


def network(name: str) -> Network:
    """The network of this name.

    Raises:
        InputError: there is none.
    """
    for candidate in (MAIN, TESTNET, REGTEST):
        if candidate.name == name:
            return candidate
    raise InputError(f"{name!r} is not a network of FLO", hint="one of main, testnet, regtest")
