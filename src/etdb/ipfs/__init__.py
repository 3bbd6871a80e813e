"""IPFS formats: CIDs, dag-pb, UnixFS, import profiles, DAG builder, directories, CAR, the verifying walk.

Pure: bytes and values in, values and bytes out. Where bytes are kept is the business of ``etdb.blocks``.
"""

from etdb.ipfs.car import (
    CarBlock,
    CarEnd,
    CarHeader,
    CarReader,
    NeedData,
    encode_car,
    encode_car_header,
    encode_car_section,
    read_car,
)
from etdb.ipfs.cid import (
    DAG_PB,
    MAX_BLOCK_BYTES,
    RAW,
    Cid,
    cid_of,
    parse_cid,
    parse_cid_bytes,
    read_cid,
    verify_block,
)
from etdb.ipfs.closure import DagClosure, DagCoverage, DagScope
from etdb.ipfs.dagpb import PbLink, PbNode, encode_node, parse_node
from etdb.ipfs.directory import DirectoryEntry, build_directory, build_symlink, build_tree, link_target
from etdb.ipfs.filedag import DIGEST_BYTES, DagBuilder, FileDag, IpldBlock, leaf_cid, leaf_digest
from etdb.ipfs.fileparts import FilePart, file_parts
from etdb.ipfs.geometry import FileGeometry, LeafSpan, file_geometry
from etdb.ipfs.hamt import HamtShard, ShardLink, build_shards, name_hash, parse_shard
from etdb.ipfs.names import verify_entry_name, verify_link_target
from etdb.ipfs.profile import (
    ETDB_2018,
    PROFILES,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    ImportProfile,
    profile_by_name,
)
from etdb.ipfs.unixfs import UnixFs, encode_file_data, leaf_frame, parse_unixfs
from etdb.ipfs.walk import DagWalk
from etdb.ipfs.walkevents import (
    DirectoryFound,
    FileFound,
    InlineFound,
    LeafFound,
    SizeLieError,
    SymlinkFound,
    WalkEvent,
    WalkLimits,
    group_leaves,
    verify_leaf,
)

__all__ = [
    "DAG_PB",
    "DIGEST_BYTES",
    "ETDB_2018",
    "MAX_BLOCK_BYTES",
    "PROFILES",
    "RAW",
    "UNIXFS_V0_2015",
    "UNIXFS_V1_2025",
    "CarBlock",
    "CarEnd",
    "CarHeader",
    "CarReader",
    "Cid",
    "DagBuilder",
    "DagClosure",
    "DagCoverage",
    "DagScope",
    "DagWalk",
    "DirectoryEntry",
    "DirectoryFound",
    "FileDag",
    "FileFound",
    "FileGeometry",
    "FilePart",
    "HamtShard",
    "ImportProfile",
    "InlineFound",
    "IpldBlock",
    "LeafFound",
    "LeafSpan",
    "NeedData",
    "PbLink",
    "PbNode",
    "ShardLink",
    "SizeLieError",
    "SymlinkFound",
    "UnixFs",
    "WalkEvent",
    "WalkLimits",
    "build_directory",
    "build_shards",
    "build_symlink",
    "build_tree",
    "cid_of",
    "encode_car",
    "encode_car_header",
    "encode_car_section",
    "encode_file_data",
    "encode_node",
    "file_geometry",
    "file_parts",
    "group_leaves",
    "leaf_cid",
    "leaf_digest",
    "leaf_frame",
    "link_target",
    "name_hash",
    "parse_cid",
    "parse_cid_bytes",
    "parse_node",
    "parse_shard",
    "parse_unixfs",
    "profile_by_name",
    "read_car",
    "read_cid",
    "verify_block",
    "verify_entry_name",
    "verify_leaf",
    "verify_link_target",
]
