"""FLO's networks as values (chainparams of FLO Core 0.15.2)."""

from __future__ import annotations

import functools
from typing import Final

import msgspec

from etdb.errors import InputError
from etdb.flo.checkpoints import MAIN_CHECKPOINTS, TESTNET_CHECKPOINTS

__all__ = [
    "BLOCK_SPACING_S",
    "COIN",
    "MAIN",
    "MAX_FLO_DATA_BYTES",
    "MAX_MONEY_SAT",
    "REGTEST",
    "TESTNET",
    "DifficultyRule",
    "Network",
    "network",
]

COIN: Final = 100_000_000
"""Satoshi in one FLO."""
MAX_MONEY_SAT: Final = 160_000_000 * COIN
MAX_FLO_DATA_BYTES: Final = 1040
"""What nodes relay; not a rule of consensus."""

BLOCK_SPACING_S: Final = 40
"""How far apart blocks should be."""


class DifficultyRule(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """How targets follow the time that blocks took, from a height on.

    Attributes:
        from_height: the first block that the rule judges.
        every_blocks: the target changes at multiples of this height.
        over_blocks: over how many blocks the time is taken.
        faster_percent: how much shorter that time counts at most.
        slower_percent: how much longer.
    """

    from_height: int
    every_blocks: int
    over_blocks: int
    faster_percent: int
    slower_percent: int

    @functools.cached_property
    def timespan_s(self) -> int:
        """How long the blocks should take."""
        return self.over_blocks * BLOCK_SPACING_S

    @functools.cached_property
    def least_s(self) -> int:
        """A shorter time counts as this."""
        return self.timespan_s * (100 - self.faster_percent) // 100

    @functools.cached_property
    def most_s(self) -> int:
        """A longer time counts as this."""
        return self.timespan_s * (100 + self.slower_percent) // 100


def _difficulty(second_from: int, third_from: int) -> tuple[DifficultyRule, ...]:
    first = DifficultyRule(from_height=0, every_blocks=90, over_blocks=90, faster_percent=75, slower_percent=300)
    second = msgspec.structs.replace(first, from_height=second_from, every_blocks=15, over_blocks=15)
    third = DifficultyRule(from_height=third_from, every_blocks=1, over_blocks=6, faster_percent=2, slower_percent=3)
    return first, second, third


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """One network's constants.

    Prefixes are the version bytes of base58check strings; where there are several, the first is written.
    ``bech32_prefix`` begins addresses of witnesses.
    ``pow_limit`` is the easiest target; ``retargets`` is false where it never changes, and ``allows_easiest`` true
    where a block that comes late may have it. ``version_heights`` are the heights from which blocks must be of version
    2, 3 and 4 (BIP 34, 66, 65). ``checkpoints`` are heights and hashes. ``magic`` begins each message between peers
    and each block in a block file.
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
    version_heights: tuple[int, int, int]
    difficulty: tuple[DifficultyRule, ...]
    checkpoints: tuple[tuple[int, str], ...] = ()
    halving_blocks: int
    coinbase_maturity: int = 100
    first_subsidy_sat: int = 100 * COIN
    retargets: bool = True
    allows_easiest: bool = False

    def difficulty_rule(self, height: int) -> DifficultyRule:
        """The rule that judges a block of this height."""
        for rule in reversed(self.difficulty):
            if height >= rule.from_height:
                return rule
        return self.difficulty[0]

    def known_height(self, height: int) -> int:
        """The height of the last block up to this one that is known: a checkpoint, or the network's first."""
        return max((known for known, _ in self.checkpoints if known <= height), default=0)

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
    version_heights=(1_679_161, 1_679_161, 1_679_161),
    difficulty=_difficulty(208_440, 426_000),
    checkpoints=MAIN_CHECKPOINTS,
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
    version_heights=(33_600, 33_600, 33_600),
    difficulty=_difficulty(50_000, 60_000),
    checkpoints=TESTNET_CHECKPOINTS,
    allows_easiest=True,
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
    version_heights=(100_000_000, 1_251, 1_351),
    difficulty=_difficulty(208_440, 426_000),
    allows_easiest=True,
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
