"""Import profiles: every choice that changes a CID, as data.

Sources: IPIP-499 (https://specs.ipfs.tech/ipips/ipip-0499/) for the two named there; ``etdb-2018`` is what
``ipfs add --nocopy`` made in 2018, when the first datasets of the ETDB were published: sharding was an experiment then
that had to be switched on (``Experimental.ShardingEnabled``), so its directories are plain however large they are.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from etdb.errors import InputError

__all__ = ["ETDB_2018", "PROFILES", "UNIXFS_V0_2015", "UNIXFS_V1_2025", "ImportProfile", "profile_by_name"]


class ImportProfile(Struct, frozen=True, kw_only=True):
    """How files and directories become a DAG.

    Attributes:
        name: the profile's name.
        cid_version: of interior nodes and directories; raw leaves always have version 1.
        leaf_bytes: bytes of content in each leaf but the last.
        width: most links of an interior node; the layout is balanced.
        raw_leaves: leaves are the content alone; otherwise each is framed as dag-pb.
        shard_above_bytes: a directory with a larger estimate is sharded (HAMT); None: never.
        shard_estimate: what is compared: the encoded block, or the names and CIDs of its links.
    """

    name: str
    cid_version: int
    leaf_bytes: int
    width: int
    raw_leaves: bool
    shard_above_bytes: int | None = 256 * 1024
    shard_estimate: Literal["block", "links"] = "block"


UNIXFS_V1_2025: Final = ImportProfile(
    name="unixfs-v1-2025", cid_version=1, leaf_bytes=1024 * 1024, width=1024, raw_leaves=True
)
UNIXFS_V0_2015: Final = ImportProfile(
    name="unixfs-v0-2015", cid_version=0, leaf_bytes=256 * 1024, width=174, raw_leaves=False, shard_estimate="links"
)
ETDB_2018: Final = ImportProfile(
    name="etdb-2018", cid_version=0, leaf_bytes=256 * 1024, width=174, raw_leaves=True, shard_above_bytes=None
)
PROFILES: Final = {profile.name: profile for profile in (UNIXFS_V1_2025, UNIXFS_V0_2015, ETDB_2018)}


def profile_by_name(name: str) -> ImportProfile:
    """The profile called ``name``.

    Raises:
        InputError: there is none.
    """
    if name not in PROFILES:
        raise InputError(f"there is no import profile {name!r}", hint="known: " + ", ".join(PROFILES))
    return PROFILES[name]
